#pragma once
#include "base/locked.hh"
#include "registry/storage.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hull::registry {

/// How many bytes a repository may have: the sizes of its blobs and manifests, each counted once
/// in each repository however many share the bytes on disk.
class Quotas {
public:
    struct Limit {
        std::string pattern;  ///< of repository names
        std::uint64_t bytes = 0;
    };
    /// The first limit that fits a repository counts.
    Quotas(const Storage& storage, std::vector<Limit> limits)
        : storage_(storage), limits_(std::move(limits)) {}

    /// Throws a Refusal DENIED when `bytes` more would be too many; takes nothing.
    void check(const std::string& repository, std::uint64_t bytes);
    /// The same and counts them at once, so that pushes side by side do not both fit.
    void take(const std::string& repository, std::uint64_t bytes);
    /// What was removed, or taken and not added after all: counted anew when it matters next.
    void forget(const std::string& repository);
    void forget_all();
    bool limits(const std::string& repository) const { return find_limit(repository).has_value(); }

private:
    std::optional<std::uint64_t> find_limit(const std::string& repository) const;
    std::uint64_t measure(const std::string& repository) const;
    void add(const std::string& repository, std::uint64_t bytes, bool keep);

    const Storage& storage_;
    const std::vector<Limit> limits_;
    Locked<std::map<std::string, std::uint64_t>> used_;  ///< by repository, of those with a limit
};

}  // namespace hull::registry
