#include "network/firewall_rules.hh"

#include <netinet/in.h>  // before the kernel's headers, which then leave these names alone

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

namespace hull::network::rules {

namespace {

using linux_::NftBatch;
using linux_::NftChain;
using linux_::NftData;
using linux_::NftElement;
using linux_::NftRule;
using linux_::NftSet;
using linux_::NftType;

const NftSet bridges{"bridges", {NftType::interface}, {}, false, 1};
const NftSet internal{"internal", {NftType::interface}, {}, false, 2};
const NftSet talking{"talking", {NftType::interface, NftType::interface}, {}, false, 3};

/// Everything that exists once per family.
struct Family {
    std::uint8_t number;
    std::uint32_t source_offset, destination_offset, size;  ///< in the IP header, bytes
    NftSet subnets, masqueraded, any_address, one_address, open, routed, direct;
    NftData loopback;
};

const Family& ipv4() {
    static const Family family{
        NFPROTO_IPV4,
        12,
        16,
        4,
        {"subnets4", {NftType::ipv4_address}, {}, true, 4},
        {"masqueraded4", {NftType::ipv4_address}, {}, true, 5},
        {"ports4",
         {NftType::protocol, NftType::port},
         {NftType::ipv4_address, NftType::port},
         false,
         6},
        {"address_ports4",
         {NftType::ipv4_address, NftType::protocol, NftType::port},
         {NftType::ipv4_address, NftType::port},
         false,
         7},
        {"open4", {NftType::interface}, {}, false, 12},
        {"routed4", {NftType::interface}, {}, false, 14},
        {"direct4", {NftType::ipv4_address, NftType::protocol, NftType::port}, {}, false, 16},
        {}};
    return family;
}

const Family& ipv6() {
    static const Family family{
        NFPROTO_IPV6,
        8,
        24,
        16,
        {"subnets6", {NftType::ipv6_address}, {}, true, 8},
        {"masqueraded6", {NftType::ipv6_address}, {}, true, 9},
        {"ports6",
         {NftType::protocol, NftType::port},
         {NftType::ipv6_address, NftType::port},
         false,
         10},
        {"address_ports6",
         {NftType::ipv6_address, NftType::protocol, NftType::port},
         {NftType::ipv6_address, NftType::port},
         false,
         11},
        {"open6", {NftType::interface}, {}, false, 13},
        {"routed6", {NftType::interface}, {}, false, 15},
        {"direct6", {NftType::ipv6_address, NftType::protocol, NftType::port}, {}, false, 17},
        {}};
    return family;
}

constexpr std::uint32_t destination_port_offset = 2, port_size = 2;
constexpr std::uint32_t established_or_related = 1U << 1 | 1U << 2;  // NF_CT_STATE_BIT
constexpr std::uint32_t tcp_flags_offset = 13, syn = 0x02, rst = 0x04;

NftRule rule(std::string comment) { return NftRule(std::move(comment)); }

NftRule rule(const Family& family, std::string comment) {
    NftRule rule(std::move(comment));
    rule.match_protocol_family(family.number);
    return rule;
}

/// ports: the maps, from the more to the less exact. Register 4 and up get the address, the one
/// after it the port.
void add_port_rules(NftBatch& batch, const Family& family) {
    constexpr int result = 8;
    const int words = static_cast<int>(family.size / 4);
    batch.add_rule("ports",
                   rule(family, "published on one address")
                       .load_network_header(family.destination_offset, family.size, 0)
                       .load_meta(NFT_META_L4PROTO, words)
                       .load_transport_header(destination_port_offset, port_size, words + 1)
                       .map_to(family.one_address, 0, result)
                       .destination_nat(family.number, result, result + words));
    batch.add_rule("ports", rule(family, "published on all addresses")
                                .load_meta(NFT_META_L4PROTO, 0)
                                .load_transport_header(destination_port_offset, port_size, 1)
                                .map_to(family.any_address, 0, result)
                                .destination_nat(family.number, result, result + words));
}

void add_source_rules(NftBatch& batch, const Family& family) {
    batch.add_rule("source", rule(family, "a container reaches its own network over the host")
                                 .load_network_header(family.source_offset, family.size, 0)
                                 .in_set(family.subnets, 0)
                                 .load_network_header(family.destination_offset, family.size, 0)
                                 .in_set(family.subnets, 0)
                                 .load_conntrack(NFT_CT_STATUS, 0)
                                 .mask(0, IPS_DST_NAT)
                                 .differs_zero(0)
                                 .masquerade());
    batch.add_rule("source", rule(family, "containers to the world")
                                 .load_network_header(family.source_offset, family.size, 0)
                                 .in_set(family.masqueraded, 0)
                                 .load_meta(NFT_META_OIFNAME, 0)
                                 .in_set(bridges, 0, true)
                                 .masquerade());
}

/// Large packets of a connection would be lost where the way out is narrower than the bridge. What
/// most packets are not is asked first: every one of a connection passes here.
void add_clamp_rule(NftBatch& batch, std::uint32_t interface_key, std::string comment) {
    const std::uint8_t only_syn = syn;
    batch.add_rule("forward", rule(std::move(comment))
                                  .load_meta(NFT_META_L4PROTO, 0)
                                  .equals(0, NftData().byte(IPPROTO_TCP))
                                  .load_transport_header(tcp_flags_offset, 1, 0)
                                  .mask(0, syn | rst)
                                  .compare(0, NFT_CMP_EQ, std::as_bytes(std::span(&only_syn, 1)))
                                  .load_meta(interface_key, 0)
                                  .in_set(bridges, 0)
                                  .clamp_mss_to_route());
}

void add_routed_rules(NftBatch& batch, const Family& family, std::uint8_t control_protocol) {
    const int words = static_cast<int>(family.size / 4);
    batch.add_rule("forward",
                   rule(family, "ports of routed networks")
                       .load_meta(NFT_META_OIFNAME, 0)
                       .in_set(family.routed, 0)
                       .load_network_header(family.destination_offset, family.size, 0)
                       .load_meta(NFT_META_L4PROTO, words)
                       .load_transport_header(destination_port_offset, port_size, words + 1)
                       .in_set(family.direct, 0)
                       .verdict(NF_ACCEPT));
    batch.add_rule("forward", rule(family, "routed networks answer pings")
                                  .load_meta(NFT_META_OIFNAME, 0)
                                  .in_set(family.routed, 0)
                                  .load_meta(NFT_META_L4PROTO, 0)
                                  .equals(0, NftData().byte(control_protocol))
                                  .verdict(NF_ACCEPT));
}

void add_forward_rules(NftBatch& batch) {
    add_clamp_rule(batch, NFT_META_IIFNAME, "segments fit the way out");
    add_clamp_rule(batch, NFT_META_OIFNAME, "segments fit the way in");
    batch.add_rule("forward", rule("connections that exist")
                                  .load_conntrack(NFT_CT_STATE, 0)
                                  .mask(0, established_or_related)
                                  .differs_zero(0)
                                  .verdict(NF_ACCEPT));
    batch.add_rule("forward", rule("within one network")
                                  .load_meta(NFT_META_IIFNAME, 0)
                                  .load_meta(NFT_META_OIFNAME, 4)
                                  .in_set(talking, 0)
                                  .verdict(NF_ACCEPT));
    batch.add_rule("forward", rule("nothing leaves an internal network")
                                  .load_meta(NFT_META_IIFNAME, 0)
                                  .in_set(internal, 0)
                                  .verdict(NF_DROP));
    batch.add_rule("forward", rule("nothing enters an internal network")
                                  .load_meta(NFT_META_OIFNAME, 0)
                                  .in_set(internal, 0)
                                  .verdict(NF_DROP));
    batch.add_rule("forward", rule("published ports")
                                  .load_meta(NFT_META_OIFNAME, 0)
                                  .in_set(bridges, 0)
                                  .load_conntrack(NFT_CT_STATUS, 0)
                                  .mask(0, IPS_DST_NAT)
                                  .differs_zero(0)
                                  .verdict(NF_ACCEPT));
    for (const Family* family : {&ipv4(), &ipv6()})
        batch.add_rule("forward", rule(*family, "networks that are open to the world")
                                      .load_meta(NFT_META_IIFNAME, 0)
                                      .in_set(bridges, 0, true)
                                      .load_meta(NFT_META_OIFNAME, 0)
                                      .in_set(family->open, 0)
                                      .verdict(NF_ACCEPT));
    add_routed_rules(batch, ipv4(), IPPROTO_ICMP);
    add_routed_rules(batch, ipv6(), IPPROTO_ICMPV6);
    batch.add_rule("forward", rule("nothing else enters a network")
                                  .load_meta(NFT_META_OIFNAME, 0)
                                  .in_set(bridges, 0)
                                  .verdict(NF_DROP));
}

NftElement key_of_interface(const std::string& name) { return {NftData().interface(name), {}}; }

/// An interval is a first element and one that ends it.
void append_interval(std::vector<NftElement>& elements, const Subnet& subnet) {
    elements.push_back({NftData().address(subnet.first()), {}});
    const IpAddress end = subnet.last().plus(1);
    if (!end.is_unspecified()) elements.push_back({NftData().address(end), {}, true});
}

}  // namespace

void add_skeleton(NftBatch& batch, bool outside_through_input) {
    constexpr std::int32_t guard_priority = NF_IP_PRI_RAW, destination_priority = NF_IP_PRI_NAT_DST,
                           source_priority = NF_IP_PRI_NAT_SRC;
    batch.add_chain({"ports", "", 0, 0});
    batch.add_chain({"guard", "filter", NF_INET_PRE_ROUTING, guard_priority});
    batch.add_chain({"arriving", "nat", NF_INET_PRE_ROUTING, destination_priority});
    batch.add_chain({"local", "nat", NF_INET_LOCAL_OUT, destination_priority});
    batch.add_chain({"source", "nat", NF_INET_POST_ROUTING, source_priority});
    batch.add_chain({"forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER});
    for (const NftSet* set : {&bridges, &internal, &talking}) batch.add_set(*set);
    for (const Family* family : {&ipv4(), &ipv6()})
        for (const NftSet* set :
             {&family->subnets, &family->masqueraded, &family->any_address, &family->one_address,
              &family->open, &family->routed, &family->direct})
            batch.add_set(*set);

    // route_localnet lets 127.0.0.1 be published; nobody behind a bridge may use it
    // (CVE-2020-8558).
    batch.add_rule("guard", rule(ipv4(), "loopback stays on the host")
                                .load_network_header(ipv4().destination_offset, 1, 0)
                                .equals(0, NftData().byte(127))
                                .load_meta(NFT_META_IIFNAME, 0)
                                .in_set(bridges, 0)
                                .verdict(NF_DROP));
    // The kernel has no route_localnet for IPv6: such packets would be lost. hull-relay listens.
    batch.add_rule("local", rule(ipv6(), "::1 cannot leave the host")
                                .load_network_header(ipv6().destination_offset, ipv6().size, 0)
                                .equals(0, NftData().address(IpAddress::get("::1")))
                                .verdict(NF_ACCEPT));
    NftRule arriving = rule("to the host itself");
    if (outside_through_input) arriving.load_meta(NFT_META_IIFNAME, 0).in_set(bridges, 0);
    batch.add_rule("arriving", arriving.match_local_destination().jump("ports"));
    batch.add_rule("local", rule("to the host itself").match_local_destination().jump("ports"));
    add_port_rules(batch, ipv4());
    add_port_rules(batch, ipv6());
    batch.add_rule("source", rule(ipv4(), "the host's loopback to a container")
                                 .load_network_header(ipv4().source_offset, 1, 0)
                                 .equals(0, NftData().byte(127))
                                 .load_meta(NFT_META_OIFNAME, 0)
                                 .in_set(bridges, 0)
                                 .masquerade());
    add_source_rules(batch, ipv4());
    add_source_rules(batch, ipv6());
    add_forward_rules(batch);
}

std::vector<Elements> elements_of(const BridgeRules& rules) {
    std::vector<Elements> all;
    all.push_back({&bridges, {key_of_interface(rules.bridge)}});
    if (rules.internal) all.push_back({&internal, {key_of_interface(rules.bridge)}});
    for (const std::string& interface : rules.trusted)
        all.push_back({&talking, {{NftData().interface(interface).interface(rules.bridge), {}}}});
    if (rules.is_open4) all.push_back({&ipv4().open, {key_of_interface(rules.bridge)}});
    if (rules.is_open6) all.push_back({&ipv6().open, {key_of_interface(rules.bridge)}});
    if (rules.is_routed4) all.push_back({&ipv4().routed, {key_of_interface(rules.bridge)}});
    if (rules.is_routed6) all.push_back({&ipv6().routed, {key_of_interface(rules.bridge)}});
    if (rules.talks)
        all.push_back(
            {&talking, {{NftData().interface(rules.bridge).interface(rules.bridge), {}}}});
    for (const Family* family : {&ipv4(), &ipv6()}) {
        Elements subnets{&family->subnets, {}}, masqueraded{&family->masqueraded, {}};
        const bool is_routed = family->number == NFPROTO_IPV6 ? rules.is_routed6 : rules.is_routed4;
        for (const Subnet& subnet : rules.subnets) {
            if (subnet.base.is_v6() != (family->number == NFPROTO_IPV6)) continue;
            append_interval(subnets.elements, subnet);
            if (rules.masquerade && !rules.internal && !is_routed)
                append_interval(masqueraded.elements, subnet);
        }
        for (Elements* some : {&subnets, &masqueraded})
            if (!some->elements.empty()) all.push_back(std::move(*some));
    }
    return all;
}

std::vector<Elements> elements_of(std::span<const Forward> forwards) {
    std::vector<Elements> all;
    for (const Family* family : {&ipv4(), &ipv6()}) {
        Elements any{&family->any_address, {}}, one{&family->one_address, {}},
            direct{&family->direct, {}};
        for (const Forward& forward : forwards) {
            if (forward.target.is_v6() != (family->number == NFPROTO_IPV6)) continue;
            NftElement element;
            if (forward.host_port == 0) {
                element.key.address(forward.target)
                    .byte(forward.protocol)
                    .port(forward.target_port);
                direct.elements.push_back(std::move(element));
                continue;
            }
            const bool is_any = forward.host_ip.is_unspecified();
            if (!is_any) element.key.address(forward.host_ip);
            element.key.byte(forward.protocol).port(forward.host_port);
            element.value.address(forward.target).port(forward.target_port);
            (is_any ? any : one).elements.push_back(std::move(element));
        }
        for (Elements* some : {&any, &one, &direct})
            if (!some->elements.empty()) all.push_back(std::move(*some));
    }
    return all;
}

}  // namespace hull::network::rules
