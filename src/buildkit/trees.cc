#include "buildkit/trees.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace hull::buildkit {

std::vector<std::string> list_names(int directory) {
    Fd opened = sys::openat(directory, ".", O_RDONLY | O_DIRECTORY);
    DIR* const stream = ::fdopendir(opened.get());
    if (!stream) throw_errno(errno, "reading a directory");
    (void)opened.release();
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    return names;
}

void remove_at(int parent, const std::string& name) {
    struct stat info {};
    if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return;
        throw_errno(errno, "removing {}", name);
    }
    if (S_ISDIR(info.st_mode)) {
        ::fchmodat(parent, name.c_str(), 0700, 0);  // one that is closed to us, too
        const Fd directory = sys::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        for (const std::string& below : list_names(directory.get()))
            remove_at(directory.get(), below);
    }
    if (::unlinkat(parent, name.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) != 0)
        throw_errno(errno, "removing {}", name);
}

}  // namespace hull::buildkit
