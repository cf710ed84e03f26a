#include "base/text.hh"
#include "build/dockerfile/instruction.hh"
#include "build/dockerfile/words.hh"

#include <arpa/inet.h>

namespace hull::build::dockerfile {
namespace {

template <typename... Args>
Error bad(fmt::format_string<Args...> text, Args&&... args) {
    return Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

struct PortRange {
    std::uint64_t first = 0, last = 0;
    std::uint64_t size() const { return last - first + 1; }
};

std::optional<PortRange> find_range(std::string_view text) {
    constexpr std::uint64_t last_port = 65535;
    const std::size_t dash = text.find('-');
    const std::optional<std::uint64_t> first = parse_number(text.substr(0, dash), 10, last_port);
    if (!first) return std::nullopt;
    if (dash == std::string_view::npos) return PortRange{*first, *first};
    const std::optional<std::uint64_t> last = parse_number(text.substr(dash + 1), 10, last_port);
    if (!last || *last < *first) return std::nullopt;
    return PortRange{*first, *last};
}

void check_address(std::string_view address) {
    if (address.starts_with('[') && address.ends_with(']')) {
        address.remove_prefix(1);
        address.remove_suffix(1);
    }
    unsigned char bytes[sizeof(in6_addr)];
    const std::string text(address);
    if (inet_pton(AF_INET, text.c_str(), bytes) != 1 &&
        inet_pton(AF_INET6, text.c_str(), bytes) != 1)
        throw bad("invalid IP address: {}", address);
}

/// Appends what one word of EXPOSE means. Source: BuildKit dockerfile2llb/convert_expose.go.
void add_port(std::string_view word, std::vector<std::string>& ports) {
    const std::size_t colon = word.rfind(':');
    const std::string_view container =
        colon == std::string_view::npos ? word : word.substr(colon + 1);
    const std::string_view host = colon == std::string_view::npos ? "" : word.substr(0, colon);

    const std::size_t slash = container.find('/');
    const std::string_view port = container.substr(0, slash);
    if (port.empty()) throw bad("no port specified: {}<empty>", container);
    std::string protocol =
        slash == std::string_view::npos ? "tcp" : lower(container.substr(slash + 1));
    if (protocol.empty()) protocol = "tcp";
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        throw bad("invalid proto: {}", protocol);

    const std::size_t host_colon = host.rfind(':');
    if (host_colon != std::string_view::npos && host_colon > 0)
        check_address(host.substr(0, host_colon));
    const std::optional<PortRange> range = find_range(port);
    if (!range) throw bad("invalid containerPort: {}", port);
    const std::string_view host_port =
        host_colon == std::string_view::npos ? host : host.substr(host_colon + 1);
    if (!host_port.empty()) {
        const std::optional<PortRange> host_range = find_range(host_port);
        if (!host_range) throw bad("invalid hostPort: {}", host_port);
        if (range->size() != host_range->size() && range->size() != 1)
            throw bad("invalid ranges specified for container and host Ports: {} and {}", port,
                      host_port);
    }
    for (std::uint64_t number = range->first; number <= range->last; ++number)
        ports.push_back(std::to_string(number) + "/" + protocol);
}

}  // namespace

std::vector<std::string> parse_ports(const std::vector<std::string>& ports) {
    std::vector<std::string> result;
    for (const std::string& word : ports) add_port(word, result);
    return result;
}

}  // namespace hull::build::dockerfile
