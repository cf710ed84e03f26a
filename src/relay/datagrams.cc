#include "relay/datagrams.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace hull::relay {

namespace {

constexpr std::size_t most_flows = 1024;  ///< of one port
constexpr int most_rounds = 64;           ///< before others have their turn

std::vector<char>& buffer() {
    static std::vector<char> shared(65536);
    return shared;
}

/// The part of what came with a datagram that says where it was sent to, as sendmsg takes it.
std::string reply_control(msghdr& message) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        const bool is_v6 = header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO;
        const bool is_v4 = header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO;
        if (!is_v6 && !is_v4) continue;
        const std::size_t size = is_v6 ? sizeof(in6_pktinfo) : sizeof(in_pktinfo);
        std::string control(CMSG_SPACE(size), '\0');
        std::memcpy(control.data(), header, CMSG_LEN(size));
        unsigned char* data = CMSG_DATA(reinterpret_cast<cmsghdr*>(control.data()));
        if (is_v4) {
            // What was asked is where the answer comes from; the route is the kernel's to find.
            in_pktinfo info;
            std::memcpy(&info, data, sizeof info);
            info.ipi_spec_dst = info.ipi_addr;
            info.ipi_ifindex = 0;
            std::memcpy(data, &info, sizeof info);
        } else {
            in6_pktinfo info;
            std::memcpy(&info, data, sizeof info);
            if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
            std::memcpy(data, &info, sizeof info);
        }
        return control;
    }
    return {};
}

}  // namespace

Datagrams::Datagrams(Loop& loop, Fd socket, const Target& target)
    : loop_(loop), socket_(std::move(socket)), target_(target) {
    const int on = 1;
    // One of the two is of the socket's family.
    ::setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    ::setsockopt(socket_.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    watch_ = loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t) { read_clients(); });
}

Datagrams::~Datagrams() {
    loop_.forget(watch_, socket_.get());
    while (!flows_.empty()) drop(flows_.begin());
}

void Datagrams::drop(Flows::iterator flow) {
    loop_.forget(flow->second.watch, flow->second.socket.get());
    flows_.erase(flow);
}

void Datagrams::forget_idle(std::int64_t before_ns) {
    for (auto at = flows_.begin(); at != flows_.end();) {
        const auto flow = at++;
        if (flow->second.used_ns < before_ns) drop(flow);
    }
}

/// Made when there is none; null when that is not possible: datagrams may be lost.
Datagrams::Flow* Datagrams::find_flow(const std::string& key, const SocketAddress& client,
                                      const std::string& control) {
    if (auto found = flows_.find(key); found != flows_.end()) return &found->second;
    if (flows_.size() >= most_flows) {
        auto oldest = flows_.begin();
        for (auto at = flows_.begin(); at != flows_.end(); ++at)
            if (at->second.used_ns < oldest->second.used_ns) oldest = at;
        drop(oldest);
    }
    Fd socket(::socket(target_.address.is_v6() ? AF_INET6 : AF_INET,
                       SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const SocketAddress address = SocketAddress::of(target_.address, target_.port);
    if (!socket || ::connect(socket.get(), address.get(), address.size) != 0) return nullptr;
    Flow flow;
    flow.watch =
        loop_.watch(socket.get(), EPOLLIN, [this, key](std::uint32_t) { read_container(key); });
    flow.socket = std::move(socket);
    flow.client = client;
    flow.control = control;
    return &flows_.emplace(key, std::move(flow)).first->second;
}

void Datagrams::read_clients() {
    for (int round = 0; round < most_rounds; ++round) {
        SocketAddress client;
        alignas(cmsghdr) std::array<char, 256> control;
        iovec part{buffer().data(), buffer().size()};
        msghdr message{};
        message.msg_name = client.get();
        message.msg_namelen = client.size;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t count = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
        if (count < 0) return;
        client.size = message.msg_namelen;
        const std::string back = reply_control(message);
        const std::string key =
            std::string(reinterpret_cast<const char*>(&client.storage), client.size) + back;
        Flow* flow = find_flow(key, client, back);
        if (!flow) continue;
        flow->used_ns = monotonic_ns();
        ::send(flow->socket.get(), buffer().data(), static_cast<std::size_t>(count),
               MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

void Datagrams::read_container(const std::string& key) {
    const auto found = flows_.find(key);
    if (found == flows_.end()) return;
    Flow& flow = found->second;
    for (int round = 0; round < most_rounds; ++round) {
        const ssize_t count =
            ::recv(flow.socket.get(), buffer().data(), buffer().size(), MSG_DONTWAIT);
        if (count < 0) return;  // also "nobody listens there": the client may ask again
        flow.used_ns = monotonic_ns();
        iovec part{buffer().data(), static_cast<std::size_t>(count)};
        msghdr message{};
        message.msg_name = flow.client.get();
        message.msg_namelen = flow.client.size;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (!flow.control.empty()) {
            message.msg_control = flow.control.data();
            message.msg_controllen = flow.control.size();
        }
        ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

}  // namespace hull::relay
