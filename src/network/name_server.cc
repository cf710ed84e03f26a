#include "network/name_server.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "linux/namespaces.hh"
#include "linux/nft.hh"

#include <netinet/in.h>  // before the kernel's headers, which then leave these names alone

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

namespace hull::network {

namespace {

using linux_::IpAddress;
using linux_::NftBatch;
using linux_::NftData;
using linux_::NftRule;

constexpr std::uint16_t dns_port = 53;
const char* const resolver_address = "127.0.0.11";

Fd bind_resolver(int type, std::uint16_t& port) {
    Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno(errno, "socket");
    const int on = 1;  // beside the sockets of the hull-names before
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, IpAddress::get(resolver_address).bytes().data(), 4);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
    socklen_t size = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return socket;
}

/// A protocol whose header has the ports first.
struct Protocol {
    std::uint8_t number;
    std::uint32_t checksum_offset;
};

/// Port 53 of the resolver's address is another port: a container may have a name server of its own
/// on its port 53. Without connection tracking, which would cost each packet of the container.
void redirect_port(NftBatch& batch, const Protocol& protocol, std::uint16_t port) {
    constexpr std::uint32_t source = 12, destination = 16;     // in the IP header
    constexpr std::uint32_t source_port = 0, target_port = 2;  // in both protocols'
    const auto rule = [&](const char* comment, std::uint32_t address, std::uint32_t at,
                          std::uint16_t from, std::uint16_t to) {
        batch.add_rule("output", NftRule(comment)
                                     .load_network_header(address, 4, 0)
                                     .equals(0, NftData().address(IpAddress::get(resolver_address)))
                                     .load_meta(NFT_META_L4PROTO, 0)
                                     .equals(0, NftData().byte(protocol.number))
                                     .load_transport_header(at, 2, 0)
                                     .equals(0, NftData().port(from))
                                     .set_port(at, to, protocol.checksum_offset));
    };
    rule("questions", destination, target_port, dns_port, port);
    rule("answers", source, source_port, port, dns_port);
}

void add_redirects(std::uint16_t port, bool replace) {
    linux_::NetlinkSocket socket(NETLINK_NETFILTER);
    NftBatch batch("hull-names", NFPROTO_IPV4);
    if (replace) {
        batch.add_table();  // so that the deletion always finds one
        batch.delete_table();
    }
    batch.add_table();
    constexpr std::int32_t before_all = -300;
    batch.add_chain({"output", "filter", NF_INET_LOCAL_OUT, before_all});
    redirect_port(batch, {IPPROTO_UDP, 6}, port);
    redirect_port(batch, {IPPROTO_TCP, 16}, port);
    batch.commit(socket);
}

Path pid_path(const NameServerOptions& options) { return join(options.directory, "names.pid"); }

}  // namespace

std::vector<IpAddress> parse_name_servers(std::string_view resolv_conf) {
    std::vector<IpAddress> servers;
    for (const std::string& line : split(resolv_conf, '\n')) {
        std::istringstream words(line);
        std::string keyword, address;
        if (!(words >> keyword >> address) || keyword != "nameserver") continue;
        if (const auto server = IpAddress::parse(address)) servers.push_back(*server);
    }
    return servers;
}

NameServer::NameServer(NameServerOptions options)
    : options_(std::move(options)), changed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!is_there()) return;
    std::istringstream text(find_file(pid_path(options_)).value_or(""));
    Identity identity;
    while (text >> identity.first >> identity.second) predecessors_.push_back(identity);
}

bool NameServer::host_is_local() const {
    const auto servers = parse_name_servers(find_file(options_.resolv_conf).value_or(""));
    return !servers.empty() &&
           std::all_of(servers.begin(), servers.end(),
                       [](const IpAddress& server) { return server.is_loopback(); });
}

NameServer::~NameServer() {
    stop_.request();
    if (watcher_.joinable()) watcher_.join();
    control_ = {};
    constexpr int goodbye_ms = 1000;
    // Without containers it ends now, otherwise with the next daemon.
    if (process_ && sockets_.empty())
        process_->wait_for(goodbye_ms);
    else if (process_)
        process_->release();
    if (sockets_.empty() && is_there()) ::unlink(pid_path(options_).c_str());
}

NameServer::Sockets NameServer::open_sockets(const Namespace& target, std::uint16_t& port) {
    constexpr int most_tries = 16, backlog = 16;
    const linux_::NamespaceVisit visit(target.fd.get(), CLONE_NEWNET);
    const bool has_rules = port != 0;
    for (int i = 0; i < most_tries; ++i) {
        const std::uint16_t wanted = port;
        Sockets sockets;
        sockets.udp = bind_resolver(SOCK_DGRAM, port);
        sockets.tcp = bind_resolver(SOCK_STREAM, port);
        if (!sockets.udp || !sockets.tcp) {
            port = 0;  // the container has it by now
            continue;
        }
        if (::listen(sockets.tcp.get(), backlog) != 0) throw_errno(errno, "listen");
        // Rules that lead there already stay: replacing them costs an RCU grace period.
        if (wanted == 0) add_redirects(port, has_rules);
        return sockets;
    }
    throw Error(ErrorKind::unavailable, "no port for the name server is free in the container");
}

// ---------------------------------------------------------------- the process

void NameServer::start() {
    if (process_) return;
    const Path room = join(options_.directory, "names");
    sys::mkdir_all(room, 0555);
    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    constexpr timeval patience{2, 0};  // it is never busy for long
    ::setsockopt(pair.first.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    Command command;
    command.arguments = {options_.program, "--directory", room, "--uid",
                         std::to_string(options_.uid)};
    command.descriptors.push_back({pair.second.get(), 3});
    command.environment.emplace();
    command.new_session = true;
    process_.emplace(Process::spawn(command));
    control_ = std::move(pair.first);
    write_processes();
    servers_ = parse_name_servers(find_file(options_.resolv_conf).value_or(""));
    send_servers();
    for (const auto& [id, record] : records_)
        send(json::Object{{"order", "set"}, {"record", names::to_json(record)}});
    for (const auto& [id, sockets] : sockets_)
        send(json::Object{{"order", "attach"}, {"container", id}}, &sockets);
    ::eventfd_write(changed_.get(), 1);
    if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
}

void NameServer::send_servers() {
    json::Array list;
    for (const IpAddress& server : servers_) list.push_back(server.text());
    send(json::Object{{"order", "servers"}, {"servers", std::move(list)}});
}

void NameServer::send(const json::Value& message, const Sockets* sockets) {
    if (!control_) return;
    try {
        if (!sockets) return sys::send_with_fds(control_.get(), json::dump(message), {});
        const std::array<int, 2> pair{sockets->udp.get(), sockets->tcp.get()};
        sys::send_with_fds(control_.get(), json::dump(message), pair);
    } catch (const Error& error) {
        // The watcher starts another one, which is told everything.
        log::warning("hull-names does not listen: {}", error.message());
        process_->signal(SIGKILL);
    }
}

void NameServer::set(const names::Record& record) {
    std::lock_guard lock(mutex_);
    records_[record.container_id] = record;
    start();
    send(json::Object{{"order", "set"}, {"record", names::to_json(record)}});
}

std::uint16_t NameServer::attach(const std::string& container_id, const Namespace& target,
                                 std::uint16_t port) {
    Sockets sockets = open_sockets(target, port);
    std::lock_guard lock(mutex_);
    start();
    send(json::Object{{"order", "attach"}, {"container", container_id}}, &sockets);
    sockets_[container_id] = std::move(sockets);
    return port;
}

bool NameServer::is_attached(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    return sockets_.contains(container_id);
}

void NameServer::remove(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    const bool was_known = records_.erase(container_id) != 0;
    if (sockets_.erase(container_id) != 0 || was_known)
        send(json::Object{{"order", "remove"}, {"container", container_id}});
}

/// Those of earlier daemons stay in the file until they have ended: a kill in between loses none.
void NameServer::write_processes() {
    std::string text;
    for (const auto& [pid, start_time] : predecessors_)
        text += fmt::format("{} {}\n", pid, start_time);
    if (process_)
        text +=
            fmt::format("{} {}\n", process_->pid(), find_start_time(process_->pid()).value_or(0));
    if (text.empty())
        sys::unlink(pid_path(options_));
    else
        replace_file(pid_path(options_), text);
}

void NameServer::end_predecessors() {
    std::lock_guard lock(mutex_);
    if (predecessors_.empty()) return;
    for (const auto& [pid, start_time] : predecessors_) {
        const Fd pidfd = find_pidfd(pid);
        if (pidfd && find_start_time(pid) == start_time) ::kill(pid, SIGKILL);
    }
    predecessors_.clear();
    write_processes();
}

// ---------------------------------------------------------------- watching

/// The directory entry, so that a new file is seen, and the file, which may be mounted there.
void NameServer::watch_files(int notifier) {
    const Path& file = options_.resolv_conf;
    ::inotify_add_watch(notifier, file.c_str(), IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB);
    ::inotify_add_watch(notifier, file.substr(0, file.rfind('/')).c_str(),
                        IN_CREATE | IN_MOVED_TO | IN_DELETE);
    std::array<char, 4096> target;
    const ssize_t size = ::readlink(file.c_str(), target.data(), target.size());
    if (size <= 0) return;
    Path real(target.data(), static_cast<std::size_t>(size));
    if (!real.starts_with('/')) real = join(file.substr(0, file.rfind('/')), real);
    ::inotify_add_watch(notifier, real.substr(0, real.rfind('/')).c_str(),
                        IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE);
}

void NameServer::watch() {
    try {
        const Fd notifier(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        watch_files(notifier.get());
        for (;;) {
            int pidfd = -1;
            {
                std::lock_guard lock(mutex_);
                if (process_) pidfd = process_->pidfd();
            }
            pollfd waits[] = {{stop_.fd(), POLLIN, 0},
                              {changed_.get(), POLLIN, 0},
                              {notifier.get(), POLLIN, 0},
                              {pidfd, POLLIN, 0}};
            if (::poll(waits, std::size(waits), -1) < 0 && errno != EINTR)
                throw_errno(errno, "poll");
            if (waits[0].revents) return;
            eventfd_t count = 0;
            ::eventfd_read(changed_.get(), &count);
            if (waits[2].revents) {
                std::array<char, 4096> events;
                while (::read(notifier.get(), events.data(), events.size()) > 0) {
                }
                watch_files(notifier.get());
                auto servers = parse_name_servers(find_file(options_.resolv_conf).value_or(""));
                std::lock_guard lock(mutex_);
                if (servers != servers_ && !servers.empty()) {
                    servers_ = std::move(servers);
                    send_servers();
                }
            }
            if (!waits[3].revents) continue;
            std::lock_guard lock(mutex_);
            log::warning("hull-names has ended and is started again");
            process_->wait();
            process_.reset();
            control_ = {};
            constexpr int pause_ms = 100;  // should it end again and again
            ::poll(nullptr, 0, pause_ms);
            if (!records_.empty()) start();
        }
    } catch (const std::exception& error) {
        log::error("hull-names is not watched any more: {}", error.what());
    }
}

}  // namespace hull::network
