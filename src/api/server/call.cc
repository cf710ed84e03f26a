#include "api/server/call.hh"

#include "api/server/times.hh"

#include <charconv>

namespace hull::server {

namespace {

std::vector<std::string_view> segments(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        parts.push_back(path.substr(0, slash));
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return parts;
}

}  // namespace

std::optional<std::map<std::string, std::string, std::less<>>> match_path(std::string_view pattern,
                                                                          std::string_view path) {
    if (!path.starts_with('/') || path.ends_with('/')) return std::nullopt;
    const std::vector<std::string_view> wanted = segments(pattern.substr(1));
    const std::vector<std::string_view> given = segments(path.substr(1));
    if (given.size() < wanted.size()) return std::nullopt;

    std::map<std::string, std::string, std::less<>> parameters;
    std::size_t at = 0;
    for (std::size_t i = 0; i < wanted.size(); i++) {
        const std::string_view part = wanted[i];
        if (!part.starts_with('{')) {
            if (given[at++] != part) return std::nullopt;
            continue;
        }
        const bool many = part.ends_with("...}");
        const std::size_t count = many ? given.size() - (wanted.size() - 1) : 1;
        std::string value;
        for (std::size_t k = 0; k < count; k++) {
            if (k > 0) value += '/';
            value += given[at++];
        }
        if (value.empty()) return std::nullopt;
        parameters.emplace(part.substr(1, part.size() - (many ? 5 : 2)), std::move(value));
    }
    if (at != given.size()) return std::nullopt;
    return parameters;
}

std::optional<std::int64_t> Call::find_integer(std::string_view name) const {
    const std::string_view text = exchange.parameter(name);
    if (text.empty()) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw Error(ErrorKind::invalid_argument, "strconv.Atoi: parsing \"{}\": invalid syntax",
                    text);
    return value;
}

Filters Call::filters() const {
    Filters filters;
    const std::string_view text = exchange.parameter("filters");
    if (text.empty()) return filters;
    const json::Value value = with_context([&] { return json::parse(text); }, "invalid filter");
    if (!value.is_object()) throw Error(ErrorKind::invalid_argument, "invalid filter");
    for (const auto& [name, values] : value.as_object()) {
        std::vector<std::string>& list = filters[name];
        if (values.is_object()) {
            // The form of old clients: {"label": {"a=b": true}}.
            for (const auto& [key, enabled] : values.as_object()) list.push_back(key);
        } else {
            list = with_context([&values = values] { return values.as_strings(); },
                                "invalid filter '{}'", name);
        }
    }
    return filters;
}

json::Value Call::body() const {
    std::string_view type = exchange.headers.get("Content-Type");
    if (type.empty() && exchange.has_body())
        throw Error(ErrorKind::invalid_argument,
                    "malformed Content-Type header (): mime: no media type");
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' ')) type.remove_suffix(1);
    if (exchange.has_body() && !http::equal_folded(type, "application/json"))
        throw Error(ErrorKind::invalid_argument,
                    "Content-Type specified ({}) must be 'application/json'", type);
    const std::string text = exchange.read_body_text();
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        throw Error(ErrorKind::invalid_argument,
                    "invalid JSON: got EOF while reading request body");
    return with_context([&] { return json::parse(text); }, "invalid JSON");
}

json::Value Call::optional_body() const { return exchange.has_body() ? body() : json::Value(); }

}  // namespace hull::server
