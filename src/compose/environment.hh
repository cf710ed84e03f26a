#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::compose {

/// A variable's value and who gave it: "the environment", ".env".
struct Variable {
    std::string value;
    std::string source;
};
/// Variables that interpolation and env files look up.
using Environment = std::map<std::string, Variable, std::less<>>;

/// The process' own variables.
Environment own_environment();

using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
Lookup lookup_in(const Environment& environment);

/// A line of an env file; a name without `=` has no value.
struct EnvironmentLine {
    std::string name;
    std::optional<std::string> value;
};

/// Reads the text of an env file: comments, `export`, quotes (single: literal; double: escapes,
/// several lines), `${…}` looked up in earlier lines and then by `lookup`.
/// Throws invalid_argument "FILE:LINE: …".
std::vector<EnvironmentLine> parse_env_file(std::string_view text, std::string_view file,
                                            const Lookup& lookup);
/// The same in the format `raw`: NAME=value to the end of the line, nothing is looked at.
std::vector<EnvironmentLine> parse_raw_env_file(std::string_view text, std::string_view file);

}  // namespace hull::compose
