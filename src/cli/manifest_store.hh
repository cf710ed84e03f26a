#pragma once
#include "base/file.hh"
#include "base/json.hh"

#include <optional>
#include <string>
#include <vector>

namespace hull::cli {

/// A manifest list in the making: below the configuration's directory, until it is pushed or
/// removed. An entry is {"Ref", "Descriptor", "Text"}.
class ManifestStore {
public:
    explicit ManifestStore(const Path& configuration);

    bool has_list(const std::string& list) const;
    /// In the order of their references.
    std::vector<json::Value> entries(const std::string& list) const;
    std::optional<json::Value> find(const std::string& list, const std::string& reference) const;
    void put(const std::string& list, const std::string& reference, const json::Value& entry);
    /// False when there is none.
    bool remove(const std::string& list);

private:
    Path directory_of(const std::string& list) const;
    Path directory_;
};

}  // namespace hull::cli
