#pragma once
#include "linux/ip.hh"
#include "linux/netlink.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// nf_tables without libnftables: 0.006 ms for a map element instead of 0.11, and there is no
/// static library of it (LIMITS.md, verdict 7). Source: kernel net/netfilter/nf_tables_api.c and
/// include/uapi/linux/netfilter/nf_tables.h.
namespace hull::linux_ {

/// Bytes of a set's key or of a map's value. The parts of a concatenation are padded to 4 bytes.
class NftData {
public:
    NftData() = default;
    NftData& byte(std::uint8_t value);
    NftData& port(std::uint16_t value);  ///< in host order
    NftData& address(const IpAddress& address);
    NftData& interface(std::string_view name);  ///< 16 bytes
    std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

private:
    NftData& append(const void* data, std::size_t size);
    std::string bytes_;
};

/// What a set or map holds; `types` are nft's own numbers, so that `nft list` prints it well.
enum class NftType : std::uint32_t {
    ipv4_address = 7,
    ipv6_address = 8,
    protocol = 12,
    port = 13,
    interface = 41,
};
struct NftSet {
    std::string name;
    std::vector<NftType> key;
    std::vector<NftType> value;  ///< empty: a set, otherwise a map
    bool is_interval = false;
    std::uint32_t id = 0;  ///< unique in the table's first batch
};
struct NftElement {
    NftData key, value;
    bool is_interval_end = false;
};

/// One rule as the expressions it is made of. Registers are 4 bytes each, from 0.
class NftRule {
public:
    explicit NftRule(std::string comment) : comment_(std::move(comment)) {}

    NftRule& load_meta(std::uint32_t key, int to);  ///< NFT_META_*
    NftRule& load_network_header(std::uint32_t offset, std::uint32_t size, int to);
    NftRule& load_transport_header(std::uint32_t offset, std::uint32_t size, int to);
    NftRule& load_conntrack(std::uint32_t key, int to);  ///< NFT_CT_*
    /// Is the destination address one of the host's own?
    NftRule& match_local_destination();
    NftRule& match_protocol_family(std::uint8_t family);  ///< NFPROTO_IPV4
    NftRule& mask(int reg, std::uint32_t mask);           ///< reg &= mask, 4 bytes, host order
    NftRule& compare(int reg, std::uint32_t operation, std::span<const std::byte> value);
    NftRule& equals(int reg, const NftData& value);
    NftRule& differs(int reg, const NftData& value);
    NftRule& differs_zero(int reg);
    NftRule& in_set(const NftSet& set, int reg, bool inverted = false);
    NftRule& map_to(const NftSet& map, int reg, int to);
    NftRule& verdict(int code);  ///< NF_ACCEPT, NF_DROP
    NftRule& jump(std::string_view chain);
    /// Destination NAT to the address in `reg`, and the port in `port_reg` when not negative.
    NftRule& destination_nat(std::uint8_t family, int reg, int port_reg);
    NftRule& masquerade();
    NftRule& clamp_mss_to_route();  ///< the smaller of the option's value and the route's

    NftRule& redirect(const NftData& port);  ///< to the host itself, another port
    /// Writes a port into the transport header, and its checksum, without connection tracking.
    NftRule& set_port(std::uint32_t offset, std::uint16_t port, std::uint32_t checksum_offset);

private:
    friend class NftBatch;
    using Writer = std::function<void(NetlinkMessage&)>;
    NftRule& expression(std::string name, Writer attributes);
    std::string comment_;
    std::vector<std::pair<std::string, Writer>> expressions_;
};

struct NftChain {
    std::string name;
    std::string type;  ///< "filter", "nat", "route"; "": not a base chain
    std::uint32_t hook = 0;
    std::int32_t priority = 0;
};

/// Changes of one table that happen together or not at all. Family inet unless told otherwise.
class NftBatch {
public:
    /// `family`: NFPROTO_INET, NFPROTO_IPV4.
    explicit NftBatch(std::string table, std::uint8_t family = 1);

    void add_table();
    void delete_table();  ///< of one that exists
    void add_chain(const NftChain& chain);
    void add_rule(std::string_view chain, const NftRule& rule);
    void add_set(const NftSet& set);
    void add_elements(const NftSet& set, std::span<const NftElement> elements);
    void delete_elements(const NftSet& set, std::span<const NftElement> elements);
    bool empty() const { return messages_.empty(); }

    /// Throws with the kernel's reason; nothing is changed then.
    void commit(NetlinkSocket& socket);

private:
    NetlinkMessage& message(int type, std::uint16_t flags, std::string what);
    void change_elements(int type, std::uint16_t flags, const NftSet& set,
                         std::span<const NftElement> elements);

    std::string table_;
    std::uint8_t family_;
    std::vector<NetlinkMessage> messages_;
};

/// The name of the table an nf_tables notification is about; "" for other messages.
/// `type` is the NFT_MSG_* number.
struct NftNotice {
    int type = 0;
    std::uint8_t family = 0;
    std::string table;
};
NftNotice read_nft_notice(const NetlinkReply& reply);
/// Does the table exist?
bool has_nft_table(NetlinkSocket& socket, const std::string& table, std::uint8_t family = 1);

/// A base chain of anybody's that drops what its rules do not accept.
struct NftDroppingChain {
    std::string family, table, chain;  ///< as nft(8) writes them: "ip", "filter", "FORWARD"
};
/// Those at hook `hook` (NF_INET_FORWARD).
std::vector<NftDroppingChain> list_dropping_chains(NetlinkSocket& socket, std::uint32_t hook);

/// Makes the kernel forget tracked connections whose original destination was `port` of
/// `protocol`, so that they are not answered by what was there before (R61).
void forget_connections(NetlinkSocket& socket, std::uint8_t protocol, std::uint16_t port);

}  // namespace hull::linux_
