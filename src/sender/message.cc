#include "sender/message.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <fmt/core.h>
#include <isa-l/igzip_lib.h>
#include <sys/random.h>
#include <unistd.h>

#include <ctime>

namespace hull::sender {

namespace {

constexpr int informational = 6, error_severity = 3;

int severity(const Line& line) { return line.stream == 2 ? error_severity : informational; }

std::string text_of(const json::Value& object, std::string_view name) {
    const json::Value& value = object[std::string(name)];
    return value.is_string() ? value.as_string() : "";
}

std::string format_time(std::int64_t ns, const char* format) {
    const std::time_t seconds = ns / 1'000'000'000;
    struct tm parts;
    ::localtime_r(&seconds, &parts);
    char text[64];
    return {text, ::strftime(text, sizeof text, format, &parts)};
}

int facility(const std::string& name) {
    constexpr std::string_view names[] = {
        "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
        "uucp",   "cron",   "authpriv", "ftp",    "",       "",       "",       "",
        "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
    for (int i = 0; i < 24; ++i)
        if (!name.empty() && (names[i] == name || std::to_string(i) == name)) return i;
    throw Error(ErrorKind::invalid_argument, "invalid syslog facility: {}", name);
}

// ---------------------------------------------------------------- MessagePack

void pack_size(std::string& out, std::size_t size, int small, int small_limit, int wide) {
    if (size < static_cast<std::size_t>(small_limit)) {
        out += static_cast<char>(small | static_cast<int>(size));
        return;
    }
    out += static_cast<char>(wide);  // with 32 bits of length
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
}

void pack(std::string& out, std::string_view text) {
    pack_size(out, text.size(), 0xa0, 32, 0xdb);
    out.append(text);
}

void pack_seconds(std::string& out, std::int64_t ns) {
    out += '\xce';
    for (int shift = 24; shift >= 0; shift -= 8)
        out += static_cast<char>(ns / 1'000'000'000 >> shift);
}

/// EventTime: extension 0 of eight bytes.
void pack_event_time(std::string& out, std::int64_t ns) {
    out += "\xd7";
    out += '\0';
    for (int shift = 24; shift >= 0; shift -= 8)
        out += static_cast<char>(ns / 1'000'000'000 >> shift);
    for (int shift = 24; shift >= 0; shift -= 8)
        out += static_cast<char>(ns % 1'000'000'000 >> shift);
}

std::string gzip(std::string_view text) {
    std::string packed(text.size() + 1000, '\0');
    isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.flush = NO_FLUSH;
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // only read
    stream.avail_in = static_cast<std::uint32_t>(text.size());
    stream.next_out = reinterpret_cast<std::uint8_t*>(packed.data());
    stream.avail_out = static_cast<std::uint32_t>(packed.size());
    if (isal_deflate_stateless(&stream) != COMP_OK)
        throw Error(ErrorKind::internal, "compressing a message failed");
    packed.resize(stream.total_out);
    return packed;
}

/// Datagrams of 1420 bytes, as Docker sends them: magic, id, number, count.
std::vector<std::string> chunk(const std::string& message) {
    constexpr std::size_t whole_bytes = 1420, header_bytes = 12, most_chunks = 128;
    if (message.size() <= whole_bytes) return {message};
    constexpr std::size_t part = whole_bytes - header_bytes;
    const std::size_t count = (message.size() + part - 1) / part;
    if (count > most_chunks) return {};  // it cannot be sent
    char id[8];
    if (::getrandom(id, sizeof id, 0) != sizeof id) return {};
    std::vector<std::string> chunks;
    for (std::size_t i = 0; i < count; ++i) {
        std::string piece("\x1e\x0f");
        piece.append(id, sizeof id);
        piece += static_cast<char>(i);
        piece += static_cast<char>(count);
        chunks.push_back(piece + message.substr(i * part, part));
    }
    return chunks;
}

/// journald's names: upper case, digits and underscores, not first an underscore.
std::string field_name(std::string_view name) {
    std::string result;
    for (char c : name) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        const bool is_kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_kept || !result.empty()) result += is_kept ? c : '_';
    }
    return result;
}

void add_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name);
    if (value.find('\n') == std::string_view::npos) {
        out += '=';
    } else {
        out += '\n';
        for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value.size() >> shift);
    }
    out.append(value) += '\n';
}

}  // namespace

std::string Target::option(std::string_view name, std::string_view fallback) const {
    const json::Value& value = options[std::string(name)];
    return value.is_string() ? value.as_string() : std::string(fallback);
}

Target parse_target(std::string_view text) {
    const json::Value value = json::parse(text);
    return {.driver = value["driver"].as_string(),
            .tag = value["tag"].as_string(),
            .hostname = value["hostname"].as_string(),
            .options = value["options"],
            .container = value["container"],
            .attributes = value["attributes"]};
}

std::vector<std::string> format_syslog(const Target& target, const Line& line, bool is_stream) {
    const int priority = 8 * facility(target.option("syslog-facility", "daemon")) + severity(line);
    const std::string format = target.option("syslog-format");
    const int pid = ::getpid();
    std::string text;
    if (format.empty()) {
        text = fmt::format("<{}>{} {}[{}]: ", priority, format_time(line.time_ns, "%b %e %H:%M:%S"),
                           target.tag, pid);
    } else if (format == "rfc3164") {
        text =
            fmt::format("<{}>{} {} {}[{}]: ", priority, format_time(line.time_ns, "%b %e %H:%M:%S"),
                        target.hostname, target.tag, pid);
    } else {
        std::string time = format_time(line.time_ns, "%Y-%m-%dT%H:%M:%S");
        if (format == "rfc5424micro")
            time += fmt::format(".{:06}", line.time_ns % 1'000'000'000 / 1000);
        std::string zone = format_time(line.time_ns, "%z");
        zone.insert(3, ":");
        text = fmt::format("<{}>1 {}{} {} {} {} {} - ", priority, time, zone, target.hostname,
                           target.tag, pid, target.tag);
    }
    text.append(line.bytes);
    if (is_stream) text += '\n';
    return {std::move(text)};
}

std::vector<std::string> format_journald(const Target& target, const Line& line) {
    const std::string id = text_of(target.container, "id");
    std::string out;
    add_field(out, "MESSAGE", line.bytes);
    add_field(out, "PRIORITY", std::to_string(severity(line)));
    add_field(out, "CONTAINER_ID", id.substr(0, 12));
    add_field(out, "CONTAINER_ID_FULL", id);
    add_field(out, "CONTAINER_NAME", text_of(target.container, "name"));
    add_field(out, "CONTAINER_TAG", target.tag);
    add_field(out, "IMAGE_NAME", text_of(target.container, "imageName"));
    add_field(out, "SYSLOG_IDENTIFIER", target.tag);
    add_field(out, "SYSLOG_TIMESTAMP", format_rfc3339(line.time_ns));
    if (line.is_partial) add_field(out, "CONTAINER_PARTIAL_MESSAGE", "true");
    if (target.attributes.is_object())
        for (const auto& [name, value] : target.attributes.as_object())
            if (const std::string field = field_name(name); !field.empty())
                add_field(out, field, value.as_string());
    return {std::move(out)};
}

std::vector<std::string> format_fluentd(const Target& target, const Line& line) {
    std::vector<std::pair<std::string, std::string>> record = {
        {"container_id", text_of(target.container, "id")},
        {"container_name", "/" + text_of(target.container, "name")},
        {"source", line.stream == 2 ? "stderr" : "stdout"},
        {"log", std::string(line.bytes)}};
    if (line.is_partial) record.emplace_back("partial_message", "true");
    if (target.attributes.is_object())
        for (const auto& [name, value] : target.attributes.as_object())
            record.emplace_back(name, value.as_string());
    std::string out("\x93");
    pack(out, target.tag);
    if (target.option("fluentd-sub-second-precision") == "true")
        pack_event_time(out, line.time_ns);
    else
        pack_seconds(out, line.time_ns);
    pack_size(out, record.size(), 0x80, 16, 0xdf);
    for (const auto& [name, value] : record) {
        pack(out, name);
        pack(out, value);
    }
    return {std::move(out)};
}

std::vector<std::string> format_gelf(const Target& target, const Line& line, bool is_stream) {
    json::Object message{
        {"version", "1.1"}, {"host", target.hostname}, {"short_message", std::string(line.bytes)}};
    const json::Value& container = target.container;
    const std::pair<const char*, std::string> members[] = {
        {"_command", text_of(container, "command")},
        {"_container_id", text_of(container, "id")},
        {"_container_name", text_of(container, "name")},
        {"_created", text_of(container, "created")},
        {"_image_id", text_of(container, "imageId")},
        {"_image_name", text_of(container, "imageName")},
        {"_tag", target.tag}};
    for (const auto& [name, value] : members) message.append(name, value);
    if (target.attributes.is_object())
        for (const auto& [name, value] : target.attributes.as_object())
            message.append("_" + name, value.as_string());
    message.append("level", severity(line));
    std::string text = json::dump(json::Value(std::move(message)));
    // A number with fractions, which our JSON values do not have.
    text.pop_back();
    text += fmt::format(",\"timestamp\":{}.{:03}}}", line.time_ns / 1'000'000'000,
                        line.time_ns % 1'000'000'000 / 1'000'000);
    if (is_stream) return {text + '\0'};
    return chunk(target.option("gelf-compression-type", "gzip") == "gzip" ? gzip(text) : text);
}

}  // namespace hull::sender
