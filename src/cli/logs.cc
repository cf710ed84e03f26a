#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/logs_flags.hh"
#include "cli/session.hh"
#include "cli/stream.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr auto flags = concat(
    logs_flags, std::to_array<Flag>({
                    {"details", 0, FlagType::boolean, "Show the attributes that log options added"},
                }));

std::string timestamp(const Arguments& arguments, std::string_view name) {
    if (arguments.text(name).empty()) return "";
    return with_context([&] { return parse_timestamp(arguments.text(name), now_ns()); },
                        "invalid value for \"{}\"", name);
}

int run(Invocation& call) {
    const std::string& name = call.arguments.positional[0];
    client::LogsOptions options = read_logs_options(call.arguments);
    options.details = call.arguments.flag("details");
    const bool terminal = call.session.ask(
        [&](client::Client& daemon) { return daemon.inspect_container(name).config.tty; });
    http::ClientResponse response = call.session.ask(
        [&](client::Client& daemon) { return daemon.container_logs(name, options); });
    copy_body(response, !terminal);
    return 0;
}

}  // namespace

client::LogsOptions read_logs_options(const Arguments& arguments) {
    client::LogsOptions options;
    options.follow = arguments.flag("follow");
    options.timestamps = arguments.flag("timestamps");
    options.tail = arguments.text("tail");
    options.since = timestamp(arguments, "since");
    options.until = timestamp(arguments, "until");
    return options;
}

const Command logs_command{
    .name = "container logs",
    .aliases = {"logs"},
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Print the output of a container",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
