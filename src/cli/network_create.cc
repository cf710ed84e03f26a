#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"attachable", 0, FlagType::boolean, "Let containers be attached by hand (always possible)"},
    {"aux-address", 0, FlagType::map, "Addresses that containers do not get (NAME=ADDRESS)"},
    {"config-from", 0, FlagType::text, "Network to copy the configuration from", "", nullptr, true},
    {"config-only", 0, FlagType::boolean, "Only a configuration", "", nullptr, true},
    {"driver", 'd', FlagType::text, "Driver of the network: bridge, macvlan or ipvlan", "bridge"},
    {"gateway", 0, FlagType::strings, "Gateways of the subnets"},
    {"ingress", 0, FlagType::boolean, "Swarm's routing mesh", "", nullptr, true},
    {"internal", 0, FlagType::boolean, "Nothing leaves the network and nothing enters it"},
    {"ip-range", 0, FlagType::strings, "Part of a subnet that containers get addresses of"},
    {"ipam-driver", 0, FlagType::text, "Driver of the addresses", "default"},
    {"ipam-opt", 0, FlagType::map, "Option of the driver of the addresses"},
    {"ipv4", 0, FlagType::boolean, "IPv4 addresses", "true"},
    {"ipv6", 0, FlagType::boolean, "IPv6 addresses"},
    {"label", 0, FlagType::list, "Set a label", "", check_label},
    {"opt", 'o', FlagType::map, "Option of the driver"},
    {"scope", 0, FlagType::text, "Scope of the network", "", nullptr, true},
    {"subnet", 0, FlagType::strings, "Subnets (10.1.0.0/16, fd00:1::/64)"},
};

/// An address or a subnet: 4 or 16 bytes and how many of their bits count.
struct Block {
    int family = AF_UNSPEC;
    std::array<unsigned char, 16> bytes{};
    int bits = 0;

    bool contains(const Block& other) const {
        if (family != other.family || other.bits < bits) return false;
        for (int bit = 0; bit < bits; ++bit) {
            const auto at = static_cast<std::size_t>(bit / 8);
            if ((bytes[at] ^ other.bytes[at]) & (0x80 >> bit % 8)) return false;
        }
        return true;
    }
};

std::optional<Block> parse_block(std::string_view text, bool with_bits) {
    const auto [address, bits] = cut(text, '/');
    Block block;
    const std::string copy(address);
    block.family = copy.find(':') == std::string::npos ? AF_INET : AF_INET6;
    const int all = block.family == AF_INET ? 32 : 128;
    block.bits = all;
    if (::inet_pton(block.family, copy.c_str(), block.bytes.data()) != 1) return std::nullopt;
    if (bits.has_value() != with_bits) return std::nullopt;
    if (!bits) return block;
    const auto [end, error] =
        std::from_chars(bits->data(), bits->data() + bits->size(), block.bits);
    if (error != std::errc() || end != bits->data() + bits->size() || block.bits < 0 ||
        block.bits > all)
        return std::nullopt;
    return block;
}

Block get_subnet(std::string_view text) {
    if (auto block = parse_block(text, true)) return *block;
    fail("invalid CIDR address: {}", text);
}

struct Subnet {
    Block block;
    api::IpamConfig config;
};

/// The subnet that `address` is in. `what` names it in the error.
Subnet& find_subnet(std::vector<Subnet>& subnets, const std::string& text, bool is_range,
                    std::string_view what) {
    const auto block = parse_block(text, is_range);
    if (!block) fail("invalid {}: {}", what, text);
    for (Subnet& subnet : subnets)
        if (subnet.block.contains(*block)) return subnet;
    fail("no matching subnet for {} {}", what, text);
}

/// Ranges, gateways and auxiliary addresses go to the subnets they are in, as in docker/cli.
api::Ipam make_ipam(const Arguments& arguments) {
    const std::vector<std::string>& ranges = arguments.list("ip-range");
    const std::vector<std::string>& gateways = arguments.list("gateway");
    std::vector<Subnet> subnets;
    for (const std::string& text : arguments.list("subnet")) {
        const Block block = get_subnet(text);
        for (const Subnet& other : subnets)
            if (other.block.contains(block) || block.contains(other.block))
                fail("multiple overlapping subnet configuration is not supported");
        Subnet& subnet = subnets.emplace_back();
        subnet.block = block;
        subnet.config.subnet = text;
    }
    if (subnets.size() < ranges.size() || subnets.size() < gateways.size())
        fail("every ip-range or gateway must have a corresponding subnet");
    for (const std::string& text : ranges) {
        api::IpamConfig& config = find_subnet(subnets, text, true, "range").config;
        if (!config.ip_range.empty())
            fail("cannot configure multiple ranges ({}, {}) on the same subnet ({})", text,
                 config.ip_range, config.subnet);
        config.ip_range = text;
    }
    for (const std::string& text : gateways) {
        api::IpamConfig& config = find_subnet(subnets, text, false, "gateway").config;
        if (!config.gateway.empty())
            fail("cannot configure multiple gateways ({}, {}) for the same subnet ({})", text,
                 config.gateway, config.subnet);
        config.gateway = text;
    }
    for (const auto& [name, address] : make_string_map(arguments.list("aux-address")))
        find_subnet(subnets, address, false, "aux-address").config.auxiliary_addresses[name] =
            address;
    api::Ipam ipam;
    ipam.driver = arguments.text("ipam-driver");
    ipam.options = make_string_map(arguments.list("ipam-opt"));
    for (Subnet& subnet : subnets) ipam.config.push_back(std::move(subnet.config));
    return ipam;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    api::NetworkCreateRequest request;
    request.name = arguments.positional[0];
    request.driver = arguments.text("driver");
    request.scope = arguments.text("scope");
    request.internal = arguments.flag("internal");
    request.attachable = arguments.flag("attachable");
    request.ingress = arguments.flag("ingress");
    request.config_only = arguments.flag("config-only");
    if (arguments.given("config-from"))
        request.config_from = api::ConfigReference{arguments.text("config-from")};
    if (arguments.given("ipv4")) request.enable_ipv4 = arguments.flag("ipv4");
    if (arguments.given("ipv6")) request.enable_ipv6 = arguments.flag("ipv6");
    request.ipam = make_ipam(arguments);
    request.options = make_string_map(arguments.list("opt"));
    request.labels = make_string_map(arguments.list("label"));
    const json::Value reply = call.session.ask([&](client::Client& daemon) {
        return daemon.post("/networks/create", {}, to_json(request));
    });
    if (const json::Value& warning = reply["Warning"];
        warning.is_string() && !warning.as_string().empty())
        call.session.complain("WARNING: " + warning.as_string());
    call.session.print_line(reply["Id"].as_string());
    return 0;
}

}  // namespace

const Command network_create_command{
    .name = "network create",
    .usage = "[OPTIONS] NETWORK",
    .summary = "Make a network",
    .args = exactly(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
