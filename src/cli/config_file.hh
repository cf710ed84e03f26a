#pragma once
#include "base/file.hh"
#include "base/json.hh"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace hull::cli {

/// Docker's config.json, as it is: members that we do not know stay when we write it.
class ConfigFile {
public:
    ConfigFile() = default;
    explicit ConfigFile(Path directory) : directory_(std::move(directory)) {}

    const Path& directory() const { return directory_; }
    /// A member, null when there is none. Reads the file on first use; throws invalid_argument
    /// when it is no JSON object. A file that we may not read counts as none: see problem().
    const json::Value& get(std::string_view name);
    /// Writes the file with this member changed; null removes it. A new file is the user's alone
    /// (0600), an old one keeps its mode, and a link to one stays a link.
    /// Throws forbidden when it could not be read.
    void set(std::string_view name, json::Value value);
    /// Why the file could not be read, once; "" when there is nothing to tell.
    std::string take_problem() { return std::exchange(problem_, {}); }

private:
    json::Value& content();
    Path directory_;
    std::optional<json::Value> content_;
    bool readable_ = true;
    std::string problem_;
};

}  // namespace hull::cli
