#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag connect_flags[] = {
    {"alias", 0, FlagType::strings, "Name of the container in the network"},
    {"driver-opt", 0, FlagType::strings, "Option of the network's driver"},
    {"gw-priority", 0, FlagType::integer,
     "The default route leaves by the network with the highest one"},
    {"ip", 0, FlagType::text, "IPv4 address (172.30.100.104)"},
    {"ip6", 0, FlagType::text, "IPv6 address (2001:db8::33)"},
    {"link", 0, FlagType::list, "Name that this container has for another one"},
    {"link-local-ip", 0, FlagType::strings, "Link-local address"},
};

constexpr Flag disconnect_flags[] = {
    {"force", 'f', FlagType::boolean, "Also of a container that is gone"},
};

std::string path_of(const std::string& network, std::string_view verb) {
    return fmt::format("/networks/{}/{}", http::encode_percent(network), verb);
}

int run_connect(Invocation& call) {
    const Arguments& arguments = call.arguments;
    api::NetworkConnectRequest request;
    request.container = arguments.positional[1];
    api::EndpointSettings& endpoint = request.endpoint_config.emplace();
    if (arguments.given("ip") || arguments.given("ip6") || arguments.given("link-local-ip")) {
        api::EndpointIpamConfig& ipam = endpoint.ipam_config.emplace();
        ipam.ipv4_address = arguments.text("ip");
        ipam.ipv6_address = arguments.text("ip6");
        ipam.link_local_ips = arguments.list("link-local-ip");
    }
    endpoint.links = arguments.list("link");
    endpoint.aliases = arguments.list("alias");
    endpoint.driver_opts = make_string_map(arguments.list("driver-opt"));
    endpoint.gw_priority = arguments.integer("gw-priority");
    call.session.ask([&](client::Client& daemon) {
        daemon.post(path_of(arguments.positional[0], "connect"), {}, to_json(request));
    });
    return 0;
}

int run_disconnect(Invocation& call) {
    const api::NetworkDisconnectRequest request{call.arguments.positional[1],
                                                call.arguments.flag("force")};
    call.session.ask([&](client::Client& daemon) {
        daemon.post(path_of(call.arguments.positional[0], "disconnect"), {}, to_json(request));
    });
    return 0;
}

}  // namespace

const Command network_connect_command{
    .name = "network connect",
    .usage = "[OPTIONS] NETWORK CONTAINER",
    .summary = "Connect a container to a network",
    .args = exactly(2),
    .flags = connect_flags,
    .run = run_connect,
    .completes = Completes::networks_and_containers,
};

const Command network_disconnect_command{
    .name = "network disconnect",
    .usage = "[OPTIONS] NETWORK CONTAINER",
    .summary = "Disconnect a container from a network",
    .args = exactly(2),
    .flags = disconnect_flags,
    .run = run_disconnect,
    .completes = Completes::networks_and_containers,
};

}  // namespace hull::cli
