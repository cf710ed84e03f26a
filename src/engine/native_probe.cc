#include "engine/native_probe.hh"

#include "base/error.hh"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace hull::engine {

namespace {

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    throw Error(ErrorKind::invalid_argument, "invalid health check: {}",
                fmt::format(text, std::forward<Arguments>(arguments)...));
}

std::string parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0)
        refuse("'{}' is no port: use 1 to 65535", text);
    return std::to_string(port);
}

bool is_address(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

struct Place {
    std::string host, port;
};

/// "[HOST:]PORT"; an IPv6 address in brackets.
Place parse_place(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return {"localhost", parse_port(text)};
    std::string host(text.substr(0, colon));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty()) host = "localhost";
    // Names are the container's to look up, and we are outside.
    if (host != "localhost" && !is_address(host))
        refuse("'{}' is neither localhost nor an address", host);
    return {std::move(host), parse_port(text.substr(colon + 1))};
}

std::vector<std::string> parse_http(std::string_view url) {
    constexpr std::string_view scheme = "http://";
    constexpr std::size_t longest_path = 2000;
    if (url.starts_with("https://")) refuse("https is not supported: use TCP");
    const bool has_scheme = url.starts_with(scheme);
    if (has_scheme) url.remove_prefix(scheme.size());
    const std::size_t slash = std::min(url.find('/'), url.size());
    std::string_view authority = url.substr(0, slash);
    const bool has_port =
        !authority.ends_with(']') && (!has_scheme || authority.find(':') != authority.npos);
    Place place = parse_place(has_port ? std::string(authority) : std::string(authority) + ":80");
    std::string path(url.substr(slash));
    if (path.empty()) path = "/";
    const auto is_plain = [](unsigned char c) { return c > ' ' && c < 0x7f; };
    if (path.size() > longest_path || !std::all_of(path.begin(), path.end(), is_plain))
        refuse("the path is longer than {} characters or has some that need escapes", longest_path);
    return {"http", std::move(place.host), std::move(place.port), std::move(path)};
}

}  // namespace

bool is_native_probe(std::string_view kind) {
    return kind == "HTTP" || kind == "TCP" || kind == "FILE";
}

std::vector<std::string> parse_native_probe(std::span<const std::string> test) {
    const std::string& kind = test.front();
    if (test.size() != 2) refuse("{} takes one value", kind);
    const std::string& value = test[1];
    if (kind == "HTTP") return parse_http(value);
    if (kind == "TCP") {
        Place place = parse_place(value);
        return {"tcp", std::move(place.host), std::move(place.port)};
    }
    if (!value.starts_with('/') || value.size() > 4095 || value.find('\0') != value.npos)
        refuse("'{}' is no absolute path", value);
    return {"file", value};
}

}  // namespace hull::engine
