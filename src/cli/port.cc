#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/published_ports.hh"
#include "cli/session.hh"
#include "cli/words.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"reachable", 0, FlagType::boolean, "Say from where each port can be reached"},
};

int run(Invocation& call) {
    const std::vector<std::string>& words = call.arguments.positional;
    const json::Value container = call.session.ask(
        [&](client::Client& daemon) { return daemon.inspect_container_json(words[0]); });
    std::vector<PublishedPort> ports = list_published_ports(container);
    std::string text;
    if (call.arguments.flag("reachable")) {
        if (words.size() == 2) {
            const auto [digits, protocol] = cut(words[1], '/');
            const std::string wanted = fmt::format("{}/{}", digits, protocol.value_or("tcp"));
            std::erase_if(ports, [&](const PublishedPort& port) { return port.port != wanted; });
        }
        const Reachability way = find_reachability(call.session);
        for (const std::string& line : describe_reach(ports, way.passes_input)) text += line + "\n";
        call.session.print(text);
        for (const std::string& obstacle : way.obstacles) call.session.complain(obstacle);
        return 0;
    }
    if (words.size() == 1) {
        for (const PublishedPort& port : ports)
            text += fmt::format("{} -> {}\n", port.port, port.host);
        call.session.print(text);
        return 0;
    }
    const auto [digits, protocol] = cut(words[1], '/');
    const std::string wanted = fmt::format("{}/{}", digits, protocol.value_or("tcp"));
    for (const PublishedPort& port : ports)
        if (port.port == wanted) text += port.host + "\n";
    if (text.empty())
        throw Error(ErrorKind::not_found, "no public port '{}' published for {}", wanted, words[0]);
    call.session.print(text);
    return 0;
}

}  // namespace

const Command port_command{
    .name = "container port",
    .aliases = {"port"},
    .usage = "[OPTIONS] CONTAINER [PRIVATE_PORT[/PROTO]]",
    .summary = "List the published ports of a container, or where one of them is",
    .args = between(1, 2),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
