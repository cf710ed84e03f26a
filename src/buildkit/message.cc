#include "buildkit/message.hh"

#include "base/error.hh"

namespace hull::buildkit {

namespace {

enum WireType : std::uint32_t {
    varint_type = 0,
    fixed64_type = 1,
    bytes_type = 2,
    fixed32_type = 5
};

[[noreturn]] void refuse(const char* why) {
    throw Error(ErrorKind::invalid_argument, "a message cannot be read: {}", why);
}

std::uint64_t read_fixed(std::string_view bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}

}  // namespace

std::uint64_t MessageReader::read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (rest_.empty()) refuse("it ends in a number");
        const auto byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if (!(byte & 0x80)) return value;
    }
    refuse("a number is too long");
}

std::string_view MessageReader::take(std::uint64_t size) {
    if (size > rest_.size()) refuse("it ends in a field");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

bool MessageReader::next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t key = read_varint();
    if (key >> 3 == 0 || key >> 32 != 0) refuse("a field has no number");
    field = {};
    field.number = static_cast<std::uint32_t>(key >> 3);
    switch (key & 7) {
        case varint_type: field.value = read_varint(); break;
        case fixed64_type: field.value = read_fixed(take(8)); break;
        case fixed32_type: field.value = read_fixed(take(4)); break;
        case bytes_type:
            field.bytes = take(read_varint());
            field.is_bytes = true;
            break;
        default: refuse("a field is of no known type");
    }
    return true;
}

void read_map_entry(std::string_view entry, std::map<std::string, std::string>& map) {
    MessageReader reader(entry);
    std::string key, value;
    for (Field field; reader.next(field);) {
        if (field.number == 1) key = field.bytes;
        if (field.number == 2) value = field.bytes;
    }
    map[key] = value;
}

void MessageWriter::varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
}

MessageWriter& MessageWriter::number(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return *this;
    varint(std::uint64_t{field} << 3 | varint_type);
    varint(value);
    return *this;
}

MessageWriter& MessageWriter::text(std::uint32_t field, std::string_view value) {
    return value.empty() ? *this : message(field, value);
}

MessageWriter& MessageWriter::message(std::uint32_t field, std::string_view value) {
    varint(std::uint64_t{field} << 3 | bytes_type);
    varint(value.size());
    bytes_ += value;
    return *this;
}

MessageWriter& MessageWriter::map(std::uint32_t field,
                                  const std::map<std::string, std::string>& values) {
    for (const auto& [key, value] : values)
        message(field, MessageWriter().text(1, key).text(2, value));
    return *this;
}

MessageWriter& MessageWriter::time(std::uint32_t field, std::int64_t ns) {
    if (ns == 0) return *this;
    constexpr std::int64_t second_ns = 1'000'000'000;
    return message(field, MessageWriter()
                              .number(1, static_cast<std::uint64_t>(ns / second_ns))
                              .number(2, static_cast<std::uint64_t>(ns % second_ns)));
}

}  // namespace hull::buildkit
