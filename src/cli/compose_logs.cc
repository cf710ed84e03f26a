#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/compose_follow.hh"
#include "cli/compose_log_view.hh"
#include "cli/compose_reporter.hh"
#include "cli/logs_flags.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

constexpr auto flags = concat(
    logs_flags,
    std::to_array<Flag>({
        {"index", 0, FlagType::integer, "Number of the container, when a service has several", "0"},
        {"no-color", 0, FlagType::boolean, "No colors"},
        {"no-log-prefix", 0, FlagType::boolean, "No names in front of lines"},
    }));

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const ComposeScope scope = find_compose_scope(call);
    const compose::State state = read_compose_state(call, scope, arguments.positional);
    client::LogsOptions options = read_logs_options(arguments);
    LogView view({.prefix = !arguments.flag("no-log-prefix"),
                  .color = compose_colors(call, arguments.flag("no-color")),
                  .timestamps = false});
    const auto index = static_cast<int>(arguments.integer("index"));
    std::vector<compose::Container> containers;
    for (const compose::Container& container : state.containers)
        if (!container.one_off && (index == 0 || container.number == index))
            containers.push_back(container);
    if (index && containers.empty())
        throw Error(ErrorKind::not_found, "no container has the index {}", index);
    for (const compose::Container& container : containers)
        view.add_name(compose::short_name(container, scope.name));
    if (options.follow) return follow_logs(call.session, scope.name, containers, options, view);
    for (const compose::Container& container : containers) {
        const std::string name = compose::short_name(container, scope.name);
        call.session.ask([&](client::Client& daemon) {
            const bool terminal = daemon.inspect_container(container.id).config.tty;
            http::ClientResponse response = daemon.container_logs(container.id, options);
            LineCutter cutter(!terminal, [&](std::string_view line, bool is_error) {
                view.print(name, line, is_error);
            });
            std::vector<std::byte> buffer(65536);
            while (const std::size_t count = response.read(buffer))
                cutter.feed({reinterpret_cast<const char*>(buffer.data()), count});
            cutter.finish();
        });
    }
    return 0;
}

}  // namespace

const Command compose_logs_command{
    .name = "compose logs",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Print the output of containers",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
