#include "linux/nft.hh"

#include "base/error.hh"

#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace hull::linux_ {

namespace {

std::uint16_t message_type(int type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

std::uint32_t register_number(int reg) { return static_cast<std::uint32_t>(NFT_REG32_00 + reg); }

std::uint32_t size_of(NftType type) {
    if (type == NftType::ipv6_address || type == NftType::interface) return 16;
    return 4;  // as a part of a concatenation; a lone port or protocol is not used as a key
}

std::uint32_t size_of(const std::vector<NftType>& types) {
    std::uint32_t size = 0;
    for (NftType type : types) size += size_of(type);
    return size;
}

/// nft packs the parts of a concatenation into six bits each.
std::uint32_t type_number(const std::vector<NftType>& types) {
    std::uint32_t number = 0;
    for (NftType type : types) number = number << 6 | static_cast<std::uint32_t>(type);
    return number;
}

void add_data(NetlinkMessage& message, std::uint16_t attribute, std::span<const std::byte> value) {
    message.nest(attribute, [&] { message.add(NFTA_DATA_VALUE, value); });
}

}  // namespace

// ---------------------------------------------------------------- values

NftData& NftData::append(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    return *this;
}

NftData& NftData::byte(std::uint8_t value) { return append(&value, sizeof value); }

NftData& NftData::port(std::uint16_t value) {
    const std::uint16_t big = htobe16(value);
    return append(&big, sizeof big);
}

NftData& NftData::address(const IpAddress& address) {
    return append(address.bytes().data(), address.bytes().size());
}

NftData& NftData::interface(std::string_view name) {
    char padded[16] = {};
    name.copy(padded, sizeof padded - 1);
    return append(padded, sizeof padded);
}

// ---------------------------------------------------------------- rules

NftRule& NftRule::expression(std::string name, Writer attributes) {
    expressions_.emplace_back(std::move(name), std::move(attributes));
    return *this;
}

NftRule& NftRule::load_meta(std::uint32_t key, int to) {
    return expression("meta", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_META_KEY, key);
        message.add_big32(NFTA_META_DREG, register_number(to));
    });
}

static NetlinkMessage& add_payload(NetlinkMessage& message, std::uint32_t base,
                                   std::uint32_t offset, std::uint32_t size, int to) {
    message.add_big32(NFTA_PAYLOAD_DREG, register_number(to));
    message.add_big32(NFTA_PAYLOAD_BASE, base);
    message.add_big32(NFTA_PAYLOAD_OFFSET, offset);
    return message.add_big32(NFTA_PAYLOAD_LEN, size);
}

NftRule& NftRule::load_network_header(std::uint32_t offset, std::uint32_t size, int to) {
    return expression("payload", [=](NetlinkMessage& message) {
        add_payload(message, NFT_PAYLOAD_NETWORK_HEADER, offset, size, to);
    });
}

NftRule& NftRule::load_transport_header(std::uint32_t offset, std::uint32_t size, int to) {
    return expression("payload", [=](NetlinkMessage& message) {
        add_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, offset, size, to);
    });
}

NftRule& NftRule::load_conntrack(std::uint32_t key, int to) {
    return expression("ct", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_CT_KEY, key);
        message.add_big32(NFTA_CT_DREG, register_number(to));
    });
}

NftRule& NftRule::match_local_destination() {
    expression("fib", [](NetlinkMessage& message) {
        message.add_big32(NFTA_FIB_DREG, register_number(0));
        message.add_big32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        message.add_big32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
    });
    const std::uint32_t local = RTN_LOCAL;
    return compare(0, NFT_CMP_EQ, std::as_bytes(std::span(&local, 1)));
}

NftRule& NftRule::match_protocol_family(std::uint8_t family) {
    load_meta(NFT_META_NFPROTO, 0);
    return compare(0, NFT_CMP_EQ, std::as_bytes(std::span(&family, 1)));
}

NftRule& NftRule::mask(int reg, std::uint32_t mask) {
    return expression("bitwise", [=](NetlinkMessage& message) {
        const std::uint32_t zero = 0;
        message.add_big32(NFTA_BITWISE_SREG, register_number(reg));
        message.add_big32(NFTA_BITWISE_DREG, register_number(reg));
        message.add_big32(NFTA_BITWISE_LEN, 4);
        add_data(message, NFTA_BITWISE_MASK, std::as_bytes(std::span(&mask, 1)));
        add_data(message, NFTA_BITWISE_XOR, std::as_bytes(std::span(&zero, 1)));
    });
}

NftRule& NftRule::compare(int reg, std::uint32_t operation, std::span<const std::byte> value) {
    std::string copy(reinterpret_cast<const char*>(value.data()), value.size());
    return expression("cmp", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_CMP_SREG, register_number(reg));
        message.add_big32(NFTA_CMP_OP, operation);
        add_data(message, NFTA_CMP_DATA, std::as_bytes(std::span(copy)));
    });
}

NftRule& NftRule::equals(int reg, const NftData& value) {
    return compare(reg, NFT_CMP_EQ, value.bytes());
}

NftRule& NftRule::differs(int reg, const NftData& value) {
    return compare(reg, NFT_CMP_NEQ, value.bytes());
}

NftRule& NftRule::differs_zero(int reg) {
    const std::uint32_t zero = 0;
    return compare(reg, NFT_CMP_NEQ, std::as_bytes(std::span(&zero, 1)));
}

NftRule& NftRule::in_set(const NftSet& set, int reg, bool inverted) {
    return expression("lookup", [name = set.name, reg, inverted](NetlinkMessage& message) {
        message.add_text(NFTA_LOOKUP_SET, name);
        message.add_big32(NFTA_LOOKUP_SREG, register_number(reg));
        if (inverted) message.add_big32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    });
}

NftRule& NftRule::map_to(const NftSet& map, int reg, int to) {
    return expression("lookup", [name = map.name, reg, to](NetlinkMessage& message) {
        message.add_text(NFTA_LOOKUP_SET, name);
        message.add_big32(NFTA_LOOKUP_SREG, register_number(reg));
        message.add_big32(NFTA_LOOKUP_DREG, register_number(to));
    });
}

NftRule& NftRule::verdict(int code) {
    return expression("immediate", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        message.nest(NFTA_IMMEDIATE_DATA, [&] {
            message.nest(NFTA_DATA_VERDICT, [&] {
                message.add_big32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
            });
        });
    });
}

NftRule& NftRule::jump(std::string_view chain) {
    return expression("immediate", [name = std::string(chain)](NetlinkMessage& message) {
        message.add_big32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        message.nest(NFTA_IMMEDIATE_DATA, [&] {
            message.nest(NFTA_DATA_VERDICT, [&] {
                message.add_big32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(NFT_JUMP));
                message.add_text(NFTA_VERDICT_CHAIN, name);
            });
        });
    });
}

NftRule& NftRule::destination_nat(std::uint8_t family, int reg, int port_reg) {
    return expression("nat", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
        message.add_big32(NFTA_NAT_FAMILY, family);
        message.add_big32(NFTA_NAT_REG_ADDR_MIN, register_number(reg));
        std::uint32_t flags = NF_NAT_RANGE_MAP_IPS;
        if (port_reg >= 0) {
            message.add_big32(NFTA_NAT_REG_PROTO_MIN, register_number(port_reg));
            flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
        }
        message.add_big32(NFTA_NAT_FLAGS, flags);
    });
}

NftRule& NftRule::masquerade() {
    return expression("masq", [](NetlinkMessage&) {});
}

NftRule& NftRule::clamp_mss_to_route() {
    constexpr std::uint32_t tcp_option_mss = 2, value_offset = 2, value_size = 2;
    expression("exthdr", [=](NetlinkMessage& message) {  // register 0: the packet's
        message.add_big32(NFTA_EXTHDR_DREG, register_number(0));
        message.add_value(NFTA_EXTHDR_TYPE, static_cast<std::uint8_t>(tcp_option_mss));
        message.add_big32(NFTA_EXTHDR_OFFSET, value_offset);
        message.add_big32(NFTA_EXTHDR_LEN, value_size);
        message.add_big32(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
    });
    expression("rt", [](NetlinkMessage& message) {  // register 1: the route's
        message.add_big32(NFTA_RT_DREG, register_number(1));
        message.add_big32(NFTA_RT_KEY, NFT_RT_TCPMSS);
    });
    expression("byteorder", [](NetlinkMessage& message) {
        message.add_big32(NFTA_BYTEORDER_SREG, register_number(1));
        message.add_big32(NFTA_BYTEORDER_DREG, register_number(1));
        message.add_big32(NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
        message.add_big32(NFTA_BYTEORDER_LEN, 2);
        message.add_big32(NFTA_BYTEORDER_SIZE, 2);
    });
    return expression("exthdr", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_EXTHDR_SREG, register_number(1));
        message.add_value(NFTA_EXTHDR_TYPE, static_cast<std::uint8_t>(tcp_option_mss));
        message.add_big32(NFTA_EXTHDR_OFFSET, value_offset);
        message.add_big32(NFTA_EXTHDR_LEN, value_size);
        message.add_big32(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
    });
}

NftRule& NftRule::redirect(const NftData& port) {
    std::string copy(reinterpret_cast<const char*>(port.bytes().data()), port.bytes().size());
    expression("immediate", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_IMMEDIATE_DREG, register_number(0));
        add_data(message, NFTA_IMMEDIATE_DATA, std::as_bytes(std::span(copy)));
    });
    return expression("redir", [](NetlinkMessage& message) {
        message.add_big32(NFTA_REDIR_REG_PROTO_MIN, register_number(0));
        message.add_big32(NFTA_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
    });
}

NftRule& NftRule::set_port(std::uint32_t offset, std::uint16_t port,
                           std::uint32_t checksum_offset) {
    constexpr std::uint32_t port_size = 2;
    const NftData data = NftData().port(port);
    expression("immediate", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_IMMEDIATE_DREG, register_number(0));
        add_data(message, NFTA_IMMEDIATE_DATA, data.bytes());
    });
    return expression("payload", [=](NetlinkMessage& message) {
        message.add_big32(NFTA_PAYLOAD_SREG, register_number(0));
        message.add_big32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
        message.add_big32(NFTA_PAYLOAD_OFFSET, offset);
        message.add_big32(NFTA_PAYLOAD_LEN, port_size);
        message.add_big32(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
        message.add_big32(NFTA_PAYLOAD_CSUM_OFFSET, checksum_offset);
    });
}

// ---------------------------------------------------------------- batches

NftBatch::NftBatch(std::string table, std::uint8_t family)
    : table_(std::move(table)), family_(family) {}

NetlinkMessage& NftBatch::message(int type, std::uint16_t flags, std::string what) {
    NetlinkMessage& message = messages_.emplace_back(message_type(type), flags, std::move(what));
    message.header(nfgenmsg{family_, NFNETLINK_V0, 0});
    return message;
}

void NftBatch::add_table() {
    message(NFT_MSG_NEWTABLE, NLM_F_CREATE, "making firewall table " + table_)
        .add_text(NFTA_TABLE_NAME, table_);
}

void NftBatch::delete_table() {
    message(NFT_MSG_DELTABLE, 0, "removing firewall table " + table_)
        .add_text(NFTA_TABLE_NAME, table_);
}

void NftBatch::add_chain(const NftChain& chain) {
    NetlinkMessage& add =
        message(NFT_MSG_NEWCHAIN, NLM_F_CREATE,
                fmt::format("making chain {} of firewall table {}", chain.name, table_));
    add.add_text(NFTA_CHAIN_TABLE, table_);
    add.add_text(NFTA_CHAIN_NAME, chain.name);
    if (chain.type.empty()) return;
    add.nest(NFTA_CHAIN_HOOK, [&] {
        add.add_big32(NFTA_HOOK_HOOKNUM, chain.hook);
        add.add_big32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    });
    add.add_big32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    add.add_text(NFTA_CHAIN_TYPE, chain.type);
}

void NftBatch::add_rule(std::string_view chain, const NftRule& rule) {
    NetlinkMessage& add = message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                                  fmt::format("adding firewall rule \"{}\"", rule.comment_));
    add.add_text(NFTA_RULE_TABLE, table_);
    add.add_text(NFTA_RULE_CHAIN, chain);
    add.nest(NFTA_RULE_EXPRESSIONS, [&] {
        for (const auto& [name, attributes] : rule.expressions_)
            add.nest(NFTA_LIST_ELEM, [&, &name = name, &attributes = attributes] {
                add.add_text(NFTA_EXPR_NAME, name);
                add.nest(NFTA_EXPR_DATA, [&] { attributes(add); });
            });
    });
    // libnftnl's user data: type 0 is the comment that `nft list` prints.
    std::string comment;
    comment.push_back('\0');
    comment.push_back(static_cast<char>(rule.comment_.size() + 1));
    comment += rule.comment_;
    comment.push_back('\0');
    add.add(NFTA_RULE_USERDATA, std::as_bytes(std::span(comment)));
}

void NftBatch::add_set(const NftSet& set) {
    NetlinkMessage& add =
        message(NFT_MSG_NEWSET, NLM_F_CREATE,
                fmt::format("making set {} of firewall table {}", set.name, table_));
    std::uint32_t flags = set.value.empty() ? 0 : NFT_SET_MAP;
    if (set.is_interval) flags |= NFT_SET_INTERVAL;
    add.add_text(NFTA_SET_TABLE, table_);
    add.add_text(NFTA_SET_NAME, set.name);
    add.add_big32(NFTA_SET_FLAGS, flags);
    add.add_big32(NFTA_SET_KEY_TYPE, type_number(set.key));
    add.add_big32(NFTA_SET_KEY_LEN, size_of(set.key));
    if (!set.value.empty()) {
        add.add_big32(NFTA_SET_DATA_TYPE, type_number(set.value));
        add.add_big32(NFTA_SET_DATA_LEN, size_of(set.value));
    }
    add.add_big32(NFTA_SET_ID, set.id);
}

void NftBatch::change_elements(int type, std::uint16_t flags, const NftSet& set,
                               std::span<const NftElement> elements) {
    constexpr std::size_t per_message = 400;  // an attribute is at most 64 KB
    for (std::size_t start = 0; start < elements.size(); start += per_message) {
        const auto some = elements.subspan(start, std::min(per_message, elements.size() - start));
        NetlinkMessage& change = message(
            type, flags, fmt::format("changing set {} of firewall table {}", set.name, table_));
        change.add_text(NFTA_SET_ELEM_LIST_TABLE, table_);
        change.add_text(NFTA_SET_ELEM_LIST_SET, set.name);
        change.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
            for (const NftElement& element : some)
                change.nest(NFTA_LIST_ELEM, [&] {
                    add_data(change, NFTA_SET_ELEM_KEY, element.key.bytes());
                    if (!element.value.bytes().empty() && type == NFT_MSG_NEWSETELEM)
                        add_data(change, NFTA_SET_ELEM_DATA, element.value.bytes());
                    if (element.is_interval_end)
                        change.add_big32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
                });
        });
    }
}

void NftBatch::add_elements(const NftSet& set, std::span<const NftElement> elements) {
    change_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, elements);
}

void NftBatch::delete_elements(const NftSet& set, std::span<const NftElement> elements) {
    change_elements(NFT_MSG_DELSETELEM, 0, set, elements);
}

void NftBatch::commit(NetlinkSocket& socket) { socket.request_batch(messages_); }

// ---------------------------------------------------------------- looking

NftNotice read_nft_notice(const NetlinkReply& reply) {
    NftNotice notice;
    if (reply.type >> 8 != NFNL_SUBSYS_NFTABLES) return notice;
    notice.type = reply.type & 0xff;
    notice.family = reply.header<nfgenmsg>().nfgen_family;
    if (notice.type == NFT_MSG_NEWGEN) return notice;
    // The table's name is attribute 1 of every object.
    for_each_attribute(reply.attributes(sizeof(nfgenmsg)), [&](const NetlinkAttribute& attribute) {
        if (attribute.type == NFTA_TABLE_NAME) notice.table = attribute.text();
    });
    return notice;
}

bool has_nft_table(NetlinkSocket& socket, const std::string& table, std::uint8_t family) {
    NetlinkMessage message(message_type(NFT_MSG_GETTABLE), 0, "firewall table " + table);
    message.header(nfgenmsg{family, NFNETLINK_V0, 0});
    message.add_text(NFTA_TABLE_NAME, table);
    try {
        socket.get(std::move(message), [](const NetlinkReply&) {});
    } catch (const Error& error) {
        if (error.error_number() != ENOENT) throw;
        return false;
    }
    return true;
}

std::vector<NftDroppingChain> list_dropping_chains(NetlinkSocket& socket, std::uint32_t hook) {
    std::vector<NftDroppingChain> found;
    NetlinkMessage message(message_type(NFT_MSG_GETCHAIN), 0, "firewall chains");
    message.header(nfgenmsg{NFPROTO_UNSPEC, NFNETLINK_V0, 0});
    socket.dump(std::move(message), [&](const NetlinkReply& reply) {
        NftDroppingChain chain;
        bool is_at_hook = false;
        std::uint32_t policy = NF_ACCEPT;
        const auto family = reply.header<nfgenmsg>().nfgen_family;
        for_each_attribute(reply.attributes(sizeof(nfgenmsg)), [&](const NetlinkAttribute& part) {
            if (part.type == NFTA_CHAIN_TABLE) chain.table = part.text();
            if (part.type == NFTA_CHAIN_NAME) chain.chain = part.text();
            if (part.type == NFTA_CHAIN_POLICY) policy = be32toh(part.get<std::uint32_t>());
            if (part.type == NFTA_CHAIN_HOOK)
                for_each_attribute(part.value, [&](const NetlinkAttribute& of_hook) {
                    if (of_hook.type == NFTA_HOOK_HOOKNUM)
                        is_at_hook = be32toh(of_hook.get<std::uint32_t>()) == hook;
                });
        });
        if (!is_at_hook || policy != NF_DROP) return;
        if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6 && family != NFPROTO_INET) return;
        chain.family = family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
        found.push_back(std::move(chain));
    });
    return found;
}

// ---------------------------------------------------------------- conntrack

namespace {

/// The tuple of the original direction, as raw bytes to send back, and what we look at.
struct Connection {
    std::uint8_t family = 0, protocol = 0;
    std::uint16_t port = 0;
    std::string tuple;
};

Connection read_connection(const NetlinkReply& reply) {
    Connection connection;
    connection.family = reply.header<nfgenmsg>().nfgen_family;
    for_each_attribute(reply.attributes(sizeof(nfgenmsg)), [&](const NetlinkAttribute& attribute) {
        if (attribute.type != CTA_TUPLE_ORIG) return;
        connection.tuple.assign(reinterpret_cast<const char*>(attribute.value.data()),
                                attribute.value.size());
        for_each_attribute(attribute.value, [&](const NetlinkAttribute& part) {
            if (part.type != CTA_TUPLE_PROTO) return;
            for_each_attribute(part.value, [&](const NetlinkAttribute& detail) {
                if (detail.type == CTA_PROTO_NUM) connection.protocol = detail.get<std::uint8_t>();
                if (detail.type == CTA_PROTO_DST_PORT)
                    connection.port = be16toh(detail.get<std::uint16_t>());
            });
        });
    });
    return connection;
}

}  // namespace

void forget_connections(NetlinkSocket& socket, std::uint8_t protocol, std::uint16_t port) {
    constexpr auto type = [](int message) {
        return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
    };
    std::vector<Connection> found;
    NetlinkMessage list(type(IPCTNL_MSG_CT_GET), 0, "listing connections");
    list.header(nfgenmsg{AF_UNSPEC, NFNETLINK_V0, 0});
    socket.dump(std::move(list), [&](const NetlinkReply& reply) {
        Connection connection = read_connection(reply);
        if (connection.protocol == protocol && connection.port == port)
            found.push_back(std::move(connection));
    });
    for (const Connection& connection : found) {
        NetlinkMessage forget(type(IPCTNL_MSG_CT_DELETE), 0, "forgetting a connection");
        forget.header(nfgenmsg{connection.family, NFNETLINK_V0, 0});
        forget.add(CTA_TUPLE_ORIG | NLA_F_NESTED, std::as_bytes(std::span(connection.tuple)));
        try {
            socket.request(std::move(forget));
        } catch (const Error&) {  // it ended meanwhile
        }
    }
}

}  // namespace hull::linux_
