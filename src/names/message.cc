#include "names/message.hh"

#include <algorithm>
#include <array>
#include <charconv>

namespace hull::names {

namespace {

constexpr std::size_t header_size = 12, longest_name = 255, longest_label = 63;
constexpr std::uint16_t is_reply = 0x8000, opcode_mask = 0x7800, authoritative = 0x0400,
                        truncated = 0x0200, recursion_desired = 0x0100,
                        recursion_available = 0x0080;
constexpr std::uint16_t smallest_udp_size = 512, own_udp_size = 1232;
constexpr std::uint32_t seconds_to_live = 5;

/// Reads within bounds: whatever is not there makes it fail, and it stays failed.
class Reader {
public:
    Reader(std::span<const std::byte> bytes, std::size_t at) : bytes_(bytes), at_(at) {}

    std::uint8_t byte() {
        if (at_ >= bytes_.size()) {
            failed_ = true;
            return 0;
        }
        return std::to_integer<std::uint8_t>(bytes_[at_++]);
    }
    std::uint16_t number() {
        const auto high = byte();
        return static_cast<std::uint16_t>(high << 8 | byte());
    }
    void skip(std::size_t count) {
        if (count > bytes_.size() - std::min(at_, bytes_.size())) failed_ = true;
        if (!failed_) at_ += count;
    }
    std::size_t at() const { return at_; }
    bool failed() const { return failed_; }
    void fail() { failed_ = true; }

private:
    std::span<const std::byte> bytes_;
    std::size_t at_;
    bool failed_ = false;
};

char lower(std::uint8_t byte) {
    return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
}

/// A name of a question: there is nothing before it that it could point to.
std::string read_name(Reader& reader) {
    std::string name;
    for (;;) {
        const std::size_t length = reader.byte();
        if (reader.failed() || length > longest_label || name.size() + length > longest_name) {
            reader.fail();
            return {};
        }
        if (length == 0) return name;
        if (!name.empty()) name += '.';
        for (std::size_t i = 0; i < length; ++i) {
            const char c = lower(reader.byte());
            // Such a label is not one of ours, and must not look like two of them.
            name += c == '.' ? '\0' : c;
        }
    }
}

void skip_name(Reader& reader) {
    for (std::size_t labels = 0; labels <= longest_name && !reader.failed(); ++labels) {
        const std::size_t length = reader.byte();
        if (length == 0) return;
        if (length >= 0xc0) return reader.skip(1);  // the rest is elsewhere
        if (length > longest_label) break;
        reader.skip(length);
    }
    reader.fail();
}

void read_additional(Reader& reader, unsigned count, Query& query) {
    constexpr unsigned most_records = 16;
    for (unsigned i = 0; i < std::min(count, most_records); ++i) {
        skip_name(reader);
        const std::uint16_t type = reader.number();
        const std::uint16_t size = reader.number();  // of an OPT record
        reader.skip(4);
        const std::uint16_t length = reader.number();
        reader.skip(length);
        if (reader.failed()) return;
        if (type != static_cast<std::uint16_t>(Type::opt)) continue;
        query.has_edns = true;
        query.udp_size = std::max(size, smallest_udp_size);
        return;
    }
}

void append(std::string& bytes, std::uint16_t number) {
    bytes += static_cast<char>(number >> 8);
    bytes += static_cast<char>(number & 0xff);
}

void append_long(std::string& bytes, std::uint32_t number) {
    append(bytes, static_cast<std::uint16_t>(number >> 16));
    append(bytes, static_cast<std::uint16_t>(number & 0xffff));
}

void put(std::string& bytes, std::size_t at, std::uint16_t number) {
    bytes[at] = static_cast<char>(number >> 8);
    bytes[at + 1] = static_cast<char>(number & 0xff);
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<linux_::IpAddress> parse_reverse_v6(std::string_view name) {
    constexpr std::size_t nibbles = 32;
    if (name.size() != 2 * nibbles - 1) return std::nullopt;
    std::array<std::byte, 16> bytes{};
    for (std::size_t i = 0; i < nibbles; ++i) {
        const char digit = name[2 * i];
        if (i + 1 < nibbles && name[2 * i + 1] != '.') return std::nullopt;
        unsigned value = 0;
        const auto [end, error] = std::from_chars(&digit, &digit + 1, value, 16);
        if (error != std::errc() || end != &digit + 1) return std::nullopt;
        const std::size_t at = (nibbles - 1 - i) / 2;
        bytes[at] |= static_cast<std::byte>(i % 2 ? value << 4 : value);
    }
    return linux_::IpAddress(std::span<const std::byte>(bytes));
}

std::optional<linux_::IpAddress> parse_reverse_v4(std::string_view name) {
    std::string address;
    while (!name.empty()) {
        const std::size_t dot = name.rfind('.');
        if (!address.empty()) address += '.';
        address += name.substr(dot == std::string_view::npos ? 0 : dot + 1);
        name = name.substr(0, dot == std::string_view::npos ? 0 : dot);
    }
    const auto parsed = linux_::IpAddress::parse(address);
    return parsed && parsed->is_v4() ? parsed : std::nullopt;
}

}  // namespace

std::optional<Query> parse_query(std::span<const std::byte> bytes) {
    if (bytes.size() < header_size) return std::nullopt;
    Reader reader(bytes, 0);
    Query query;
    query.id = reader.number();
    query.flags = reader.number();
    const unsigned questions = reader.number(), answers = reader.number(),
                   authorities = reader.number(), additional = reader.number();
    if (query.flags & (is_reply | opcode_mask) || questions != 1) return std::nullopt;
    query.name = read_name(reader);
    query.type = reader.number();
    query.query_class = reader.number();
    if (reader.failed()) return std::nullopt;
    query.question_end = reader.at();
    if (answers == 0 && authorities == 0) read_additional(reader, additional, query);
    return query;
}

Answer make_answer(const linux_::IpAddress& address) {
    return {address.is_v6() ? Type::aaaa : Type::a, std::string(text_of(address.bytes()))};
}

std::optional<Answer> make_answer(std::string_view name) {
    std::string data;
    while (!name.empty()) {
        const std::size_t dot = std::min(name.find('.'), name.size());
        if (dot == 0 || dot > longest_label) return std::nullopt;
        data += static_cast<char>(dot);
        data += name.substr(0, dot);
        name.remove_prefix(std::min(dot + 1, name.size()));
    }
    data += '\0';
    if (data.size() > longest_name) return std::nullopt;
    return Answer{Type::ptr, std::move(data)};
}

std::string make_reply(const Query& query, std::span<const std::byte> bytes, Code code,
                       std::span<const Answer> answers, std::size_t limit) {
    constexpr std::size_t edns_size = 11;
    constexpr std::uint16_t name_of_question = 0xc000 | header_size, internet = 1;
    std::string reply(text_of(bytes.first(query.question_end)));
    for (std::size_t at = 4; at < header_size; at += 2) put(reply, at, 0);
    put(reply, 4, 1);  // the question
    const std::size_t room = limit - std::min(limit, query.has_edns ? edns_size : 0);
    std::uint16_t flags = is_reply | authoritative | recursion_available;
    flags = static_cast<std::uint16_t>(flags | (query.flags & recursion_desired) |
                                       static_cast<unsigned>(code));
    std::uint16_t count = 0;
    for (const Answer& answer : answers) {
        std::string record;
        append(record, name_of_question);
        append(record, static_cast<std::uint16_t>(answer.type));
        append(record, internet);
        append_long(record, seconds_to_live);
        append(record, static_cast<std::uint16_t>(answer.data.size()));
        record += answer.data;
        if (reply.size() + record.size() > room) {
            flags |= truncated;
            break;
        }
        reply += record;
        ++count;
    }
    put(reply, 2, flags);
    put(reply, 6, count);
    if (query.has_edns) {
        reply += '\0';  // the root
        append(reply, static_cast<std::uint16_t>(Type::opt));
        append(reply, own_udp_size);
        append_long(reply, 0);
        append(reply, 0);
        put(reply, 10, 1);
    }
    return reply;
}

bool answers_query(std::span<const std::byte> reply, std::uint16_t id, const Query& query,
                   std::span<const std::byte> bytes) {
    if (reply.size() < header_size) return false;
    Reader reader(reply, 0);
    if (reader.number() != id || !(reader.number() & is_reply)) return false;
    // Some servers refuse without repeating the question.
    if (reader.number() == 0) return code_of(reply) != Code::no_error;
    if (reply.size() < query.question_end) return false;
    return std::equal(reply.begin() + header_size,
                      reply.begin() + static_cast<std::ptrdiff_t>(query.question_end),
                      bytes.begin() + header_size,
                      [](std::byte a, std::byte b) {
        return lower(std::to_integer<std::uint8_t>(a)) == lower(std::to_integer<std::uint8_t>(b));
    });
}

Code code_of(std::span<const std::byte> reply) {
    return static_cast<Code>(std::to_integer<std::uint8_t>(reply[3]) & 0x0f);
}

void set_id(std::string& message, std::uint16_t id) { put(message, 0, id); }

std::optional<linux_::IpAddress> parse_reverse_name(std::string_view name) {
    constexpr std::string_view v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
    if (name.ends_with(v4)) return parse_reverse_v4(name.substr(0, name.size() - v4.size()));
    if (name.ends_with(v6)) return parse_reverse_v6(name.substr(0, name.size() - v6.size()));
    return std::nullopt;
}

}  // namespace hull::names
