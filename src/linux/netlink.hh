#pragma once
#include "base/fd.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hull::linux_ {

/// One netlink message being written: header, a fixed struct, attributes. Source: netlink(7).
class NetlinkMessage {
public:
    /// `what` says in an error what was to be done: "making bridge hull0".
    NetlinkMessage(std::uint16_t type, std::uint16_t flags, std::string what);

    /// The family's fixed header (ifinfomsg, ifaddrmsg, nfgenmsg, ...).
    template <typename T>
    NetlinkMessage& header(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        append(&value, sizeof value);
        return *this;
    }
    NetlinkMessage& add(std::uint16_t attribute, std::span<const std::byte> value);
    NetlinkMessage& add_text(std::uint16_t attribute, std::string_view text);  ///< with its NUL
    template <typename T>
    NetlinkMessage& add_value(std::uint16_t attribute, T value) {  ///< in host byte order
        static_assert(std::is_arithmetic_v<T>);
        return add(attribute, std::as_bytes(std::span(&value, 1)));
    }
    NetlinkMessage& add_big32(std::uint16_t attribute, std::uint32_t value);
    NetlinkMessage& add_big64(std::uint16_t attribute, std::uint64_t value);
    /// Attributes written by `body` become the content of `attribute`.
    template <typename Body>
    NetlinkMessage& nest(std::uint16_t attribute, Body&& body) {
        const std::size_t start = begin_nest(attribute);
        body();
        end_nest(start);
        return *this;
    }

    const std::string& what() const { return what_; }
    std::uint16_t flags() const;
    void set_flags(std::uint16_t flags);
    /// The bytes to send, with their length filled in.
    const std::string& finish(std::uint32_t sequence);

private:
    void append(const void* data, std::size_t size);
    std::size_t begin_nest(std::uint16_t attribute);
    void end_nest(std::size_t start);

    std::string bytes_, what_;
};

/// An attribute of a received message.
struct NetlinkAttribute {
    std::uint16_t type = 0;
    std::span<const std::byte> value;

    std::string_view text() const;  ///< up to the NUL
    template <typename T>
    T get() const {  ///< 0 when shorter than T
        T result{};
        if (value.size() >= sizeof result) __builtin_memcpy(&result, value.data(), sizeof result);
        return result;
    }
};

/// Calls `take` for every attribute in `bytes`; malformed ones end it.
void for_each_attribute(std::span<const std::byte> bytes,
                        const std::function<void(const NetlinkAttribute&)>& take);

/// A message of a dump or of a group.
struct NetlinkReply {
    std::uint16_t type = 0;
    std::uint32_t port = 0;              ///< who caused it
    std::span<const std::byte> payload;  ///< fixed struct and attributes
    template <typename T>
    T header() const {
        T result{};
        if (payload.size() >= sizeof result)
            __builtin_memcpy(&result, payload.data(), sizeof result);
        return result;
    }
    /// Attributes after a fixed struct of `header_size` bytes.
    std::span<const std::byte> attributes(std::size_t header_size) const;
};

/// A socket to one kernel family, in the network namespace that its maker was in. Not thread-safe.
class NetlinkSocket {
public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
    explicit NetlinkSocket(int protocol);

    /// Sends all messages with one system call and waits for all acknowledgements; throws the
    /// first failure: "WHAT: File exists". Later messages have been tried all the same.
    void request(std::span<NetlinkMessage> messages);
    void request(NetlinkMessage message) { request(std::span(&message, 1)); }
    /// As request, but the messages between BATCH_BEGIN and BATCH_END (nfnetlink) happen together
    /// or not at all.
    void request_batch(std::span<NetlinkMessage> messages);
    /// Calls `take` for every object the kernel lists.
    void dump(NetlinkMessage message, const std::function<void(const NetlinkReply&)>& take);
    /// One object, or an Error of its errno.
    void get(NetlinkMessage message, const std::function<void(const NetlinkReply&)>& take);

    void join_group(int group);
    /// Reads what a group has sent; false when the kernel had to drop some of it.
    bool receive(const std::function<void(const NetlinkReply&)>& take);

    int fd() const { return socket_.get(); }
    std::uint32_t port() const { return port_; }  ///< `NetlinkReply::port` of our own doing

private:
    void send(const std::string& bytes);
    bool read(int flags);  ///< false: nothing there

    Fd socket_;
    std::uint32_t port_ = 0, sequence_ = 0;
    std::vector<std::byte> buffer_;
    std::size_t filled_ = 0;
};

}  // namespace hull::linux_
