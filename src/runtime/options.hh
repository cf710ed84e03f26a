#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::runtime {

/// One flag of a command: `--name VALUE`, `--name=VALUE`, or `--name` alone.
struct Flag {
    std::string_view name;        ///< without dashes
    std::string_view short_name;  ///< "b" for -b, may be empty
    bool takes_value = true;
    std::string_view help;
};

/// A command line taken apart.
class Options {
public:
    /// With `stop_at_positional` everything from the first word that is no flag on is positional.
    /// Throws invalid_argument for unknown flags and missing values.
    static Options parse(std::span<const Flag> flags, std::span<const std::string> words,
                         bool stop_at_positional);

    bool has(std::string_view name) const;
    std::optional<std::string> find(std::string_view name) const;  ///< the last one wins
    std::string get(std::string_view name, std::string_view otherwise) const;
    std::vector<std::string> all(std::string_view name) const;
    const std::vector<std::string>& positional() const { return positional_; }
    /// The positional word, or invalid_argument naming what is missing.
    const std::string& positional(std::size_t index, std::string_view what) const;

private:
    std::vector<std::pair<std::string, std::string>> values_;
    std::vector<std::string> positional_;
};

}  // namespace hull::runtime
