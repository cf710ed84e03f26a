#include "linux/dbus.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

namespace hull::linux_ {
namespace {

static_assert(std::endian::native == std::endian::little, "messages are written as numbers lie");

constexpr std::size_t fixed_header = 16, longest_message = 1U << 20;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr int authentication_ms = 10'000;

/// Codes of header fields.
enum Field : std::uint8_t {
    field_path = 1,
    field_interface = 2,
    field_member = 3,
    field_error_name = 4,
    field_reply_serial = 5,
    field_destination = 6,
    field_signature = 8,
};

std::size_t padded(std::size_t size) { return (size + 7) / 8 * 8; }

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

void add_field(DBusWriter& writer, Field code, std::string_view type, const std::string& value) {
    if (value.empty()) return;
    writer.begin_struct();
    writer.add_byte(code);
    writer.add_signature(type);
    if (type == "g")
        writer.add_signature(value);
    else
        writer.add_string(value);
}

[[noreturn]] void throw_malformed(std::string_view why) {
    throw Error(ErrorKind::data_loss, "a D-Bus message is malformed: {}", why);
}

int remaining_ms(std::int64_t deadline_ns) {
    const std::int64_t left = deadline_ns - monotonic_ns();
    return left <= 0 ? 0 : static_cast<int>((left + ns_per_ms - 1) / ns_per_ms);
}

std::string read_line(int socket) {
    std::string line;
    const std::int64_t deadline_ns = monotonic_ns() + authentication_ms * ns_per_ms;
    while (!line.ends_with("\r\n") && line.size() < 4096) {
        if (!sys::poll_one(socket, POLLIN, remaining_ms(deadline_ns)))
            throw Error(ErrorKind::unavailable, "no answer to D-Bus authentication within {} ms",
                        authentication_ms);
        char letter = 0;
        if (sys::read(socket, std::as_writable_bytes(std::span(&letter, 1))) == 0)
            throw Error(ErrorKind::unavailable, "the D-Bus peer hung up on us");
        line += letter;
    }
    return line;
}

}  // namespace

void DBusWriter::align(std::size_t alignment) {
    while (bytes_.size() % alignment) bytes_ += '\0';
}

void DBusWriter::put(std::size_t at, std::uint32_t value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
}

void DBusWriter::add_u32(std::uint32_t value) {
    align(4);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void DBusWriter::add_u64(std::uint64_t value) {
    align(8);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void DBusWriter::add_string(std::string_view value) {
    add_u32(static_cast<std::uint32_t>(value.size()));
    bytes_ += value;
    bytes_ += '\0';
}

void DBusWriter::add_signature(std::string_view value) {
    add_byte(static_cast<std::uint8_t>(value.size()));
    bytes_ += value;
    bytes_ += '\0';
}

DBusWriter::Array DBusWriter::begin_array(std::size_t alignment) {
    add_u32(0);
    const std::size_t length_at = bytes_.size() - 4;
    align(alignment);  // the padding is not part of the array's length
    return {length_at, bytes_.size()};
}

void DBusWriter::end_array(Array array) {
    put(array.length_at, static_cast<std::uint32_t>(bytes_.size() - array.begin));
}

std::string_view DBusReader::take(std::size_t count) {
    if (count > bytes_.size() - at_) throw_malformed("it ends too early");
    at_ += count;
    return bytes_.substr(at_ - count, count);
}

void DBusReader::align(std::size_t alignment) { take((alignment - at_ % alignment) % alignment); }

std::uint8_t DBusReader::read_byte() { return static_cast<std::uint8_t>(take(1)[0]); }

std::uint32_t DBusReader::read_u32() {
    align(4);
    return number_at(take(4), 0);
}

std::string DBusReader::read_string() {
    const std::uint32_t size = read_u32();
    std::string text(take(size));
    take(1);
    return text;
}

std::string DBusReader::read_signature() {
    const std::uint8_t size = read_byte();
    std::string text(take(size));
    take(1);
    return text;
}

std::string encode_dbus_call(const DBusCall& call, std::uint32_t serial) {
    DBusWriter writer;
    writer.add_byte('l');
    writer.add_byte(static_cast<std::uint8_t>(DBusMessage::Type::call));
    writer.add_byte(0);
    writer.add_byte(1);  // protocol version
    writer.add_u32(static_cast<std::uint32_t>(call.body.size()));
    writer.add_u32(serial);
    const DBusWriter::Array fields = writer.begin_array(8);
    add_field(writer, field_path, "o", call.path);
    add_field(writer, field_destination, "s", call.destination);
    add_field(writer, field_interface, "s", call.interface);
    add_field(writer, field_member, "s", call.member);
    add_field(writer, field_signature, "g", call.signature);
    writer.end_array(fields);
    writer.align(8);
    return writer.bytes() + call.body;
}

DBusMessage parse_dbus_message(std::string_view bytes) {
    if (bytes.size() < fixed_header) throw_malformed("it has no header");
    if (bytes[0] != 'l') throw_malformed("it is big-endian");
    DBusMessage message;
    message.type = static_cast<DBusMessage::Type>(bytes[1]);
    const std::size_t body_size = number_at(bytes, 4);
    message.serial = number_at(bytes, 8);
    const std::size_t fields_end = fixed_header + number_at(bytes, 12);
    if (bytes.size() != padded(fields_end) + body_size) throw_malformed("its length is wrong");
    DBusReader reader(bytes.substr(0, fields_end));
    for (int i = 0; i < 4; ++i) reader.read_u32();  // the fixed part
    while (reader.position() < fields_end) {
        reader.align(8);
        const std::uint8_t code = reader.read_byte();
        const std::string type = reader.read_signature();
        const std::uint32_t number = type == "u" ? reader.read_u32() : 0;
        const std::string text = type == "s" || type == "o" ? reader.read_string()
                                 : type == "g"              ? reader.read_signature()
                                                            : "";
        if (code == field_reply_serial) message.reply_serial = number;
        if (code == field_member) message.member = text;
        if (code == field_error_name) message.error_name = text;
        if (code == field_signature) message.signature = text;
    }
    message.body = bytes.substr(padded(fields_end));
    return message;
}

DBusConnection DBusConnection::open(const Path& socket_path) {
    Fd socket = sys::connect_unix(socket_path, SOCK_STREAM);
    std::string hello("\0AUTH EXTERNAL ", 15);
    for (const char digit : std::to_string(::geteuid()))
        hello += fmt::format("{:02x}", static_cast<unsigned>(digit));
    sys::write_all(socket.get(), hello + "\r\n");
    if (const std::string answer = read_line(socket.get()); !answer.starts_with("OK "))
        throw Error(ErrorKind::forbidden, "{} refuses us: {}", socket_path,
                    answer.substr(0, answer.find('\r')));
    sys::write_all(socket.get(), "BEGIN\r\n");
    return DBusConnection(std::move(socket));
}

void DBusConnection::read_exactly(std::string& bytes, std::size_t size, std::int64_t deadline_ns) {
    while (bytes.size() < size) {
        if (!sys::poll_one(socket_.get(), POLLIN, remaining_ms(deadline_ns)))
            throw Error(ErrorKind::unavailable, "no D-Bus answer in time");
        std::array<char, 4096> buffer;
        const std::size_t wanted = std::min(buffer.size(), size - bytes.size());
        const std::size_t count =
            sys::read(socket_.get(), std::as_writable_bytes(std::span(buffer.data(), wanted)));
        if (count == 0) throw Error(ErrorKind::unavailable, "the D-Bus peer hung up on us");
        bytes.append(buffer.data(), count);
    }
}

DBusMessage DBusConnection::receive(std::int64_t deadline_ns) {
    std::string bytes;
    read_exactly(bytes, fixed_header, deadline_ns);
    const std::size_t fields = number_at(bytes, 12), body = number_at(bytes, 4);
    if (fields > longest_message || body > longest_message) throw_malformed("it is too long");
    read_exactly(bytes, padded(fixed_header + fields) + body, deadline_ns);
    return parse_dbus_message(bytes);
}

DBusMessage DBusConnection::call(const DBusCall& call, int timeout_ms) {
    const std::int64_t deadline_ns = monotonic_ns() + timeout_ms * ns_per_ms;
    const std::uint32_t serial = ++serial_;
    sys::write_all(socket_.get(), encode_dbus_call(call, serial));
    for (;;) {
        DBusMessage message = receive(deadline_ns);
        if (message.type == DBusMessage::Type::signal)
            signals_.push_back(std::move(message));
        else if (message.reply_serial != serial)
            continue;
        else if (message.type == DBusMessage::Type::reply)
            return message;
        else
            throw Error(message.error_name.ends_with(".UnitExists") ? ErrorKind::conflict
                                                                    : ErrorKind::internal,
                        "{}: {}", call.member,
                        message.signature.starts_with('s') ? DBusReader(message.body).read_string()
                                                           : message.error_name);
    }
}

DBusMessage DBusConnection::next_signal(std::string_view member, int timeout_ms) {
    const std::int64_t deadline_ns = monotonic_ns() + timeout_ms * ns_per_ms;
    for (;;) {
        DBusMessage message;
        if (signals_.empty()) {
            message = receive(deadline_ns);
        } else {
            message = std::move(signals_.front());
            signals_.pop_front();
        }
        if (message.type == DBusMessage::Type::signal && message.member == member) return message;
    }
}

}  // namespace hull::linux_
