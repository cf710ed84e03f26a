#include "buildkit/file_stat.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "buildkit/message.hh"

#include <sys/stat.h>

#include <algorithm>

namespace hull::buildkit {

namespace {

constexpr std::uint32_t go_setuid = 1U << 23, go_setgid = 1U << 22, go_sticky = 1U << 20;

/// Names below a root and nothing else: no `..`, nothing absolute, nothing empty.
bool stays_inside(std::string_view path) {
    if (path.empty() || path.find('\0') != std::string_view::npos) return false;
    const auto parts = split_views(path, '/');
    return std::none_of(parts.begin(), parts.end(), [](std::string_view part) {
        return part.empty() || part == "." || part == "..";
    });
}

}  // namespace

mode_t FileStat::permissions() const {
    mode_t bits = mode & 0777;
    if (mode & go_setuid) bits |= S_ISUID;
    if (mode & go_setgid) bits |= S_ISGID;
    if (mode & go_sticky) bits |= S_ISVTX;
    return bits;
}

std::uint32_t go_mode(mode_t mode) {
    std::uint32_t bits = mode & 0777;
    if (mode & S_ISUID) bits |= go_setuid;
    if (mode & S_ISGID) bits |= go_setgid;
    if (mode & S_ISVTX) bits |= go_sticky;
    if (S_ISDIR(mode)) bits |= 1U << 31;
    if (S_ISLNK(mode)) bits |= 1U << 27;
    return bits;
}

FileStat parse_file_stat(std::string_view bytes) {
    FileStat file;
    MessageReader reader(bytes);
    for (Field field; reader.next(field);) {
        switch (field.number) {
            case 1: file.path = field.bytes; break;
            case 2: file.mode = static_cast<std::uint32_t>(field.value); break;
            case 3: file.uid = static_cast<std::uint32_t>(field.value); break;
            case 4: file.gid = static_cast<std::uint32_t>(field.value); break;
            case 5: file.size = field.as_int(); break;
            case 6: file.modified_ns = field.as_int(); break;
            case 7: file.link = field.bytes; break;
            default: break;  // devices and extended attributes are no part of a context
        }
    }
    if (!stays_inside(file.path))
        throw Error(ErrorKind::invalid_argument,
                    "the client names a file \"{}\", which is none below its directory", file.path);
    if (file.is_regular() && !file.link.empty() && !stays_inside(file.link))
        throw Error(ErrorKind::invalid_argument,
                    "the client names a file \"{}\", which is none below its directory", file.link);
    return file;
}

std::string format_file_stat(const FileStat& file) {
    MessageWriter writer;
    writer.text(1, file.path)
        .number(2, file.mode)
        .number(3, file.uid)
        .number(4, file.gid)
        .number(5, static_cast<std::uint64_t>(file.size))
        .number(6, static_cast<std::uint64_t>(file.modified_ns))
        .text(7, file.link);
    return writer.bytes();
}

}  // namespace hull::buildkit
