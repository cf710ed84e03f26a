#include "registry/client/url.hh"

#include "base/error.hh"
#include "base/text.hh"

#include <algorithm>
#include <charconv>

namespace hull::registry_client {

namespace {

constexpr std::size_t max_url_bytes = 16UL << 10;

std::uint16_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

}  // namespace

std::string Url::authority() const {
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == default_port(scheme) ? name : name + ":" + std::to_string(port);
}

Url parse_url(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        throw Error(ErrorKind::invalid_argument, "invalid address {:?}: {}", text.substr(0, 200),
                    why);
    };
    if (text.size() > max_url_bytes) refuse("it is too long");
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 127; }))
        refuse("it has blanks or control characters");
    Url url;
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) refuse("no scheme");
    url.scheme = lower(text.substr(0, scheme_end));
    if (url.scheme != "http" && url.scheme != "https") refuse("the scheme is not http or https");
    std::string_view rest = text.substr(scheme_end + 3);
    rest = rest.substr(0, rest.find('#'));
    const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, authority_end);
    rest.remove_prefix(authority_end);
    url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
    if (authority.find('@') != std::string_view::npos) refuse("it has user information");
    std::string_view port;
    if (authority.starts_with('[')) {
        const std::size_t bracket = authority.find(']');
        if (bracket == std::string_view::npos) refuse("a bracket is not closed");
        url.host = lower(authority.substr(1, bracket - 1));
        port = authority.substr(bracket + 1);
    } else {
        const std::size_t colon = std::min(authority.find(':'), authority.size());
        url.host = lower(authority.substr(0, colon));
        port = authority.substr(colon);
    }
    if (url.host.empty()) refuse("no host");
    url.port = default_port(url.scheme);
    if (!port.empty()) {
        const auto [end, error] =
            std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
        if (port.front() != ':' || error != std::errc() || end != port.data() + port.size() ||
            url.port == 0)
            refuse("the port is no number");
    }
    return url;
}

Url resolve_url(const Url& base, std::string_view location) {
    if (location.find("://") != std::string_view::npos &&
        location.find("://") < std::min(location.find_first_of("/?#"), location.size()) + 1)
        return parse_url(location);
    if (location.starts_with("//")) return parse_url(base.scheme + ":" + std::string(location));
    if (location.starts_with('/')) return parse_url(base.origin() + std::string(location));
    const std::string path = base.target.substr(0, base.target.find('?'));
    return parse_url(base.origin() + path.substr(0, path.rfind('/') + 1) + std::string(location));
}

}  // namespace hull::registry_client
