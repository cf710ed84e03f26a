#include "engine/log_target.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "engine/patterns.hh"
#include "engine/text.hh"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>

namespace hull::engine {

namespace {

using Options = std::map<std::string, std::string>;

const std::map<std::string_view, std::set<std::string_view>>& options_of_drivers() {
    static const std::map<std::string_view, std::set<std::string_view>> options = {
        {"syslog", {"syslog-address", "syslog-facility", "syslog-format"}},
        {"journald", {}},
        {"fluentd",
         {"fluentd-address", "fluentd-async", "fluentd-async-connect",
          "fluentd-sub-second-precision"}},
        {"gelf", {"gelf-address", "gelf-compression-type"}}};
    return options;
}

constexpr std::string_view common[] = {"tag",
                                       "labels",
                                       "labels-regex",
                                       "env",
                                       "env-regex",
                                       "mode",
                                       "max-buffer-size",
                                       "cache-disabled",
                                       "cache-max-size",
                                       "cache-max-file"};

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

std::string option(const api::LogConfig& log, const std::string& name,
                   const std::string& fallback = "") {
    const auto found = log.config.find(name);
    return found == log.config.end() ? fallback : found->second;
}

void check_address(const std::string& driver, const std::string& address,
                   std::initializer_list<std::string_view> schemes) {
    const std::size_t end = address.find("://");
    if (end == std::string::npos && driver == "fluentd") return;
    const std::string scheme = address.substr(0, std::min(end, address.size()));
    if (driver == "syslog" && scheme == "tcp+tls")
        throw Error(ErrorKind::unsupported,
                    "syslog over TLS is not supported yet: use tcp:// to a relay on this machine");
    if (end == std::string::npos ||
        std::none_of(schemes.begin(), schemes.end(),
                     [&](std::string_view known) { return known == scheme; }))
        refuse("{}-address should be in form proto://address, got {}", driver, address);
}

/// Docker's template of a tag; members are written as {{.Name}}.
std::string expand_tag(const std::string& pattern, const Definition& definition,
                       const std::string& name) {
    const std::string& image = definition.image_id;
    const std::string image_hex = image.substr(image.find(':') + 1);
    const std::map<std::string, std::string> members = {{"ID", definition.id.substr(0, 12)},
                                                        {"FullID", definition.id},
                                                        {"Name", name},
                                                        {"ImageID", image_hex.substr(0, 12)},
                                                        {"ImageFullID", image},
                                                        {"ImageName", definition.config.image},
                                                        {"DaemonName", "docker"}};
    std::string result;
    std::size_t at = 0;
    for (;;) {
        const std::size_t open = pattern.find("{{", at);
        result += pattern.substr(at, open - at);
        if (open == std::string::npos) return result;
        const std::size_t close = pattern.find("}}", open);
        if (close == std::string::npos) refuse("log tag {}: unclosed action", pattern);
        const std::string_view inside =
            trim(std::string_view(pattern).substr(open + 2, close - open - 2));
        const auto member =
            inside.starts_with('.') ? members.find(std::string(inside.substr(1))) : members.end();
        if (member == members.end())
            refuse(
                "log tag {}: {} is not one of .ID, .FullID, .Name, .ImageID, .ImageFullID, "
                ".ImageName, .DaemonName",
                pattern, inside);
        result += member->second;
        at = close + 2;
    }
}

/// What --log-opt labels, env and their regular expressions choose.
json::Object attributes_of(const Definition& definition) {
    const api::LogConfig& log = definition.host.log_config;
    json::Object attributes;
    const auto choose = [&](const std::string& name, const std::string& value, const char* list,
                            const char* pattern) {
        const std::vector<std::string> names = split(option(log, list), ',');
        const std::string expression = option(log, pattern);
        if (std::find(names.begin(), names.end(), name) != names.end() ||
            (!expression.empty() && matches_pattern(name, expression)))
            attributes[name] = value;
    };
    for (const auto& [name, value] : definition.config.labels)
        choose(name, value, "labels", "labels-regex");
    for (const std::string& entry : definition.config.env)
        if (const std::size_t equals = entry.find('='); equals != std::string::npos)
            choose(entry.substr(0, equals), entry.substr(equals + 1), "env", "env-regex");
    return attributes;
}

}  // namespace

void check_log_tag(const std::string& pattern) {
    Definition nobody;
    expand_tag(pattern, nobody, "");
}

std::map<std::string, std::string> log_attributes(const Definition& definition,
                                                  const std::string& name) {
    std::map<std::string, std::string> attributes;
    for (const auto& [key, value] : attributes_of(definition)) attributes[key] = value.as_string();
    if (const std::string tag = option(definition.host.log_config, "tag"); !tag.empty())
        attributes["tag"] = expand_tag(tag, definition, name);
    return attributes;
}

bool is_remote_log(std::string_view driver) { return options_of_drivers().contains(driver); }

void check_log_mode(const std::string& value) {
    if (value != "blocking" && value != "non-blocking")
        refuse("logger: logging mode not supported: {}", value);
}

void check_remote_log(const api::LogConfig& log) {
    const auto& known = options_of_drivers().at(log.type);
    for (const auto& [name, value] : log.config)
        if (!known.contains(name) &&
            std::find(std::begin(common), std::end(common), name) == std::end(common))
            refuse("unknown log opt '{}' for {} log driver", name, log.type);
    check_log_mode(option(log, "mode", "blocking"));
    for (const char* name : {"max-buffer-size", "cache-max-size"})
        if (log.config.contains(name) && find_size(option(log, name)).value_or(0) <= 0)
            refuse("invalid value for {}: {}", name, option(log, name));
    if (log.config.contains("max-buffer-size") && option(log, "mode") != "non-blocking")
        refuse("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    if (const std::string address = option(log, "syslog-address"); !address.empty())
        check_address("syslog", address, {"udp", "tcp", "unix", "unixgram"});
    static const std::set<std::string_view> formats = {"", "rfc3164", "rfc5424", "rfc5424micro"};
    if (!formats.contains(option(log, "syslog-format")))
        refuse("invalid syslog format: {}", option(log, "syslog-format"));
    if (log.type == "gelf") {
        check_address("gelf", option(log, "gelf-address"), {"udp", "tcp"});
        const std::string compression = option(log, "gelf-compression-type", "gzip");
        if (compression == "zlib")
            throw Error(ErrorKind::unsupported,
                        "gelf-compression-type zlib is not supported yet: use gzip or none");
        if (compression != "gzip" && compression != "none")
            refuse("unknown value \"{}\" for log opt \"gelf-compression-type\" for gelf log driver",
                   compression);
    }
    if (const std::string address = option(log, "fluentd-address"); !address.empty())
        check_address("fluentd", address, {"tcp", "unix"});
    check_log_tag(option(log, "tag"));
}

bool keeps_copy(const api::LogConfig& log) { return option(log, "cache-disabled") != "true"; }

std::string readable_driver(const api::LogConfig& log) {
    if (!is_remote_log(log.type)) return log.type;
    return keeps_copy(log) ? "local" : "none";
}

void set_log_target(shim::LogConfig& log, const Definition& definition, const std::string& name,
                    const Path& program) {
    const api::LogConfig& wanted = definition.host.log_config;
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    json::Object options;
    for (const auto& [key, value] : wanted.config) options[key] = value;
    // Not an option of users: it is for tests, and for a journal in another place.
    if (const char* const journal = ::getenv("HULL_JOURNAL_SOCKET"))
        options["journal-socket"] = journal;
    std::string command = definition.path;
    for (const std::string& argument : definition.args) command += " " + argument;
    log.program = program;
    log.keeps_copy = keeps_copy(wanted);
    log.max_size_bytes =
        static_cast<std::uint64_t>(find_size(option(wanted, "cache-max-size", "20m")).value_or(0));
    log.max_files =
        static_cast<unsigned>(find_integer(option(wanted, "cache-max-file", "5")).value_or(5));
    log.target = json::dump(json::Object{
        {"driver", wanted.type},
        {"options", std::move(options)},
        {"tag", expand_tag(option(wanted, "tag", "{{.ID}}"), definition, name)},
        {"hostname", std::string(host.data())},
        {"container", json::Object{{"id", definition.id},
                                   {"name", name},
                                   {"imageId", definition.image_id},
                                   {"imageName", definition.config.image},
                                   {"command", command},
                                   {"created", format_rfc3339(definition.created_ns)}}},
        {"attributes", attributes_of(definition)}});
}

}  // namespace hull::engine
