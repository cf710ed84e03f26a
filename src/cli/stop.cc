#include "cli/commands.hh"
#include "cli/each.hh"

#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"signal", 's', FlagType::text, "Signal that asks the container to stop"},
    {"time", 0, FlagType::integer, "Seconds to wait before killing", "", nullptr, true},
    {"timeout", 't', FlagType::integer, "Seconds to wait before killing"},
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    if (arguments.given("time") && arguments.given("timeout"))
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --timeout and --time");
    std::optional<int> timeout_s;
    for (std::string_view name : {"time", "timeout"})
        if (arguments.given(name)) timeout_s = static_cast<int>(arguments.integer(name));
    return for_each_argument(call, [&](client::Client& daemon, const std::string& name) {
        daemon.stop_container(name, arguments.text("signal"), timeout_s);
    });
}

}  // namespace

const Command stop_command{
    .name = "container stop",
    .aliases = {"stop"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Stop one or more running containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
