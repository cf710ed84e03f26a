#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/stream.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"details", 0, FlagType::boolean, "Show the attributes that log options added"},
    {"follow", 'f', FlagType::boolean, "Go on with new output"},
    {"since", 0, FlagType::text,
     "Output since a time (2013-01-02T13:23:37Z) or for a duration (42m)"},
    {"tail", 'n', FlagType::text, "Number of lines from the end", "all"},
    {"timestamps", 't', FlagType::boolean, "Show timestamps"},
    {"until", 0, FlagType::text,
     "Output before a time (2013-01-02T13:23:37Z) or a duration ago (42m)"},
};

std::string timestamp(const Arguments& arguments, std::string_view name) {
    if (arguments.text(name).empty()) return "";
    return with_context([&] { return parse_timestamp(arguments.text(name), now_ns()); },
                        "invalid value for \"{}\"", name);
}

int run(Invocation& call) {
    const std::string& name = call.arguments.positional[0];
    client::LogsOptions options;
    options.follow = call.arguments.flag("follow");
    options.timestamps = call.arguments.flag("timestamps");
    options.details = call.arguments.flag("details");
    options.tail = call.arguments.text("tail");
    options.since = timestamp(call.arguments, "since");
    options.until = timestamp(call.arguments, "until");
    const bool terminal = call.session.ask(
        [&](client::Client& daemon) { return daemon.inspect_container(name).config.tty; });
    http::ClientResponse response = call.session.ask(
        [&](client::Client& daemon) { return daemon.container_logs(name, options); });
    copy_body(response, !terminal);
    return 0;
}

}  // namespace

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
