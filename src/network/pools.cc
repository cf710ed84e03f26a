#include "network/pools.hh"

#include "base/error.hh"
#include "base/hash.hh"

#include <algorithm>
#include <charconv>

namespace hull::network {

AddressPool::AddressPool(Subnet subnet, std::optional<Subnet> range)
    : subnet_(subnet), range_(range.value_or(subnet)), last_(range_.first()) {}

bool AddressPool::is_special(const IpAddress& address) const {
    const int host_bits = subnet_.base.bits() - subnet_.prefix;
    if (host_bits <= 1) return false;  // RFC 3021: both addresses of a /31 are hosts
    if (address == subnet_.first()) return true;
    return address.is_v4() && address == subnet_.last();
}

void AddressPool::reserve(const IpAddress& address) {
    if (!subnet_.contains(address))
        throw Error(ErrorKind::invalid_argument, "address {} is not in subnet {}", address.text(),
                    subnet_.text());
    if (!taken_.insert(address).second)
        throw Error(ErrorKind::forbidden, "Address already in use: {}", address.text());
}

IpAddress AddressPool::take() {
    IpAddress candidate = last_;
    do {
        candidate = candidate == range_.last() ? range_.first() : candidate.plus(1);
        if (is_special(candidate) || taken_.contains(candidate)) continue;
        taken_.insert(candidate);
        return last_ = candidate;
    } while (candidate != last_);
    throw Error(ErrorKind::unavailable,
                "no available addresses: all of {} are in use; remove containers or use a larger "
                "subnet",
                range_.text());
}

void AddressPool::release(const IpAddress& address) { taken_.erase(address); }

SubnetSource parse_subnet_source(const std::string& text) {
    SubnetSource source;
    std::size_t start = 0;
    while (start <= text.size()) {
        const std::size_t comma = std::min(text.find(',', start), text.size());
        const std::string word = text.substr(start, comma - start);
        start = comma + 1;
        const std::size_t equals = word.find('=');
        const std::string key = word.substr(0, equals),
                          value = equals == std::string::npos ? "" : word.substr(equals + 1);
        if (key == "base") {
            if (auto base = Subnet::parse(value)) source.base = *base;
        } else if (key == "size") {
            std::from_chars(value.data(), value.data() + value.size(), source.size);
        } else {
            throw Error(ErrorKind::invalid_argument,
                        "invalid default address pool \"{}\": use base=SUBNET,size=BITS", text);
        }
    }
    if (source.base.empty() || source.size < source.base.prefix ||
        source.size > source.base.base.bits() - 1)
        throw Error(ErrorKind::invalid_argument,
                    "invalid default address pool \"{}\": use base=SUBNET,size=BITS with BITS at "
                    "least the subnet's own",
                    text);
    return source;
}

std::vector<SubnetSource> default_subnet_sources() {
    std::vector<SubnetSource> sources;
    for (int second = 17; second <= 31; ++second)
        sources.push_back({*Subnet::parse(fmt::format("172.{}.0.0/16", second)), 16});
    sources.push_back({*Subnet::parse("192.168.0.0/16"), 20});
    sources.push_back({*Subnet::parse("10.128.0.0/9"), 24});
    return sources;
}

SubnetSource unique_local_source(std::string_view seed) {
    const std::string digest = sha256_hex(seed);
    return {*Subnet::parse(fmt::format("fd{}:{}:{}::/48", digest.substr(0, 2), digest.substr(2, 4),
                                       digest.substr(6, 4))),
            64};
}

Subnet choose_subnet(std::span<const SubnetSource> sources, bool is_v6,
                     std::span<const Subnet> taken) {
    std::vector<Subnet> obstacles;
    for (const Subnet& subnet : taken)
        if (subnet.base.is_v6() == is_v6) obstacles.push_back({subnet.first(), subnet.prefix});
    std::sort(obstacles.begin(), obstacles.end());
    for (const SubnetSource& source : sources) {
        if (source.base.base.is_v6() != is_v6) continue;
        Subnet candidate{source.base.first(), source.size};
        bool is_exhausted = false;
        for (const Subnet& obstacle : obstacles) {
            if (obstacle.last() < candidate.first()) continue;
            if (obstacle.first() > candidate.last()) break;
            const IpAddress last = std::max(candidate.last(), obstacle.last());
            is_exhausted = last >= source.base.last();
            if (is_exhausted) break;
            candidate.base = last.plus(1);
        }
        if (!is_exhausted) return candidate;
    }
    throw Error(
        ErrorKind::unavailable,
        "all predefined {} address pools have been fully subnetted: name a --subnet, remove "
        "networks or give hulld a --default-address-pool",
        is_v6 ? "IPv6" : "IPv4");
}

}  // namespace hull::network
