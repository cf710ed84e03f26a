#include "engine/networking.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "engine/spec.hh"
#include "engine/text.hh"

#include <algorithm>
#include <set>

namespace hull::engine {

namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

network::IpAddress parse_address(const std::string& text, std::string_view family, bool is_v6) {
    if (text.empty()) return {};
    const auto address = network::IpAddress::parse(text);
    if (!address || address->is_v6() != is_v6)
        refuse("invalid endpoint settings:\ninvalid {} address: {}", family, text);
    return *address;
}

std::uint16_t parse_port(std::string_view text, const std::string& whole) {
    const auto number = find_integer(text);
    if (!number || *number < 0 || *number > 65535)
        refuse("invalid port specification: \"{}\"", whole);
    return static_cast<std::uint16_t>(*number);
}

/// The legacy links of the default bridge: "db", "db:database" -> alias and container.
network::StringMap parse_links(const api::Strings& links) {
    network::StringMap result;
    for (const std::string& link : links) {
        const std::size_t colon = link.find(':');
        std::string name = link.substr(0, colon);
        std::string alias = colon == std::string::npos ? name : link.substr(colon + 1);
        if (name.empty() || alias.empty() || alias.find(':') != std::string::npos)
            refuse("bad format for links: {}", link);
        // Old clients send what they have read: "/db:/me/database".
        if (name.starts_with('/')) name.erase(0, 1);
        alias.erase(0, alias.rfind('/') == std::string::npos ? 0 : alias.rfind('/') + 1);
        result[alias] = name;
    }
    return result;
}

void add_exposed(const api::ContainerConfig& config, const api::HostConfig& host,
                 std::vector<network::PortRequest>& requests) {
    for (const std::string& port : config.exposed_ports) {
        const auto found = find_container_port(port);  // of the image, which is not ours to refuse
        if (!found) continue;
        const ContainerPort& parsed = *found;
        const bool is_bound = std::any_of(host.port_bindings.begin(), host.port_bindings.end(),
                                          [&](const auto& binding) {
            const ContainerPort other = parse_container_port(binding.first);
            return other.number == parsed.number && other.protocol == parsed.protocol &&
                   !binding.second.empty();
        });
        if (!is_bound) requests.push_back({parsed.protocol, parsed.number, "", {}});
    }
}

api::EndpointSettings make_endpoint_view(const network::Endpoint& endpoint,
                                         const network::Sandbox& sandbox, bool has_names) {
    const network::EndpointConfig& config = endpoint.config;
    api::EndpointSettings view;
    if (!config.ipv4.empty() || !config.ipv6.empty() || !config.link_local.empty()) {
        view.ipam_config.emplace();
        view.ipam_config->ipv4_address = config.ipv4.text();
        view.ipam_config->ipv6_address = config.ipv6.text();
        for (const network::IpAddress& address : config.link_local)
            view.ipam_config->link_local_ips.push_back(address.text());
    }
    if (!config.links.empty()) view.links = config.links;
    if (!config.aliases.empty()) view.aliases = config.aliases;
    if (!config.driver_options.empty()) view.driver_opts = config.driver_options;
    view.gw_priority = config.gateway_priority;
    view.mac_address = endpoint.mac.empty() ? config.mac : endpoint.mac;
    view.network_id = config.network_id;
    view.endpoint_id = endpoint.id;
    view.gateway = endpoint.gateway4.text();
    view.ipv6_gateway = endpoint.gateway6.text();
    view.ip_address = endpoint.ipv4.base.text();
    view.ip_prefix_len = endpoint.ipv4.prefix;
    view.global_ipv6_address = endpoint.ipv6.base.text();
    view.global_ipv6_prefix_len = endpoint.ipv6.prefix;
    if (has_names) view.dns_names = network::names_of(sandbox, endpoint);
    return view;
}

std::string port_name(const network::PublishedPort& port) {
    return fmt::format("{}/{}", port.container_port, port.protocol);
}

api::PortMap make_port_map(const Definition& definition, const network::Sandbox& sandbox) {
    api::PortMap ports = api::PortMap::none();
    for (const std::string& exposed : definition.config.exposed_ports)
        if (const auto port = find_container_port(exposed))
            ports[fmt::format("{}/{}", port->number, port->protocol)];
    for (const network::PublishedPort& port : sandbox.ports)
        ports[port_name(port)].push_back(
            {port.host_ip.text(), port.host_port ? std::to_string(port.host_port) : ""});
    return ports;
}

}  // namespace

bool has_networks(const api::HostConfig& host) {
    return has_private_network(host) && host.network_mode != "none";
}

std::string shown_link(const std::string& link, const std::string& network_mode,
                       const std::string& container_path) {
    if (network_mode != "bridge" && network_mode != "default") return link;
    api::Strings one;
    one.push_back(link);
    const auto links = parse_links(one);
    const auto& [alias, name] = *links.begin();
    return fmt::format("/{}:{}/{}", name, container_path, alias);
}

std::string host_endpoint_id(const std::string& container_id, const std::string& network_id) {
    return sha256_hex(container_id + network_id);
}

network::PortRange parse_host_port(const std::string& text) {
    if (text.empty()) return {};
    const std::size_t dash = text.find('-');
    const std::uint16_t first = parse_port(std::string_view(text).substr(0, dash), text);
    const std::uint16_t last = dash == std::string::npos
                                   ? first
                                   : parse_port(std::string_view(text).substr(dash + 1), text);
    if (last < first || (first == 0 && last != 0))
        refuse("invalid port specification: \"{}\"", text);
    return {first, last};
}

std::optional<ContainerPort> find_container_port(const std::string& text) {
    const std::size_t slash = text.find('/');
    ContainerPort port;
    const auto number = find_integer(std::string_view(text).substr(0, slash));
    if (!number || *number < 1 || *number > 65535) return std::nullopt;
    port.number = static_cast<std::uint16_t>(*number);
    port.protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
    std::transform(port.protocol.begin(), port.protocol.end(), port.protocol.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp")
        return std::nullopt;
    return port;
}

ContainerPort parse_container_port(const std::string& text) {
    if (auto port = find_container_port(text)) return *port;
    refuse("invalid port specification: \"{}\"", text);
}

std::vector<network::PortRequest> parse_port_bindings(
    const std::string& port, const std::vector<api::PortBinding>& bindings) {
    const ContainerPort parsed = parse_container_port(port);
    std::vector<network::PortRequest> requests;
    for (const api::PortBinding& binding : bindings) {
        std::string ip = binding.host_ip;
        if (ip.size() > 2 && ip.front() == '[' && ip.back() == ']')
            ip = ip.substr(1, ip.size() - 2);
        requests.push_back(
            {parsed.protocol, parsed.number, ip, parse_host_port(binding.host_port)});
    }
    return requests;
}

network::EndpointConfig make_endpoint_config(const std::string& network_id,
                                             const api::EndpointSettings& settings) {
    network::EndpointConfig config;
    config.network_id = network_id;
    if (settings.ipam_config) {
        config.ipv4 = parse_address(settings.ipam_config->ipv4_address, "IPv4", false);
        config.ipv6 = parse_address(settings.ipam_config->ipv6_address, "IPv6", true);
        for (const std::string& text : settings.ipam_config->link_local_ips) {
            const auto address = network::IpAddress::parse(text);
            if (!address) refuse("invalid link-local IP address: {}", text);
            config.link_local.push_back(*address);
        }
    }
    config.mac = settings.mac_address;
    config.aliases = settings.aliases;
    config.links = settings.links;
    config.driver_options = settings.driver_opts;
    config.gateway_priority = settings.gw_priority;
    return config;
}

network::SandboxRequest make_sandbox_request(const std::string& id, const std::string& name,
                                             const api::ContainerConfig& config,
                                             const api::HostConfig& host,
                                             const api::NetworkingConfig& networking) {
    network::SandboxRequest request;
    request.container_id = id;
    request.container_name = name;
    request.hostnames.push_back(id.substr(0, 12));
    if (config.hostname != request.hostnames.front()) request.hostnames.push_back(config.hostname);

    const std::string& mode = host.network_mode;
    api::EndpointSettings first;
    for (const auto& [network, settings] : networking.endpoints_config)
        if (network == mode || (mode == "bridge" && network == "default")) first = settings;
    if (!config.mac_address.empty()) {
        if (!first.mac_address.empty() && first.mac_address != config.mac_address)
            refuse(
                "the container-wide MAC address must match the endpoint-specific MAC address for "
                "the main network, or be left empty");
        first.mac_address = config.mac_address;
    }
    request.endpoints.push_back(make_endpoint_config(mode, first));
    for (const auto& [network, settings] : networking.endpoints_config)
        if (network != mode && !(mode == "bridge" && network == "default"))
            request.endpoints.push_back(make_endpoint_config(network, settings));

    request.name_servers = host.dns;
    const network::StringMap links = parse_links(host.links);
    if (mode == "bridge")
        request.legacy_links = links;
    else
        for (const auto& [alias, container] : links) {
            // Our command line and new clients say it in both places.
            std::vector<std::string>& own = request.endpoints.front().links;
            const std::string link = container + ":" + alias;
            if (std::find(own.begin(), own.end(), link) == own.end()) own.push_back(link);
        }

    for (const auto& [port, bindings] : host.port_bindings)
        for (network::PortRequest& wanted : parse_port_bindings(port, bindings))
            request.ports.push_back(std::move(wanted));
    if (host.publish_all_ports) add_exposed(config, host, request.ports);
    return request;
}

api::NetworkSettings make_network_settings(const Definition& definition, bool is_running, pid_t pid,
                                           const network::Sandbox* sandbox,
                                           network::Networks& networks) {
    api::NetworkSettings settings;
    settings.networks = std::map<std::string, api::EndpointSettings>();
    settings.networks.null_when_empty = false;
    const std::string& mode = definition.host.network_mode;
    if (mode == "none" || mode == "host") {
        settings.networks[mode].network_id = networks.get_network(mode)->id;
        if (is_running)
            settings.networks[mode].endpoint_id =
                host_endpoint_id(definition.id, settings.networks[mode].network_id);
        if (mode == "host") settings.sandbox_key = "/proc/1/ns/net";
    }
    if (is_running && has_private_network(definition.host)) {
        settings.sandbox_id = definition.id;
        settings.sandbox_key = fmt::format("/proc/{}/ns/net", pid);
    }
    if (!sandbox) return settings;
    if (is_running) settings.ports = make_port_map(definition, *sandbox);
    for (const network::Endpoint& endpoint : sandbox->endpoints) {
        const network::NetworkPointer network = networks.find_network(endpoint.config.network_id);
        const std::string name = network ? network->name : endpoint.config.network_id;
        settings.networks[name] =
            make_endpoint_view(endpoint, *sandbox, network && !network->is_predefined());
    }
    return settings;
}

std::vector<api::PortSummary> make_port_list(const Definition& definition, bool is_running,
                                             const network::Sandbox* sandbox) {
    std::vector<api::PortSummary> list;
    if (!is_running || !has_networks(definition.host)) return list;
    std::set<std::string> published;
    if (sandbox)
        for (const network::PublishedPort& port : sandbox->ports) {
            if (port.host_port == 0) continue;
            published.insert(port_name(port));
            list.push_back(
                {port.host_ip.text(), port.container_port, port.host_port, port.protocol});
        }
    // Of routed networks, where no port of the host belongs to it.
    if (sandbox)
        for (const network::PublishedPort& port : sandbox->ports)
            if (published.insert(port_name(port)).second)
                list.push_back({"", port.container_port, 0, port.protocol});
    for (const std::string& exposed : definition.config.exposed_ports) {
        const auto port = find_container_port(exposed);
        if (port && !published.contains(fmt::format("{}/{}", port->number, port->protocol)))
            list.push_back({"", port->number, 0, port->protocol});
    }
    return list;
}

}  // namespace hull::engine
