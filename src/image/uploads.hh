#pragma once
#include "base/file.hh"
#include "base/locked.hh"

#include <cstdint>
#include <map>
#include <string>

namespace hull::image {

/// Uploads that were begun and not finished, by repository and blob: a push that broke goes on
/// there. Kept in a file, so that a killed daemon's are found, too. Thread-safe.
class Uploads {
public:
    explicit Uploads(Path file);

    /// "" when there is none.
    std::string find(const std::string& repository, const std::string& blob);
    /// "" forgets it.
    void set(const std::string& repository, const std::string& blob, const std::string& location);

private:
    struct Upload {
        std::string location;
        std::int64_t begun_s = 0;
    };
    using Map = std::map<std::string, Upload>;
    void write(const Map& uploads) const noexcept;

    const Path file_;
    Locked<Map> uploads_;
};

}  // namespace hull::image
