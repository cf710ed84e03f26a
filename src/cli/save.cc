#include "cli/commands.hh"
#include "cli/output_file.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"output", 'o', FlagType::text, "Write to this file instead of STDOUT"},
    {"platform", 0, FlagType::text, "Save only this platform (os[/arch[/variant]])"},
};

http::ClientResponse request(Invocation& call) {
    return call.session.ask([&](client::Client& daemon) {
        const std::string& platform = call.arguments.text("platform");
        if (platform.empty()) return daemon.save_images(call.arguments.positional);
        http::Query query;
        for (const std::string& name : call.arguments.positional) query.emplace_back("names", name);
        query.emplace_back("platform", platform_json(platform));
        return daemon.request("GET", "/images/get", query);
    });
}

int run(Invocation& call) {
    write_archive(call.arguments.text("output"), "save image", [&] { return request(call); });
    return 0;
}

}  // namespace

const Command save_command{
    .name = "image save",
    .aliases = {"save"},
    .usage = "[OPTIONS] IMAGE [IMAGE...]",
    .summary = "Save images to a tar archive (on STDOUT unless -o is given)",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
