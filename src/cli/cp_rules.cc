#include "cli/cp_rules.hh"

#include "base/error.hh"

#include <array>
#include <cstdint>

namespace hull::cli {
namespace {

constexpr std::uint64_t go_directory = 1ULL << 31, go_link = 1ULL << 27;

std::string decode_base64(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
        if (c == '=') break;
        if (c == '-') c = '+';
        if (c == '_') c = '/';
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos)
            throw Error(ErrorKind::invalid_argument,
                        "the daemon's description of the path is no base64");
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xff);
    }
    return bytes;
}

bool ends_in_dot(std::string_view path) { return path == "." || path.ends_with("/."); }

std::string_view without_trailing(std::string_view path) {
    for (;;) {
        if (path.size() > 1 && path.ends_with('/'))
            path.remove_suffix(1);
        else if (path.size() > 2 && path.ends_with("/."))
            path.remove_suffix(1);
        else
            return path;
    }
}

}  // namespace

CopyPlace parse_copy_place(std::string_view text) {
    const std::size_t colon = text.find(':');
    // A path of ours with a colon is told by its beginning: / or a dot.
    if (colon == std::string_view::npos || text.starts_with('/') || text.starts_with('.'))
        return {"", std::string(text)};
    return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string base_name(std::string_view path) {
    path = without_trailing(path);
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return name == "." || name == ".." ? "" : std::string(name);
}

std::string parent_path(std::string_view path) {
    path = without_trailing(path);
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

CopyDestination choose_copy_destination(std::string_view source, bool source_is_directory,
                                        std::string_view destination, const CopyTarget& target) {
    if (target.exists && target.is_directory) {
        const bool content =
            source_is_directory && (ends_in_dot(source) || base_name(source).empty());
        return {std::string(destination), content ? "" : base_name(source)};
    }
    if (target.exists && source_is_directory)
        throw Error(ErrorKind::invalid_argument,
                    "cannot copy directory {} to {}, which is not a directory", source,
                    destination);
    const bool wants_directory = destination.ends_with('/') || ends_in_dot(destination);
    if (target.exists && wants_directory)
        throw Error(ErrorKind::invalid_argument, "{} is not a directory", destination);
    if (!target.exists && wants_directory && !source_is_directory)
        throw Error(ErrorKind::invalid_argument,
                    "no such directory: {} (a trailing / asks for one that is there)", destination);
    return {parent_path(destination), base_name(destination)};
}

PathStat parse_path_stat(std::string_view header) {
    const json::Value value = json::parse(decode_base64(header));
    PathStat stat;
    if (value["name"].is_string()) stat.name = value["name"].as_string();
    if (value["linkTarget"].is_string()) stat.link_target = value["linkTarget"].as_string();
    const std::uint64_t mode = value["mode"].is_number() ? value["mode"].as_uint() : 0;
    stat.is_directory = mode & go_directory;
    stat.is_link = mode & go_link;
    return stat;
}

}  // namespace hull::cli
