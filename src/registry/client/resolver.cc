#include "registry/client/resolver.hh"

#include "base/error.hh"
#include "base/fd.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "registry/client/dns_message.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace hull::registry_client {

namespace {

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t max_servers = 3;

struct ResolverOptions {
    std::vector<Address> servers;
    std::vector<std::string> search;
    int ndots = 1, timeout_s = 5, attempts = 2;
};

Address make_address(int family, const void* bytes, std::uint16_t port) {
    Address address;
    if (family == AF_INET) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        std::memcpy(&v4->sin_addr, bytes, sizeof v4->sin_addr);
        address.size = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        std::memcpy(&v6->sin6_addr, bytes, sizeof v6->sin6_addr);
        address.size = sizeof *v6;
    }
    return address;
}

std::vector<std::string> words_of(std::string_view line) {
    line = line.substr(0, line.find_first_of("#;"));
    std::string text(line);
    std::replace(text.begin(), text.end(), '\t', ' ');
    return split_nonempty(trim(text), ' ');
}

int number_after(std::string_view option, std::string_view name, int fallback) {
    if (!option.starts_with(name)) return fallback;
    const int value = std::atoi(std::string(option.substr(name.size())).c_str());
    return std::clamp(value, 0, 30);
}

ResolverOptions parse_resolv_conf(std::string_view text) {
    ResolverOptions options;
    for (const std::string& line : split(text, '\n')) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() < 2) continue;
        if (words[0] == "nameserver" && options.servers.size() < max_servers) {
            const std::string plain = words[1].substr(0, words[1].find('%'));
            for (const Address& server : numeric_address(plain, dns_port))
                options.servers.push_back(server);
        } else if (words[0] == "search" || words[0] == "domain") {
            options.search.assign(words.begin() + 1, words.end());
        } else if (words[0] == "options") {
            for (const std::string& option : words) {
                options.ndots = number_after(option, "ndots:", options.ndots);
                options.timeout_s = number_after(option, "timeout:", options.timeout_s);
                options.attempts = number_after(option, "attempts:", options.attempts);
            }
        }
    }
    if (options.servers.empty()) options.servers = numeric_address("127.0.0.1", dns_port);
    options.timeout_s = std::max(options.timeout_s, 1);
    options.attempts = std::clamp(options.attempts, 1, 5);
    return options;
}

std::vector<Address> find_in_hosts(std::string_view text, const std::string& host,
                                   std::uint16_t port) {
    std::vector<Address> found;
    for (const std::string& line : split(text, '\n')) {
        const std::vector<std::string> words = words_of(line);
        for (std::size_t i = 1; i < words.size(); ++i)
            if (lower(words[i]) == host)
                for (const Address& address : numeric_address(words[0], port))
                    found.push_back(address);
    }
    std::stable_sort(found.begin(), found.end(), [](const Address& left, const Address& right) {
        return left.storage.ss_family == AF_INET && right.storage.ss_family != AF_INET;
    });
    return found;
}

std::string receive_exactly(int fd, std::size_t count, int timeout_ms) {
    std::string bytes(count, '\0');
    for (std::size_t done = 0; done < count;) {
        if (!sys::poll_one(fd, POLLIN, timeout_ms))
            throw Error(ErrorKind::unavailable, "the name server is silent");
        const ssize_t got = ::recv(fd, bytes.data() + done, count - done, 0);
        if (got <= 0) throw Error(ErrorKind::unavailable, "the name server hung up");
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

/// For replies that do not fit into a datagram.
DnsReply ask_by_stream(const Address& server, const std::string& query, std::uint16_t id,
                       RecordType type, int timeout_ms) {
    const Fd socket(::socket(server.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), server.get(), server.size) != 0)
        throw_errno(errno, "connecting to the name server");
    std::string framed{static_cast<char>(query.size() >> 8),
                       static_cast<char>(query.size() & 0xff)};
    framed += query;
    if (::send(socket.get(), framed.data(), framed.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(framed.size()))
        throw_errno(errno, "asking the name server");
    const std::string length = receive_exactly(socket.get(), 2, timeout_ms);
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(length[0])) << 8 |
                             static_cast<unsigned char>(length[1]);
    return parse_dns_reply(receive_exactly(socket.get(), size, timeout_ms), id, type);
}

DnsReply ask(const Address& server, const std::string& name, RecordType type, int timeout_ms) {
    std::uint16_t id = 0;
    (void)::getrandom(&id, sizeof id, 0);
    const std::string query = make_dns_query(id, name, type);
    const Fd socket(::socket(server.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), server.get(), server.size) != 0 ||
        ::send(socket.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0)
        throw_errno(errno, "asking the name server");
    const std::int64_t deadline_ns = monotonic_ns() + timeout_ms * 1'000'000LL;
    for (;;) {
        const auto left_ms = static_cast<int>((deadline_ns - monotonic_ns()) / 1'000'000);
        if (left_ms <= 0 || !sys::poll_one(socket.get(), POLLIN, left_ms))
            throw Error(ErrorKind::unavailable, "the name server is silent");
        std::array<char, 4096> buffer;
        const ssize_t count = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (count < 0) throw_errno(errno, "asking the name server");
        try {
            const DnsReply reply =
                parse_dns_reply({buffer.data(), static_cast<std::size_t>(count)}, id, type);
            return reply.truncated ? ask_by_stream(server, query, id, type, timeout_ms) : reply;
        } catch (const Error& error) {
            // Somebody else's datagram: ours may still come.
            if (error.kind() != ErrorKind::invalid_argument) throw;
        }
    }
}

struct Lookup {
    std::vector<Address> addresses;
    bool answered = false;  ///< a server said something about the name
};

Lookup look_up(const ResolverOptions& options, const std::string& name, std::uint16_t port) {
    Lookup lookup;
    for (const RecordType type : {RecordType::a, RecordType::aaaa}) {
        bool answered = false;
        for (int attempt = 0; attempt < options.attempts && !answered; ++attempt)
            for (const Address& server : options.servers) {
                try {
                    const DnsReply reply = ask(server, name, type, options.timeout_s * 1000);
                    if (reply.failed) continue;
                    for (const std::string& bytes : reply.addresses)
                        lookup.addresses.push_back(make_address(
                            bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), port));
                    answered = true;
                    break;
                } catch (const Error&) {  // the next server
                }
            }
        lookup.answered |= answered;
        if (!answered && lookup.addresses.empty()) return lookup;
    }
    return lookup;
}

}  // namespace

std::string Address::str() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (storage.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
        ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        return fmt::format("{}:{}", text, ntohs(v4->sin_port));
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
}

std::vector<Address> numeric_address(const std::string& text, std::uint16_t port) {
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return {make_address(AF_INET, &v4, port)};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return {make_address(AF_INET6, &v6, port)};
    return {};
}

std::vector<Address> resolve(const NameFiles& files, const std::string& host, std::uint16_t port) {
    if (auto numeric = numeric_address(host, port); !numeric.empty()) return numeric;
    if (auto listed = find_in_hosts(files.hosts, host, port); !listed.empty()) return listed;
    if (host == "localhost" || host.ends_with(".localhost")) {
        auto addresses = numeric_address("127.0.0.1", port);
        addresses.push_back(numeric_address("::1", port).front());
        return addresses;
    }
    const ResolverOptions options = parse_resolv_conf(files.resolv_conf);
    std::vector<std::string> names{host};
    if (!host.ends_with('.')) {
        const bool as_it_is_first = std::count(host.begin(), host.end(), '.') >= options.ndots;
        std::vector<std::string> searched;
        for (const std::string& domain : options.search)
            searched.push_back(host + "." + std::string(trim(domain)));
        names.insert(as_it_is_first ? names.end() : names.begin(), searched.begin(),
                     searched.end());
    }
    bool answered = false;
    for (const std::string& name : names) {
        Lookup lookup = look_up(options, name, port);
        if (!lookup.addresses.empty()) return lookup.addresses;
        answered |= lookup.answered;
    }
    if (!answered)
        throw Error(ErrorKind::unavailable, "lookup {} on {}: no name server answers", host,
                    options.servers.front().str());
    throw Error(ErrorKind::unavailable, "lookup {} on {}: no such host", host,
                options.servers.front().str());
}

}  // namespace hull::registry_client
