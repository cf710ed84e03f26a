#include "linux/netlink.hh"

#include "base/error.hh"

#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace hull::linux_ {

namespace {

constexpr std::size_t receive_bytes = 64UL << 10;

std::size_t aligned(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

/// Calls `take(header, payload)` for each message in a datagram, until it returns false.
template <typename Take>
void for_each_message(std::span<const std::byte> bytes, Take&& take) {
    while (bytes.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header;
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return;
        if (!take(header, bytes.subspan(sizeof header, header.nlmsg_len - sizeof header))) return;
        bytes = bytes.subspan(std::min(aligned(header.nlmsg_len), bytes.size()));
    }
}

/// The kernel's own words (extended acknowledgement), if it has some.
std::string extended_text(const nlmsghdr& header, std::span<const std::byte> payload) {
    if (!(header.nlmsg_flags & NLM_F_ACK_TLVS) || payload.size() < sizeof(nlmsgerr)) return "";
    nlmsgerr error;
    std::memcpy(&error, payload.data(), sizeof error);
    std::size_t skip = sizeof error;
    if (!(header.nlmsg_flags & NLM_F_CAPPED)) skip += error.msg.nlmsg_len - sizeof(nlmsghdr);
    if (skip > payload.size()) return "";
    std::string text;
    for_each_attribute(payload.subspan(aligned(skip)), [&](const NetlinkAttribute& attribute) {
        if (attribute.type == NLMSGERR_ATTR_MSG) text = attribute.text();
    });
    return text;
}

int error_of(std::span<const std::byte> payload) {
    int error = 0;
    if (payload.size() >= sizeof error) std::memcpy(&error, payload.data(), sizeof error);
    return -error;
}

[[noreturn]] void throw_refusal(const nlmsghdr& header, std::span<const std::byte> payload,
                                const std::string& what) {
    const std::string text = extended_text(header, payload);
    const int error = error_of(payload);
    if (text.empty()) throw_errno(error, std::string_view(what));
    throw_errno(error, "{}: {}", what, text);
}

}  // namespace

// ---------------------------------------------------------------- writing

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags, std::string what)
    : what_(std::move(what)) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    append(&header, sizeof header);
}

void NetlinkMessage::append(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize(aligned(bytes_.size()));
}

NetlinkMessage& NetlinkMessage::add(std::uint16_t attribute, std::span<const std::byte> value) {
    nlattr header{static_cast<std::uint16_t>(sizeof header + value.size()), attribute};
    append(&header, sizeof header);
    append(value.data(), value.size());
    return *this;
}

NetlinkMessage& NetlinkMessage::add_text(std::uint16_t attribute, std::string_view text) {
    const std::string terminated(text);
    return add(attribute, std::as_bytes(std::span(terminated.c_str(), terminated.size() + 1)));
}

NetlinkMessage& NetlinkMessage::add_big32(std::uint16_t attribute, std::uint32_t value) {
    return add_value(attribute, htobe32(value));
}

NetlinkMessage& NetlinkMessage::add_big64(std::uint16_t attribute, std::uint64_t value) {
    return add_value(attribute, htobe64(value));
}

std::size_t NetlinkMessage::begin_nest(std::uint16_t attribute) {
    const std::size_t start = bytes_.size();
    add(static_cast<std::uint16_t>(attribute | NLA_F_NESTED), {});
    return start;
}

void NetlinkMessage::end_nest(std::size_t start) {
    const auto length = static_cast<std::uint16_t>(bytes_.size() - start);
    std::memcpy(bytes_.data() + start, &length, sizeof length);
}

std::uint16_t NetlinkMessage::flags() const {
    std::uint16_t flags = 0;
    std::memcpy(&flags, bytes_.data() + offsetof(nlmsghdr, nlmsg_flags), sizeof flags);
    return flags;
}

void NetlinkMessage::set_flags(std::uint16_t flags) {
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_flags), &flags, sizeof flags);
}

const std::string& NetlinkMessage::finish(std::uint32_t sequence) {
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    return bytes_;
}

// ---------------------------------------------------------------- reading

std::string_view NetlinkAttribute::text() const {
    std::string_view all(reinterpret_cast<const char*>(value.data()), value.size());
    return all.substr(0, all.find('\0'));
}

void for_each_attribute(std::span<const std::byte> bytes,
                        const std::function<void(const NetlinkAttribute&)>& take) {
    while (bytes.size() >= sizeof(nlattr)) {
        nlattr header;
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > bytes.size()) return;
        take({static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
              bytes.subspan(sizeof header, header.nla_len - sizeof header)});
        bytes = bytes.subspan(std::min(aligned(header.nla_len), bytes.size()));
    }
}

std::span<const std::byte> NetlinkReply::attributes(std::size_t header_size) const {
    return payload.subspan(std::min(aligned(header_size), payload.size()));
}

// ---------------------------------------------------------------- the socket

NetlinkSocket::NetlinkSocket(int protocol)
    : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
    if (!socket_) throw_errno(errno, "netlink socket of family {}", protocol);
    const int on = 1;
    ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw_errno(errno, "binding a netlink socket");
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = address.nl_pid;
    buffer_.resize(receive_bytes);
}

void NetlinkSocket::send(const std::string& bytes) {
    // A message longer than the send buffer is refused; batches of thousands of elements are.
    const int size = static_cast<int>(bytes.size() + 64);
    if (size > 100'000) ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    ssize_t sent;
    do {
        sent = ::sendto(socket_.get(), bytes.data(), bytes.size(), 0,
                        reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) throw_errno(errno, "sending {} bytes to the kernel's network code", bytes.size());
}

bool NetlinkSocket::read(int flags) {
    ssize_t count;
    do {
        count = ::recv(socket_.get(), buffer_.data(), buffer_.size(), flags);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN) return false;
    if (count < 0) throw_errno(errno, "reading from the kernel's network code");
    filled_ = static_cast<std::size_t>(count);
    return true;
}

void NetlinkSocket::request(std::span<NetlinkMessage> messages) {
    if (messages.empty()) return;
    const std::uint32_t first = sequence_ + 1;
    std::string bytes;
    for (NetlinkMessage& message : messages) {
        message.set_flags(static_cast<std::uint16_t>(message.flags() | NLM_F_ACK));
        bytes += message.finish(++sequence_);
    }
    send(bytes);
    std::size_t answered = 0;
    std::optional<Error> failure;
    while (answered < messages.size()) {
        read(0);
        for_each_message(std::span(buffer_).first(filled_),
                         [&](const nlmsghdr& header, std::span<const std::byte> payload) {
            if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq < first) return true;
            ++answered;
            if (error_of(payload) == 0 || failure) return true;
            try {
                throw_refusal(header, payload, messages[header.nlmsg_seq - first].what());
            } catch (Error& error) {
                failure = std::move(error);
            }
            return true;
        });
    }
    if (failure) throw std::move(*failure);
}

void NetlinkSocket::request_batch(std::span<NetlinkMessage> messages) {
    if (messages.empty()) return;
    const nfgenmsg of_tables{AF_UNSPEC, NFNETLINK_V0, htobe16(NFNL_SUBSYS_NFTABLES)};
    NetlinkMessage begin(NFNL_MSG_BATCH_BEGIN, 0, "batch"), end(NFNL_MSG_BATCH_END, 0, "batch");
    begin.header(of_tables);
    end.header(of_tables);
    std::string bytes = begin.finish(++sequence_);
    const std::uint32_t first = sequence_ + 1;
    messages.back().set_flags(static_cast<std::uint16_t>(messages.back().flags() | NLM_F_ACK));
    for (NetlinkMessage& message : messages) bytes += message.finish(++sequence_);
    const std::uint32_t last = sequence_;
    bytes += end.finish(++sequence_);
    send(bytes);

    // All answers are queued before sendto returns: the first failure, or the last message's ack.
    std::optional<Error> failure;
    bool done = false;
    while (!done && read(MSG_DONTWAIT)) {
        for_each_message(std::span(buffer_).first(filled_),
                         [&](const nlmsghdr& header, std::span<const std::byte> payload) {
            if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq + 1 < first) return true;
            if (error_of(payload) != 0 && !failure) {
                const std::uint32_t index = header.nlmsg_seq - first;
                try {
                    throw_refusal(
                        header, payload,
                        index < messages.size() ? messages[index].what() : "changing the firewall");
                } catch (Error& error) {
                    failure = std::move(error);
                }
            }
            if (header.nlmsg_seq == last) done = true;
            return true;
        });
    }
    while (read(MSG_DONTWAIT)) {
    }
    if (failure) throw std::move(*failure);
    if (!done) throw Error(ErrorKind::internal, "changing the firewall: the kernel did not answer");
}

void NetlinkSocket::dump(NetlinkMessage message,
                         const std::function<void(const NetlinkReply&)>& take) {
    message.set_flags(static_cast<std::uint16_t>(message.flags() | NLM_F_DUMP));
    get(std::move(message), take);
}

void NetlinkSocket::get(NetlinkMessage message,
                        const std::function<void(const NetlinkReply&)>& take) {
    const bool is_dump = (message.flags() & NLM_F_DUMP) == NLM_F_DUMP;
    const std::uint32_t sequence = ++sequence_;
    if (!is_dump) message.set_flags(static_cast<std::uint16_t>(message.flags() | NLM_F_ACK));
    send(message.finish(sequence));
    for (bool done = false; !done;) {
        read(0);
        for_each_message(std::span(buffer_).first(filled_),
                         [&](const nlmsghdr& header, std::span<const std::byte> payload) {
            if (header.nlmsg_seq != sequence) return true;
            if (header.nlmsg_type == NLMSG_DONE) {
                done = true;
            } else if (header.nlmsg_type == NLMSG_ERROR) {
                if (error_of(payload) != 0) throw_refusal(header, payload, message.what());
                done = true;
            } else {
                take({header.nlmsg_type, header.nlmsg_pid, payload});
            }
            return !done;
        });
    }
}

void NetlinkSocket::join_group(int group) {
    if (::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        throw_errno(errno, "joining netlink group {}", group);
}

bool NetlinkSocket::receive(const std::function<void(const NetlinkReply&)>& take) {
    try {
        while (read(MSG_DONTWAIT))
            for_each_message(std::span(buffer_).first(filled_),
                             [&](const nlmsghdr& header, std::span<const std::byte> payload) {
                take({header.nlmsg_type, header.nlmsg_pid, payload});
                return true;
            });
    } catch (const Error& error) {
        if (error.error_number() != ENOBUFS) throw;
        return false;
    }
    return true;
}

}  // namespace hull::linux_
