#include "archive/tar_fields.hh"

#include "base/error.hh"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace hull::archive::tar {

namespace {

[[noreturn]] void malformed(std::string_view what) {
    throw Error(ErrorKind::invalid_argument, "the {} is malformed", what);
}

std::int64_t parse_base_256(const unsigned char* field, std::size_t size, std::string_view what) {
    const bool negative = field[0] & 0x40;
    // The marker bit goes; the bit after it is the sign of all the rest.
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < size; ++i) {
        unsigned char byte = field[i];
        if (i == 0) byte = negative ? byte | 0x80 : byte & 0x7f;
        const std::uint64_t dropped = value >> 55;
        if (dropped != (negative ? 0x1ff : 0)) malformed(what);
        value = value << 8 | byte;
    }
    return static_cast<std::int64_t>(value);
}

bool has_magic(const std::byte* block, std::string_view magic) {
    return std::memcmp(block + 257, magic.data(), magic.size()) == 0;
}

}  // namespace

bool checksum_fits(const std::byte* block) {
    std::int64_t unsigned_sum = 0, signed_sum = 0;
    for (std::size_t i = 0; i < block_bytes; ++i) {
        const auto byte = i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
        unsigned_sum += static_cast<unsigned char>(byte);
        signed_sum += static_cast<signed char>(byte);
    }
    try {
        const std::int64_t stored = number_field(block, 148, 8, "checksum");
        return stored == unsigned_sum || stored == signed_sum;
    } catch (const Error&) {
        return false;
    }
}

char type_flag(const std::byte* block) { return static_cast<char>(block[156]); }

bool is_ustar(const std::byte* block) { return has_magic(block, "ustar"); }

std::string text_field(const std::byte* block, std::size_t at, std::size_t size) {
    const char* text = reinterpret_cast<const char*>(block + at);
    return std::string(text, ::strnlen(text, size));
}

std::string name_field(const std::byte* block) {
    std::string name = text_field(block, 0, 100);
    if (!has_magic(block, std::string_view("ustar\0", 6))) return name;  // GNU has other data there
    const bool star = std::memcmp(block + 508, "tar\0", 4) == 0;
    const std::string prefix = text_field(block, 345, star ? 131 : 155);
    return prefix.empty() ? name : prefix + "/" + name;
}

std::int64_t number_field(const std::byte* block, std::size_t at, std::size_t size,
                          std::string_view what) {
    const auto* field = reinterpret_cast<const unsigned char*>(block + at);
    if (field[0] & 0x80) return parse_base_256(field, size, what);
    std::size_t begin = 0, end = size;
    const auto blank = [&](std::size_t i) { return field[i] == ' ' || field[i] == '\0'; };
    while (begin < end && blank(begin)) ++begin;
    while (end > begin && blank(end - 1)) --end;
    std::int64_t value = 0;
    for (std::size_t i = begin; i < end; ++i) {
        if (field[i] == '\0') break;  // some programs leave old bytes after the terminator
        if (field[i] < '0' || field[i] > '7') malformed(what);
        value = value << 3 | (field[i] - '0');  // at most 12 digits: 36 bits
    }
    return value;
}

std::uint64_t size_field(const std::byte* block) {
    const std::int64_t size = number_field(block, 124, 12, "size");
    if (size < 0) malformed("size");
    return static_cast<std::uint64_t>(size);
}

PaxRecords parse_pax(std::string_view text) {
    PaxRecords records;
    while (!text.empty()) {
        if (text.find_first_not_of('\0') == std::string_view::npos) break;  // padded by old Solaris
        std::size_t length = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
        const auto digits = static_cast<std::size_t>(end - text.data());
        if (error != std::errc() || digits == 0 || text.substr(digits, 1) != " " ||
            length < digits + 3 || length > text.size() || text[length - 1] != '\n')
            malformed("extended header");
        const std::string_view record = text.substr(digits + 1, length - digits - 2);
        const std::size_t equals = record.find('=');
        if (equals == 0 || equals == std::string_view::npos) malformed("extended header");
        const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
        const bool binary = key.find(".xattr.") != std::string_view::npos;
        if (key.find('\0') != std::string_view::npos ||
            (!binary && value.find('\0') != std::string_view::npos))
            throw Error(ErrorKind::invalid_argument, "the extended header holds a NUL byte");
        records.emplace_back(key, value);
        text.remove_prefix(length);
    }
    return records;
}

std::uint64_t parse_decimal(std::string_view text, std::string_view what) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) malformed(what);
    return value;
}

std::int64_t parse_signed(std::string_view text, std::string_view what) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) malformed(what);
    return value;
}

Timestamp parse_time(std::string_view text) {
    const std::size_t dot = text.find('.');
    const std::string_view whole = text.substr(0, dot);
    const bool negative = whole.starts_with('-');
    Timestamp time;
    if (whole != "-" && !whole.empty()) time.seconds = parse_signed(whole, "mtime");
    if (dot == std::string_view::npos) {
        if (whole.empty() || whole == "-") malformed("mtime");
        return time;
    }
    const std::string_view fraction = text.substr(dot + 1);
    std::uint32_t scale = 100'000'000;
    for (const char digit : fraction) {
        if (digit < '0' || digit > '9') malformed("mtime");
        time.nanoseconds += static_cast<std::uint32_t>(digit - '0') * scale;
        scale /= 10;
    }
    // -1.25 is 1.25 s before 1970: second -2 and three quarters.
    if (negative && time.nanoseconds > 0) {
        if (time.seconds == INT64_MIN) malformed("mtime");
        --time.seconds;
        time.nanoseconds = 1'000'000'000 - time.nanoseconds;
    }
    return time;
}

std::uint32_t id_of(std::int64_t number, std::string_view what) {
    if (number < INT32_MIN || number > UINT32_MAX)
        throw Error(ErrorKind::invalid_argument, "the {} {} does not fit in 32 bits", what, number);
    const auto id = static_cast<std::uint32_t>(number);
    return id == UINT32_MAX ? 0 : id;
}

std::uint32_t device_of(std::int64_t number) {
    if (number < 0 || number > UINT32_MAX)
        throw Error(ErrorKind::invalid_argument, "the device number {} is out of range", number);
    return static_cast<std::uint32_t>(number);
}

std::string decode_percent(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
                text.data() + i + 3) {
            result += static_cast<char>(value);
            i += 2;
        } else {
            result += text[i];
        }
    }
    return result;
}

std::string decode_base64(std::string_view text) {
    std::string result;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        std::uint32_t value;
        if (c >= 'A' && c <= 'Z')
            value = static_cast<std::uint32_t>(c - 'A');
        else if (c >= 'a' && c <= 'z')
            value = static_cast<std::uint32_t>(c - 'a' + 26);
        else if (c >= '0' && c <= '9')
            value = static_cast<std::uint32_t>(c - '0' + 52);
        else if (c == '+')
            value = 62;
        else if (c == '/')
            value = 63;
        else if (c == '=')
            break;
        else
            malformed("base64 of an xattr");
        bits = bits << 6 | value;
        if ((count += 6) >= 8) result += static_cast<char>(bits >> (count -= 8) & 0xff);
    }
    return result;
}

std::string until_nul(std::string text) {
    text.resize(::strnlen(text.data(), text.size()));
    return text;
}

}  // namespace hull::archive::tar
