#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace hull::buildkit {

/// One field of a protobuf message. Source: protobuf.dev/programming-guides/encoding.
struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0;  ///< of a varint or a fixed number
    std::string_view bytes;   ///< of a string, bytes or message; points into what is read
    bool is_bytes = false;

    std::int64_t as_int() const { return static_cast<std::int64_t>(value); }
    bool as_bool() const { return value != 0; }
    std::string as_string() const { return std::string(bytes); }
};

/// Reads the fields of a message in order. Throws invalid_argument for what is none.
class MessageReader {
public:
    explicit MessageReader(std::string_view bytes) : rest_(bytes) {}
    /// False at the end.
    bool next(Field& field);

private:
    std::uint64_t read_varint();
    std::string_view take(std::uint64_t size);

    std::string_view rest_;
};

/// One entry of a map<string, string> (or bytes) field.
void read_map_entry(std::string_view entry, std::map<std::string, std::string>& map);

/// Writes a message. Zeros and empty strings are left away, as they are the same as none.
class MessageWriter {
public:
    MessageWriter& number(std::uint32_t field, std::uint64_t value);
    MessageWriter& text(std::uint32_t field, std::string_view value);
    /// Also when it is empty: an empty message is not none.
    MessageWriter& message(std::uint32_t field, std::string_view value);
    MessageWriter& message(std::uint32_t field, const MessageWriter& value) {
        return message(field, value.bytes());
    }
    MessageWriter& map(std::uint32_t field, const std::map<std::string, std::string>& values);
    /// A google.protobuf.Timestamp; none for 0.
    MessageWriter& time(std::uint32_t field, std::int64_t ns);

    const std::string& bytes() const { return bytes_; }
    bool empty() const { return bytes_.empty(); }

private:
    void varint(std::uint64_t value);

    std::string bytes_;
};

}  // namespace hull::buildkit
