#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/compose_project.hh"
#include "cli/compose_provider.hh"
#include "cli/compose_reporter.hh"
#include "cli/session.hh"
#include "compose/down.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"remove-orphans", 0, FlagType::boolean,
     "Remove containers of services that are not in the file"},
    {"rmi", 0, FlagType::text,
     "Remove images: \"local\" (those without a name of their own) or \"all\""},
    {"timeout", 't', FlagType::integer, "Seconds a container has to stop", "0"},
    {"volumes", 'v', FlagType::boolean, "Remove named volumes of the file and anonymous ones"},
};

int dry_run(const Invocation& call, const ComposeScope& scope,
            const compose::DownOptions& options) {
    const compose::State state = read_compose_state(call, scope, options.services);
    for (const compose::Container& container : state.containers)
        call.session.print_line(fmt::format("{}: remove {}", container.service, container.name));
    return 0;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    compose::DownOptions options;
    options.volumes = arguments.flag("volumes");
    options.remove_orphans = arguments.flag("remove-orphans");
    options.remove_images = arguments.text("rmi");
    if (!options.remove_images.empty() && options.remove_images != "all" &&
        options.remove_images != "local")
        throw Error(ErrorKind::invalid_argument, "invalid value for --rmi: \"{}\": local or all",
                    options.remove_images);
    if (arguments.given("timeout"))
        options.timeout_s = static_cast<int>(arguments.integer("timeout"));
    options.services = arguments.positional;
    const ComposeScope scope = find_compose_scope(call);
    if (compose_dry_run(call)) return dry_run(call, scope, options);
    ComposeWork work(call);
    Session::from_daemon(
        [&] { compose::down(work.work, scope.get(), scope.name, scope.directory, options); });
    if (scope.project && options.services.empty()) end_providers(work, *scope.project);
    return 0;
}

}  // namespace

const Command compose_down_command{
    .name = "compose down",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Stop and remove containers and networks",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
