#pragma once
#include "base/json.hh"

#include "cli/session.hh"

#include <string>
#include <vector>

namespace hull::cli {

/// One port of the host that leads to a container.
struct PublishedPort {
    int number = 0;  ///< of the container
    std::string protocol;
    std::string port;     ///< "80/tcp"
    std::string address;  ///< of the host: "0.0.0.0"
    std::string host;     ///< "0.0.0.0:8080", "[::]:8080"
};

/// Every published port of a container's inspect, in order of number, protocol and address.
std::vector<PublishedPort> list_published_ports(const json::Value& container);

/// From where the ports can be reached, a line for each port of the container: "80/tcp at
/// 0.0.0.0:8080, [::]:8080: every machine that reaches this host". `passes_input`: the host's input
/// rules come first.
std::vector<std::string> describe_reach(const std::vector<PublishedPort>& ports, bool passes_input);

/// What the daemon knows of the way to it.
struct Reachability {
    bool passes_input = false;           ///< the host's input rules come first
    std::vector<std::string> obstacles;  ///< warnings of other firewalls
};
Reachability find_reachability(Session& session);

}  // namespace hull::cli
