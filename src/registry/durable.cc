#include "registry/durable.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace hull::registry::durable {

namespace {

Path parent_of(const Path& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

void make_directories(const Path& path) {
    if (::mkdir(path.c_str(), 0750) == 0) return sync_directory(parent_of(path));
    if (errno == EEXIST) return;
    if (errno != ENOENT || path.empty()) throw_errno(errno, "making directory {}", path);
    make_directories(parent_of(path));
    if (::mkdir(path.c_str(), 0750) != 0 && errno != EEXIST)
        throw_errno(errno, "making directory {}", path);
    sync_directory(parent_of(path));
}

void write(const Path& path, std::string_view content) {
    const Path directory = parent_of(path);
    make_directories(directory);
    write_file_atomic(path, content, 0640);
    sync_directory(directory);
}

void place(const Path& from, const Path& path) {
    const Path directory = parent_of(path);
    make_directories(directory);
    sys::rename(from, path);
    sync_directory(directory);
}

bool remove(const Path& path) {
    if (::unlink(path.c_str()) != 0 && (errno != EISDIR || ::rmdir(path.c_str()) != 0)) {
        if (errno == ENOENT || errno == ENOTDIR) return false;
        throw_errno(errno, "removing {}", path);
    }
    sync_directory(parent_of(path));
    return true;
}

}  // namespace hull::registry::durable
