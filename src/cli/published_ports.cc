#include "cli/published_ports.hh"

#include "base/error.hh"
#include "cli/words.hh"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

namespace hull::cli {

namespace {

std::string reach_of(const std::string& address, bool passes_input) {
    if (address.starts_with("127.") || address == "::1") return "this host only";
    const std::string machines = address == "0.0.0.0" || address == "::"
                                     ? "every machine that reaches this host"
                                     : "every machine that reaches " + address + " of this host";
    return passes_input ? machines + " and that its input rules let in" : machines;
}

}  // namespace

std::vector<PublishedPort> list_published_ports(const json::Value& container) {
    const json::Value& ports = container["NetworkSettings"]["Ports"];
    std::vector<PublishedPort> result;
    if (!ports.is_object()) return result;
    for (const auto& [port, bindings] : ports.as_object()) {
        if (!bindings.is_array()) continue;
        const auto [digits, protocol] = cut(port, '/');
        int number = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
        for (const json::Value& binding : bindings.as_array()) {
            const std::string& ip = binding["HostIp"].as_string();
            const std::string address = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
            result.push_back({number, std::string(protocol.value_or("tcp")), port, ip,
                              address + ":" + binding["HostPort"].as_string()});
        }
    }
    std::sort(result.begin(), result.end(), [](const PublishedPort& a, const PublishedPort& b) {
        return std::tie(a.number, a.protocol, a.host) < std::tie(b.number, b.protocol, b.host);
    });
    return result;
}

std::vector<std::string> describe_reach(const std::vector<PublishedPort>& ports,
                                        bool passes_input) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < ports.size();) {
        const std::string& port = ports[i].port;
        const std::string reach = reach_of(ports[i].address, passes_input);
        std::string line = port + " at " + ports[i].host;
        while (++i < ports.size() && ports[i].port == port &&
               reach_of(ports[i].address, passes_input) == reach)
            line += ", " + ports[i].host;
        lines.push_back(line + ": " + reach);
    }
    return lines;
}

Reachability find_reachability(Session& session) {
    const json::Value info =
        session.ask([](client::Client& daemon) { return daemon.get("/info", {}); });
    Reachability result;
    if (info["SecurityOptions"].is_array())
        for (const std::string& option : info["SecurityOptions"].as_strings())
            result.passes_input = result.passes_input || option == "name=publish-through-input";
    if (info["Warnings"].is_array())
        for (const std::string& warning : info["Warnings"].as_strings())
            if (warning.find("drops forwarded packets") != std::string::npos)
                result.obstacles.push_back(warning);
    return result;
}

}  // namespace hull::cli
