#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hull::linux_ {

/// An IPv4 or IPv6 address, in network byte order. The default is "no address".
class IpAddress {
public:
    IpAddress() = default;
    /// 4 or 16 bytes; anything else asserts.
    explicit IpAddress(std::span<const std::byte> bytes);
    /// "172.17.0.2", "fd00::2"; nullopt when it is neither. No zone ("%eth0") is accepted.
    static std::optional<IpAddress> parse(std::string_view text);
    /// As parse, but throws invalid_argument "invalid IP address: TEXT".
    static IpAddress get(std::string_view text);

    bool empty() const { return size_ == 0; }
    bool is_v4() const { return size_ == 4; }
    bool is_v6() const { return size_ == 16; }
    int bits() const { return size_ * 8; }
    std::span<const std::byte> bytes() const { return {bytes_.data(), size_}; }
    /// "" when empty.
    std::string text() const;
    bool is_loopback() const;
    bool is_unspecified() const;  ///< 0.0.0.0 or ::
    /// The address `distance` further on; wraps within the address space.
    IpAddress plus(std::uint64_t distance) const;
    /// The bits after `prefix` cleared, or set.
    IpAddress first_of(int prefix) const;
    IpAddress last_of(int prefix) const;

    auto operator<=>(const IpAddress&) const = default;

private:
    std::uint8_t size_ = 0;  // first: IPv4 sorts before IPv6
    std::array<std::byte, 16> bytes_{};
};

/// An address range "172.17.0.0/16"; `base` has no bits after the prefix unless it came from
/// parse_interface.
struct Subnet {
    IpAddress base;
    int prefix = 0;

    /// "172.17.0.0/16"; nullopt when malformed. Bits after the prefix are cleared.
    static std::optional<Subnet> parse(std::string_view text);
    /// As parse, but keeps the address: "172.17.0.1/16".
    static std::optional<Subnet> parse_interface(std::string_view text);

    bool empty() const { return base.empty(); }
    std::string text() const;
    bool contains(const IpAddress& address) const;
    bool overlaps(const Subnet& other) const;
    IpAddress first() const { return base.first_of(prefix); }
    IpAddress last() const { return base.last_of(prefix); }

    auto operator<=>(const Subnet&) const = default;
};

}  // namespace hull::linux_
