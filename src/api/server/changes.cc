#include "api/server/changes.hh"

#include "api/server/times.hh"
#include "base/error.hh"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace hull::server {

namespace {

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    return result;
}

/// First word and the rest.
std::pair<std::string_view, std::string_view> split_word(std::string_view text) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    return {text.substr(0, end), trim(text.substr(end))};
}

/// Words as a Dockerfile separates them: quotes group and go, a backslash takes the next character.
std::vector<std::string> split_quoted(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        if (c == '\\' && i + 1 < text.size() && quote != '\'') {
            word += text[++i];
            in_word = true;
        } else if (quote) {
            if (c == quote)
                quote = 0;
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t') {
            if (in_word) words.push_back(std::exchange(word, {}));
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote)
        throw Error(ErrorKind::invalid_argument, "unexpected end of statement while looking for {}",
                    quote);
    if (in_word) words.push_back(std::move(word));
    return words;
}

std::optional<std::vector<std::string>> find_json_strings(std::string_view text) {
    if (!text.starts_with('[')) return std::nullopt;
    try {
        return json::parse(text).as_strings();
    } catch (const Error&) {
        return std::nullopt;  // Docker, too, falls back to the shell form
    }
}

std::vector<std::string> command(std::string_view text, const std::vector<std::string>& shell) {
    if (auto strings = find_json_strings(text)) return std::move(*strings);
    std::vector<std::string> words = shell;
    words.emplace_back(text);
    return words;
}

/// "a=b c=d", or the old "a b c" for a = "b c".
std::vector<std::pair<std::string, std::string>> parse_pairs(std::string_view name,
                                                             std::string_view text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    if (split_word(text).first.find('=') == std::string_view::npos) {
        const auto [key, value] = split_word(text);
        if (value.empty())
            throw Error(ErrorKind::invalid_argument, "{} must have two arguments", name);
        pairs.emplace_back(key, value);
        return pairs;
    }
    for (const std::string& word : split_quoted(text)) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            throw Error(ErrorKind::invalid_argument,
                        "Syntax error - can't find = in \"{}\". Must be of the form: name=value",
                        word);
        pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return pairs;
}

json::Value parse_healthcheck(std::string_view text) {
    json::Object check;
    for (;;) {
        const auto [word, rest] = split_word(text);
        if (!word.starts_with("--")) break;
        const std::size_t equals = std::min(word.find('='), word.size());
        const std::string_view flag = word.substr(2, equals - 2);
        const std::string_view value = word.substr(std::min(equals + 1, word.size()));
        if (flag == "retries") {
            int retries = 0;
            const auto parsed = std::from_chars(value.data(), value.data() + value.size(), retries);
            if (parsed.ec != std::errc() || retries < 0)
                throw Error(ErrorKind::invalid_argument, "--retries must be at least 0: {}", value);
            check["Retries"] = retries;
        } else {
            static constexpr std::pair<std::string_view, std::string_view> members[] = {
                {"interval", "Interval"},
                {"timeout", "Timeout"},
                {"start-period", "StartPeriod"},
                {"start-interval", "StartInterval"}};
            const auto duration = find_duration(value);
            bool known = false;
            for (const auto& [name, member] : members) {
                if (flag != name) continue;
                known = true;
                if (duration) check[member] = *duration;
            }
            if (!known || !duration)
                throw Error(ErrorKind::invalid_argument, "HEALTHCHECK: invalid option {}", word);
        }
        text = rest;
    }
    const auto [type, rest] = split_word(text);
    const std::string kind = upper(type);
    json::Array test;
    if (kind == "NONE") {
        if (!rest.empty())
            throw Error(ErrorKind::invalid_argument, "HEALTHCHECK NONE takes no arguments");
        test.push_back("NONE");
    } else if (kind == "CMD") {
        if (rest.empty())
            throw Error(ErrorKind::invalid_argument, "Missing command after HEALTHCHECK CMD");
        if (auto strings = find_json_strings(rest)) {
            test.push_back("CMD");
            for (std::string& word : *strings) test.push_back(std::move(word));
        } else {
            test.push_back("CMD-SHELL");
            test.push_back(std::string(rest));
        }
    } else {
        throw Error(ErrorKind::invalid_argument, "Unknown type \"{}\" in HEALTHCHECK (try CMD)",
                    type);
    }
    check["Test"] = std::move(test);
    return check;
}

void set_environment(json::Value& list, const std::string& name, const std::string& value) {
    if (list.is_null()) list = json::Array();
    for (json::Value& entry : list.as_array()) {
        if (!entry.as_string().starts_with(name + "=")) continue;
        entry = name + "=" + value;
        return;
    }
    list.as_array().push_back(name + "=" + value);
}

std::string with_protocol(const std::string& port) {
    return port.find('/') == std::string::npos ? port + "/tcp" : port;
}

void apply(json::Value& config, std::vector<std::string>& shell, std::string_view line) {
    const auto [word, text] = split_word(line);
    const std::string name = upper(word);
    if (text.empty())
        throw Error(ErrorKind::invalid_argument, "{} requires at least one argument", name);
    if (name == "CMD") {
        config["Cmd"] = json::Value(command(text, shell));
    } else if (name == "ENTRYPOINT") {
        config["Entrypoint"] = json::Value(command(text, shell));
    } else if (name == "ENV") {
        for (const auto& [key, value] : parse_pairs(name, text))
            set_environment(config["Env"], key, value);
    } else if (name == "LABEL") {
        for (const auto& [key, value] : parse_pairs(name, text)) config["Labels"][key] = value;
    } else if (name == "EXPOSE") {
        for (const std::string& port : split_quoted(text))
            config["ExposedPorts"][with_protocol(port)] = json::Object();
    } else if (name == "VOLUME") {
        for (const std::string& path : find_json_strings(text).value_or(split_quoted(text)))
            config["Volumes"][path] = json::Object();
    } else if (name == "USER") {
        config["User"] = text;
    } else if (name == "WORKDIR") {
        const bool absolute = text.starts_with('/');
        const json::Value& old = std::as_const(config)["WorkingDir"];
        const std::string base = old.is_string() ? old.as_string() : "";
        config["WorkingDir"] = absolute
                                   ? std::string(text)
                                   : base + (base.ends_with('/') ? "" : "/") + std::string(text);
    } else if (name == "STOPSIGNAL") {
        config["StopSignal"] = text;
    } else if (name == "ONBUILD") {
        json::Value& list = config["OnBuild"];
        if (list.is_null()) list = json::Array();
        list.as_array().push_back(text);
    } else if (name == "SHELL") {
        auto strings = find_json_strings(text);
        if (!strings)
            throw Error(ErrorKind::invalid_argument,
                        "SHELL requires the arguments to be in JSON form");
        config["Shell"] = json::Value(*strings);
        shell = std::move(*strings);
    } else if (name == "HEALTHCHECK") {
        config["Healthcheck"] = parse_healthcheck(text);
    } else {
        throw Error(ErrorKind::invalid_argument, "{} is not a valid change command", name);
    }
}

}  // namespace

json::Value parse_changes(const std::vector<std::string>& lines, const std::string& working_dir) {
    json::Value config{json::Object()};
    if (!working_dir.empty()) config["WorkingDir"] = working_dir;
    std::vector<std::string> shell{"/bin/sh", "-c"};
    for (const std::string& change : lines) {
        std::string_view rest = change;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            const std::string_view line = trim(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            if (!line.empty() && !line.starts_with('#')) apply(config, shell, line);
        }
    }
    return config;
}

}  // namespace hull::server
