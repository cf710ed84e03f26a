#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/credentials.hh"
#include "cli/progress.hh"
#include "cli/pull.hh"
#include "cli/session.hh"
#include "cli/values.hh"
#include "oci/reference.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all-tags", 'a', FlagType::boolean, "Push every tag of the repository"},
    {"disable-content-trust", 0, FlagType::boolean, "Do not sign (nothing is signed)", "true",
     nullptr, true},
    {"platform", 0, FlagType::text, "Push only this platform (os[/arch[/variant]])"},
    {"quiet", 'q', FlagType::boolean, "Only print the image's name"},
};

int run(Invocation& call) {
    const std::string& typed = call.arguments.positional[0];
    const bool all_tags = call.arguments.flag("all-tags"), quiet = call.arguments.flag("quiet");
    const oci::Reference reference = oci::Reference::parse(typed);
    if (all_tags && (!reference.tag().empty() || !reference.digest().empty()))
        throw Error(ErrorKind::invalid_argument, "tag can't be used with --all-tags/-a");
    if (!reference.digest().empty())
        throw Error(ErrorKind::invalid_argument, "cannot push a digest reference");
    if (!all_tags && reference.tag().empty() && !quiet)
        call.session.print_line("Using default tag: latest");
    http::Query query;
    if (!all_tags) query.emplace_back("tag", reference.with_default_tag().tag());
    if (const std::string& platform = call.arguments.text("platform"); !platform.empty())
        query.emplace_back("platform", platform_json(platform));
    ProgressView view(STDOUT_FILENO);
    const std::string auth = registry_auth_header(call.session, typed);
    http::ClientResponse response = call.session.ask([&](client::Client& daemon) {
        return daemon.request_with({{"X-Registry-Auth", auth}}, "POST",
                                   "/images/" + reference.familiar_name() + "/push", query);
    });
    std::string note;
    client::read_progress(response, [&](const api::ProgressMessage& message) {
        if (!quiet) view.show(message);
        if (const json::Value& pushed = message.aux;
            pushed["manifestPushedInsteadOfIndex"].is_bool())
            note = fmt::format(
                "\nInfo → Not all multiplatform-content is present and only the available "
                "single-platform image was pushed\n         {} -> {}",
                pushed["originalIndex"]["digest"].as_string(),
                pushed["selectedManifest"]["digest"].as_string());
    });
    if (!note.empty() && !quiet) call.session.print_line(note);
    if (quiet)
        call.session.print_line(all_tags ? reference.familiar_name()
                                         : reference.with_default_tag().canonical());
    return 0;
}

}  // namespace

const Command push_command{
    .name = "image push",
    .aliases = {"push"},
    .usage = "[OPTIONS] NAME[:TAG]",
    .summary = "Upload an image to a registry",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
