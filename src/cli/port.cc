#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/words.hh"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace hull::cli {
namespace {

struct Published {
    int number = 0;
    std::string protocol;
    std::string port;  ///< "80/tcp"
    std::string host;  ///< "0.0.0.0:8080", "[::]:8080"
};

/// Every published port of GET /containers/{id}/json, in order of number, protocol and address.
std::vector<Published> published_ports(const json::Value& ports) {
    std::vector<Published> result;
    if (!ports.is_object()) return result;
    for (const auto& [port, bindings] : ports.as_object()) {
        if (!bindings.is_array()) continue;
        const auto [digits, protocol] = cut(port, '/');
        int number = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
        for (const json::Value& binding : bindings.as_array()) {
            const std::string& ip = binding["HostIp"].as_string();
            const std::string address = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
            result.push_back({number, std::string(protocol.value_or("tcp")), port,
                              address + ":" + binding["HostPort"].as_string()});
        }
    }
    std::sort(result.begin(), result.end(), [](const Published& a, const Published& b) {
        return std::tie(a.number, a.protocol, a.host) < std::tie(b.number, b.protocol, b.host);
    });
    return result;
}

int run(Invocation& call) {
    const std::vector<std::string>& words = call.arguments.positional;
    const json::Value container = call.session.ask(
        [&](client::Client& daemon) { return daemon.inspect_container_json(words[0]); });
    const auto ports = published_ports(container["NetworkSettings"]["Ports"]);
    std::string text;
    if (words.size() == 1) {
        for (const Published& port : ports) text += fmt::format("{} -> {}\n", port.port, port.host);
        call.session.print(text);
        return 0;
    }
    const auto [digits, protocol] = cut(words[1], '/');
    const std::string wanted = fmt::format("{}/{}", digits, protocol.value_or("tcp"));
    for (const Published& port : ports)
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
    .usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
    .summary = "List the published ports of a container, or where one of them is",
    .args = between(1, 2),
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
