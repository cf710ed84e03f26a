#include "linux/ip.hh"

#include "base/error.hh"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <charconv>

namespace hull::linux_ {

namespace {

std::optional<int> parse_prefix(std::string_view text, int most) {
    int prefix = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
    if (error != std::errc() || end != text.data() + text.size() || prefix < 0 || prefix > most)
        return std::nullopt;
    return prefix;
}

}  // namespace

IpAddress::IpAddress(std::span<const std::byte> bytes)
    : size_(static_cast<std::uint8_t>(bytes.size())) {
    assert(size_ == 4 || size_ == 16);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string copy(text);
    IpAddress address;
    const bool is_v6 = text.find(':') != std::string_view::npos;
    if (::inet_pton(is_v6 ? AF_INET6 : AF_INET, copy.c_str(), address.bytes_.data()) != 1)
        return std::nullopt;
    address.size_ = is_v6 ? 16 : 4;
    return address;
}

IpAddress IpAddress::get(std::string_view text) {
    if (auto address = parse(text)) return *address;
    throw Error(ErrorKind::invalid_argument, "invalid IP address: {}", text);
}

std::string IpAddress::text() const {
    if (empty()) return "";
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(is_v6() ? AF_INET6 : AF_INET, bytes_.data(), text.data(), text.size());
    return text.data();
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return bytes_[0] == std::byte{127};
    return is_v6() && *this == IpAddress::get("::1");
}

bool IpAddress::is_unspecified() const {
    return !empty() && std::all_of(bytes_.begin(), bytes_.begin() + size_,
                                   [](std::byte byte) { return byte == std::byte{0}; });
}

IpAddress IpAddress::plus(std::uint64_t distance) const {
    IpAddress result = *this;
    for (int i = size_ - 1; i >= 0 && distance != 0; --i) {
        auto& byte = result.bytes_[static_cast<std::size_t>(i)];
        const std::uint64_t sum = std::to_integer<std::uint64_t>(byte) + (distance & 0xff);
        byte = static_cast<std::byte>(sum & 0xff);
        distance = (distance >> 8) + (sum >> 8);
    }
    return result;
}

namespace {

/// The bits of byte `index` that come after `prefix` bits of an address.
std::byte host_bits(std::size_t index, int prefix) {
    const int kept = std::clamp(prefix - static_cast<int>(index) * 8, 0, 8);
    return static_cast<std::byte>(0xff >> kept);
}

}  // namespace

IpAddress IpAddress::first_of(int prefix) const {
    IpAddress result = *this;
    for (std::size_t i = 0; i < size_; ++i) result.bytes_[i] &= ~host_bits(i, prefix);
    return result;
}

IpAddress IpAddress::last_of(int prefix) const {
    IpAddress result = *this;
    for (std::size_t i = 0; i < size_; ++i) result.bytes_[i] |= host_bits(i, prefix);
    return result;
}

std::optional<Subnet> Subnet::parse_interface(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    auto prefix = parse_prefix(text.substr(slash + 1), address->bits());
    if (!prefix) return std::nullopt;
    return Subnet{*address, *prefix};
}

std::optional<Subnet> Subnet::parse(std::string_view text) {
    auto subnet = parse_interface(text);
    if (subnet) subnet->base = subnet->first();
    return subnet;
}

std::string Subnet::text() const {
    return empty() ? "" : fmt::format("{}/{}", base.text(), prefix);
}

bool Subnet::contains(const IpAddress& address) const {
    return !empty() && address.bits() == base.bits() && address.first_of(prefix) == first();
}

bool Subnet::overlaps(const Subnet& other) const {
    const Subnet& wide = prefix <= other.prefix ? *this : other;
    const Subnet& narrow = prefix <= other.prefix ? other : *this;
    return wide.contains(narrow.base);
}

}  // namespace hull::linux_
