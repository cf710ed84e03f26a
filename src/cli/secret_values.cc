#include "cli/secret_values.hh"

#include "cli/values.hh"

#include <charconv>

namespace hull::cli {

namespace {

std::int64_t parse_number(std::string_view key, std::string_view text, int base) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size() || number < 0)
        fail("--secret: invalid {} '{}'", key, text);
    return number;
}

}  // namespace

api::SecretUse parse_secret_use(std::string_view text) {
    api::SecretUse use;
    for (const std::string& field : split_csv(text)) {
        const auto [raw_key, value] = cut(field, '=');
        const std::string key = lower(raw_key);
        if (!value) {
            if (!use.source.empty()) fail("--secret {}: '{}' is no key=value pair", text, field);
            use.source = field;
        } else if (key == "source" || key == "src" || key == "id") {
            use.source = *value;
        } else if (key == "target" || key == "dst" || key == "destination") {
            use.target = *value;
        } else if (key == "env") {
            use.env = value->empty() ? use.source : std::string(*value);
        } else if (key == "uid") {
            use.uid = parse_number(key, *value, 10);
        } else if (key == "gid") {
            use.gid = parse_number(key, *value, 10);
        } else if (key == "mode") {
            use.mode = parse_number(key, *value, 8);
        } else {
            fail("--secret {}: unexpected key '{}': use source, target, env, uid, gid and mode",
                 text, raw_key);
        }
    }
    if (use.source.empty()) fail("--secret {}: the secret's name is missing", text);
    return use;
}

void check_secret_use(std::string_view text) { parse_secret_use(text); }

}  // namespace hull::cli
