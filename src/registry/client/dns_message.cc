#include "registry/client/dns_message.hh"

#include "base/error.hh"
#include "base/text.hh"

namespace hull::registry_client {

namespace {

constexpr std::size_t header_bytes = 12, max_label_bytes = 63, max_name_bytes = 253;
constexpr std::uint16_t class_internet = 1;

void put16(std::string& text, unsigned value) {
    text += static_cast<char>(value >> 8 & 0xff);
    text += static_cast<char>(value & 0xff);
}

/// Reads a message front to back; names are skipped, never followed.
class Reader {
public:
    explicit Reader(std::string_view message) : rest_(message) {}
    unsigned get16() {
        const std::string_view bytes = take(2);
        return static_cast<unsigned>(static_cast<unsigned char>(bytes[0])) << 8 |
               static_cast<unsigned char>(bytes[1]);
    }
    std::string_view take(std::size_t count) {
        if (rest_.size() < count)
            throw Error(ErrorKind::invalid_argument, "the reply is cut short");
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    void skip_name() {
        for (;;) {
            const auto length = static_cast<unsigned char>(take(1)[0]);
            if (length == 0) return;
            if (length >= 0xc0) {
                take(1);
                return;
            }
            if (length > max_label_bytes)
                throw Error(ErrorKind::invalid_argument, "a name in the reply is malformed");
            take(length);
        }
    }

private:
    std::string_view rest_;
};

}  // namespace

std::string make_dns_query(std::uint16_t id, std::string_view name, RecordType type) {
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.size() > max_name_bytes)
        throw Error(ErrorKind::invalid_argument, "{:?} is no host name", name);
    std::string query;
    put16(query, id);
    put16(query, 0x0100);  // recursion desired
    put16(query, 1);
    for (int i = 0; i < 3; ++i) put16(query, 0);
    for (const std::string& label : split(name, '.')) {
        if (label.empty() || label.size() > max_label_bytes)
            throw Error(ErrorKind::invalid_argument, "{:?} is no host name", name);
        query += static_cast<char>(label.size());
        query += label;
    }
    query += '\0';
    put16(query, static_cast<unsigned>(type));
    put16(query, class_internet);
    return query;
}

DnsReply parse_dns_reply(std::string_view message, std::uint16_t id, RecordType type) {
    if (message.size() < header_bytes)
        throw Error(ErrorKind::invalid_argument, "the reply is cut short");
    Reader reader(message);
    if (reader.get16() != id) throw Error(ErrorKind::invalid_argument, "not our question");
    const unsigned flags = reader.get16();
    if ((flags & 0x8000) == 0) throw Error(ErrorKind::invalid_argument, "not a reply");
    DnsReply reply;
    reply.truncated = (flags & 0x0200) != 0;
    const unsigned code = flags & 0xf;
    reply.no_such_name = code == 3;
    reply.failed = code != 0 && code != 3;
    const unsigned questions = reader.get16(), answers = reader.get16();
    reader.get16();
    reader.get16();
    for (unsigned i = 0; i < questions; ++i) {
        reader.skip_name();
        reader.take(4);
    }
    if (reply.truncated) return reply;
    const std::size_t wanted_bytes = type == RecordType::a ? 4 : 16;
    for (unsigned i = 0; i < answers; ++i) {
        reader.skip_name();
        const unsigned record_type = reader.get16(), record_class = reader.get16();
        reader.take(4);  // how long it may be kept
        const std::string_view data = reader.take(reader.get16());
        if (record_type == static_cast<unsigned>(type) && record_class == class_internet &&
            data.size() == wanted_bytes)
            reply.addresses.emplace_back(data);
    }
    return reply;
}

}  // namespace hull::registry_client
