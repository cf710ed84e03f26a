#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace hull::registry {

/// Whether `name` fits the specification's grammar of repository names, at most 255 characters.
/// Such a name is safe as a path: no component begins with a dot or an underscore.
bool is_valid_repository(std::string_view name);

/// What a path of the distribution API names.
struct Route {
    enum class Kind { base, catalog, tags, manifest, blob, start_upload, upload, referrers };
    Kind kind = Kind::base;
    std::string repository = {};  ///< as written, not yet checked
    std::string reference = {};   ///< tag or digest, digest, or upload
};

/// Splits a path (percent escapes decoded) under /v2. nullopt when it is no path of the API.
std::optional<Route> parse_route(std::string_view path);

/// A byte range, both ends included.
struct ByteRange {
    unsigned long long first = 0, last = 0;
    bool operator==(const ByteRange&) const = default;
};

/// `FIRST-LAST` of a chunk's Content-Range header, with or without Docker's `bytes ` in front and
/// `/SIZE` behind. nullopt when malformed.
std::optional<ByteRange> parse_content_range(std::string_view text);

/// The single range of a Range header on `size` bytes (RFC 9110 section 14.1.2).
struct WantedRange {
    enum class Verdict { whole, part, unsatisfiable };
    Verdict verdict = Verdict::whole;  ///< whole: none, malformed or several ranges
    ByteRange range = {};
};
WantedRange parse_range(std::string_view header, unsigned long long size);

}  // namespace hull::registry
