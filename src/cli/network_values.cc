#include "cli/values.hh"

#include <charconv>

namespace hull::cli {

NetworkValue parse_network(std::string_view text) {
    NetworkValue network;
    if (text.find('=') == std::string_view::npos) {
        network.name = text;
        return network;
    }
    const auto ipam = [&]() -> api::EndpointIpamConfig& {
        if (!network.settings.ipam_config) network.settings.ipam_config.emplace();
        return *network.settings.ipam_config;
    };
    for (const std::string& field : split_csv(text)) {
        const auto [raw_key, maybe_value] = cut(field, '=');
        if (!maybe_value || maybe_value->empty())
            fail("invalid value for field {}: must be a key=value pair", field);
        const std::string key = lower(trim(raw_key));
        const std::string value = std::string(trim(*maybe_value));
        if (key == "name") {
            network.name = value;
        } else if (key == "alias") {
            network.settings.aliases.push_back(value);
        } else if (key == "ip") {
            ipam().ipv4_address = value;
        } else if (key == "ip6") {
            ipam().ipv6_address = value;
        } else if (key == "mac-address") {
            network.settings.mac_address = value;
        } else if (key == "link-local-ip") {
            ipam().link_local_ips.push_back(value);
        } else if (key == "driver-opt") {
            const auto [option, setting] = cut(value, '=');
            if (!setting) fail("invalid key value pair format in driver options");
            network.settings.driver_opts[lower(trim(option))] = trim(*setting);
        } else if (key == "gw-priority") {
            network.settings.gw_priority = parse_integer(value);
        } else {
            fail("invalid field key {}", key);
        }
    }
    if (network.name.empty()) fail("network name/id is not specified");
    return network;
}

std::string parse_extra_host(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::size_t at = equals != std::string_view::npos ? equals : text.find(':');
    if (at == std::string_view::npos || at == 0) fail("bad format for add-host: \"{}\"", text);
    std::string_view address = text.substr(at + 1);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    if (address != "host-gateway" && !is_ip(address))
        fail("invalid IP address in add-host: \"{}\"", address);
    return fmt::format("{}:{}", text.substr(0, at), address);
}

namespace {

struct PortRange {
    int first = 0, last = 0;
    int count() const { return last - first + 1; }
};

PortRange parse_port_range(std::string_view text, std::string_view what, std::string_view whole) {
    const auto parse_port = [&](std::string_view digits) {
        int port = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
            port < 0 || port > 65535)
            fail("invalid {}: {}", what, whole);
        return port;
    };
    const auto [first, last] = cut(text, '-');
    PortRange range{parse_port(first), 0};
    range.last = last ? parse_port(*last) : range.first;
    if (range.last < range.first) fail("invalid range specified for port: {}", text);
    return range;
}

std::pair<std::string_view, std::string> split_protocol(std::string_view text) {
    const auto [ports, protocol] = cut(text, '/');
    const std::string name = protocol && !protocol->empty() ? lower(*protocol) : "tcp";
    if (name != "tcp" && name != "udp" && name != "sctp") fail("invalid proto: {}", *protocol);
    return {ports, name};
}

}  // namespace

std::vector<PortValue> parse_published_ports(std::string_view text) {
    const auto [spec, protocol] = split_protocol(text);
    std::string_view address, host, container = spec;
    if (const std::size_t colon = spec.rfind(':'); colon != std::string_view::npos) {
        container = spec.substr(colon + 1);
        host = spec.substr(0, colon);
        if (const std::size_t second = host.rfind(':'); second != std::string_view::npos) {
            address = host.substr(0, second);
            host = host.substr(second + 1);
        }
    }
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    if (!address.empty() && !is_ip(address)) fail("invalid IP address: {}", address);
    if (container.empty()) fail("no port specified: {}<empty>", text);
    const PortRange container_range = parse_port_range(container, "containerPort", container);
    std::optional<PortRange> host_range;
    if (!host.empty()) host_range = parse_port_range(host, "hostPort", host);
    // One container port on a range of host ports: the daemon picks one of them.
    const bool pick = host_range && container_range.count() == 1 && host_range->count() > 1;
    if (host_range && !pick && host_range->count() != container_range.count())
        fail("invalid ranges specified for container and host Ports: {} and {}", container, host);
    std::vector<PortValue> ports;
    for (int i = 0; i < container_range.count(); ++i) {
        PortValue value;
        value.port = fmt::format("{}/{}", container_range.first + i, protocol);
        value.binding.host_ip = address;
        if (pick)
            value.binding.host_port = host;
        else if (host_range)
            value.binding.host_port = std::to_string(host_range->first + i);
        ports.push_back(std::move(value));
    }
    return ports;
}

std::vector<std::string> parse_exposed_ports(std::string_view text) {
    if (text.find(':') != std::string_view::npos)
        fail("invalid port format for --expose: {}", text);
    const auto [spec, protocol] = split_protocol(text);
    const PortRange range =
        with_context([&, spec = spec] { return parse_port_range(spec, "containerPort", spec); },
                     "invalid range format for --expose: {}", text);
    std::vector<std::string> ports;
    for (int port = range.first; port <= range.last; ++port)
        ports.push_back(fmt::format("{}/{}", port, protocol));
    return ports;
}

}  // namespace hull::cli
