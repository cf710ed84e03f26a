#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

/// As much of D-Bus as it takes to ask systemd for something: method calls, their answers, and
/// signals, over a unix socket. Source: D-Bus Specification 0.41, "Message Protocol".
namespace hull::linux_ {

/// Marshals the body of a message, little-endian. Values are written in the order of the signature;
/// alignment is taken care of.
class DBusWriter {
public:
    void add_byte(std::uint8_t value) { bytes_ += static_cast<char>(value); }
    void add_u32(std::uint32_t value);
    void add_u64(std::uint64_t value);
    void add_bool(bool value) { add_u32(value ? 1 : 0); }
    void add_string(std::string_view value);  ///< also object paths
    void add_signature(std::string_view value);
    void begin_struct() { align(8); }
    /// Everything until `end_array` of the result is the array. `alignment` is that of an element:
    /// 1 for bytes, 4 for strings and u32, 8 for structs and u64.
    struct Array {
        std::size_t length_at, begin;
    };
    Array begin_array(std::size_t alignment);
    void end_array(Array array);
    void align(std::size_t alignment);
    const std::string& bytes() const { return bytes_; }

private:
    void put(std::size_t at, std::uint32_t value);
    std::string bytes_;
};

/// Reads what DBusWriter writes. Throws data_loss past the end.
class DBusReader {
public:
    explicit DBusReader(std::string_view bytes) : bytes_(bytes) {}
    std::uint8_t read_byte();
    std::uint32_t read_u32();
    std::string read_string();  ///< also object paths
    std::string read_signature();
    void align(std::size_t alignment);
    std::size_t position() const { return at_; }

private:
    std::string_view take(std::size_t count);
    std::string_view bytes_;
    std::size_t at_ = 0;
};

struct DBusCall {
    std::string destination, path, interface, member;
    std::string signature, body;  ///< both empty without arguments
};

struct DBusMessage {
    enum class Type : std::uint8_t { call = 1, reply = 2, error = 3, signal = 4 };
    Type type = Type::call;
    std::uint32_t serial = 0, reply_serial = 0;
    std::string member, error_name, signature, body;
};

/// The whole of a method call, header included; `serial` is not 0.
std::string encode_dbus_call(const DBusCall& call, std::uint32_t serial);
/// `bytes` is exactly one message. Throws data_loss when it is none.
DBusMessage parse_dbus_message(std::string_view bytes);

/// A connection that has authenticated as our uid.
class DBusConnection {
public:
    /// Throws unavailable, or what connect(2) says (ENOENT: nobody listens at `socket_path`).
    static DBusConnection open(const Path& socket_path);

    /// Sends the call and waits at most `timeout_ms` for its answer. Signals that come meanwhile
    /// are kept for `next_signal`. Throws unavailable at the deadline and internal, with the peer's
    /// text, when it answers with an error.
    DBusMessage call(const DBusCall& call, int timeout_ms);
    /// The next signal named `member`; others are dropped. Throws unavailable at the deadline.
    DBusMessage next_signal(std::string_view member, int timeout_ms);

private:
    explicit DBusConnection(Fd socket) : socket_(std::move(socket)) {}
    DBusMessage receive(std::int64_t deadline_ns);
    void read_exactly(std::string& bytes, std::size_t size, std::int64_t deadline_ns);

    Fd socket_;
    std::uint32_t serial_ = 0;
    std::deque<DBusMessage> signals_;
};

}  // namespace hull::linux_
