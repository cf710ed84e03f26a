#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <unistd.h>

#include <vector>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"output", 'o', FlagType::text, "Write to this file instead of STDOUT"},
    {"platform", 0, FlagType::text, "Save only this platform (os[/arch[/variant]])"},
};

void copy(http::ClientResponse& response, int output) {
    std::vector<std::byte> buffer(1 << 20);
    while (const std::size_t count = response.read(buffer))
        sys::write_all(output, {reinterpret_cast<const char*>(buffer.data()), count});
}

http::ClientResponse request(Invocation& call) {
    return call.session.ask([&](client::Client& daemon) {
        const std::string& platform = call.arguments.text("platform");
        if (platform.empty()) return daemon.save_images(call.arguments.positional);
        http::Query query;
        for (const std::string& name : call.arguments.positional) query.emplace_back("names", name);
        query.emplace_back("platform", platform);
        return daemon.request("GET", "/images/get", query);
    });
}

/// The archive appears under its name only once it is whole.
void save_to_file(Invocation& call, const Path& path) {
    const Path partial = path + "." + random_hex(4) + ".partial";
    const Fd file =
        with_context([&] { return sys::open(partial, O_WRONLY | O_CREAT | O_EXCL, 0600); },
                     "failed to save image: invalid output path");
    try {
        http::ClientResponse response = request(call);
        copy(response, file.get());
        sys::rename(partial, path);
    } catch (...) {
        ::unlink(partial.c_str());
        throw;
    }
}

int run(Invocation& call) {
    const std::string& path = call.arguments.text("output");
    if (!path.empty()) {
        save_to_file(call, path);
        return 0;
    }
    if (is_terminal(STDOUT_FILENO))
        throw Error(ErrorKind::invalid_argument,
                    "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    http::ClientResponse response = request(call);
    copy(response, STDOUT_FILENO);
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
};

}  // namespace hull::cli
