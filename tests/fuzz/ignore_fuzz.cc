#include "base/error.hh"
#include "build/dockerfile/ignore.hh"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace hull::build::dockerfile;

/// A .dockerignore, a zero byte, a path. A directory that may be skipped has nothing below it that
/// is wanted.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = text.find('\0');
    const std::string_view file = text.substr(0, end);
    const std::string path(end == std::string_view::npos ? "a/b" : text.substr(end + 1));
    try {
        const IgnorePatterns patterns(parse_ignore_file(file));
        const bool excluded = patterns.is_excluded(path);
        if (excluded && patterns.deciding_pattern(path).empty()) std::abort();
        // Paths are relative to the context: "/" and what leads out of it name no directory of it.
        const bool is_inside = path.find("..") == std::string::npos && !path.starts_with('/');
        if (is_inside && patterns.can_skip_directory(path))
            for (const char* below : {"/a", "/a/b", "/x.c"})
                if (!patterns.is_excluded(path + below)) std::abort();
    } catch (const hull::Error&) {
    }
    try {
        match_path(file, path);
    } catch (const hull::Error&) {
    }
    return 0;
}
