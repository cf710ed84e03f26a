#pragma once
#include "base/file.hh"
#include "base/locked.hh"
#include "engine/host.hh"
#include "oci/runtime_spec.hh"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// How a container's system calls are filtered: by a compiled file, or (a filter with flags or a
/// listener) by the profile in the spec; neither: unconfined.
struct SeccompChoice {
    Path filter;
    std::optional<oci::Seccomp> profile;
};

/// Compiled filters by profile and capabilities, in memory and as files: compiling takes
/// milliseconds, a run has few.
class SeccompCache {
public:
    SeccompCache(Path directory, const Host& host)
        : directory_(std::move(directory)), host_(host) {}

    /// `profile` is JSON in Docker's or the runtime-spec's format.
    SeccompChoice get(std::string_view profile, const std::vector<std::string>& capabilities);

private:
    SeccompChoice make(std::string_view profile, const std::vector<std::string>& capabilities,
                       const std::string& hash);
    Path directory_;
    const Host& host_;
    Locked<std::map<std::string, SeccompChoice>> known_;
};

}  // namespace hull::engine
