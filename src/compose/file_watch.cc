#include "compose/file_watch.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "compose/values.hh"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

namespace hull::compose {
namespace {

constexpr std::uint32_t watched_events =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;

/// Matches the whole of `path`; `**` takes any number of names.
bool matches(std::string_view path, std::string_view pattern) {
    while (!pattern.empty()) {
        if (pattern.starts_with("**")) {
            pattern.remove_prefix(2);
            if (pattern.starts_with('/')) pattern.remove_prefix(1);
            if (pattern.empty()) return true;
            for (std::size_t at = 0; at <= path.size(); ++at)
                if ((at == 0 || path[at - 1] == '/') && matches(path.substr(at), pattern))
                    return true;
            return false;
        }
        if (pattern[0] == '*') {
            pattern.remove_prefix(1);
            for (std::size_t at = 0; at <= path.size(); ++at) {
                if (matches(path.substr(at), pattern)) return true;
                if (at < path.size() && path[at] == '/') break;
            }
            return false;
        }
        if (path.empty() || (pattern[0] != '?' && pattern[0] != path[0]) ||
            (pattern[0] == '?' && path[0] == '/'))
            return false;
        path.remove_prefix(1);
        pattern.remove_prefix(1);
    }
    return path.empty();
}

}  // namespace

bool matches_any(const std::string& path, const std::vector<std::string>& patterns) {
    bool matched = false;
    for (std::string_view pattern : patterns) {
        const bool except = pattern.starts_with('!');
        if (except) pattern.remove_prefix(1);
        const std::string clean =
            clean_path(pattern.starts_with('/') ? pattern.substr(1) : pattern);
        for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
            if (matches(std::string_view(path).substr(0, end), clean)) matched = !except;
            if (end == std::string::npos) break;
        }
    }
    return matched;
}

FileWatch::FileWatch() : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (!fd_) throw_errno(errno, "inotify_init1");
}

void FileWatch::add(const std::string& path) {
    struct stat stat = {};
    if (::stat(path.c_str(), &stat) != 0) throw_errno(errno, "watching {}", path);
    if (S_ISDIR(stat.st_mode)) return add_tree(path, nullptr);
    // A file is replaced rather than written by many editors: its directory is what is watched.
    const std::string directory = parent_directory(path);
    files_[directory].insert(path.substr(path.rfind('/') + 1));
    const int watch = ::inotify_add_watch(fd_.get(), directory.c_str(), watched_events);
    if (watch < 0) throw_errno(errno, "watching {}", directory);
    directories_[watch] = directory;
}

void FileWatch::add_tree(const std::string& directory, std::set<std::string>* found) {
    const int watch =
        ::inotify_add_watch(fd_.get(), directory.c_str(), watched_events | IN_DONT_FOLLOW);
    if (watch < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return;  // gone already, or a link
        throw_errno(errno, "watching {}", directory);
    }
    directories_[watch] = directory;
    files_.erase(directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), ::closedir);
    if (!listing) return;
    while (const dirent* entry = ::readdir(listing.get())) {
        const std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        if (entry->d_type == DT_DIR)
            add_tree(join(directory, name), found);
        else if (found)
            found->insert(join(directory, name));
    }
}

std::set<std::string> FileWatch::take() {
    std::set<std::string> changed;
    alignas(inotify_event) char buffer[16384];
    for (ssize_t count; (count = ::read(fd_.get(), buffer, sizeof buffer)) > 0;) {
        for (const char* at = buffer; at < buffer + count;) {
            const auto* event = reinterpret_cast<const inotify_event*>(at);
            at += sizeof(inotify_event) + event->len;
            const auto directory = directories_.find(event->wd);
            if (directory == directories_.end()) continue;
            if (event->mask & IN_IGNORED) {
                directories_.erase(directory);
                continue;
            }
            if (event->len == 0) continue;
            const std::string name = event->name;
            const auto only = files_.find(directory->second);
            if (only != files_.end() && !only->second.contains(name)) continue;
            const std::string path = join(directory->second, name);
            if (event->mask & IN_ISDIR) {
                if (event->mask & (IN_CREATE | IN_MOVED_TO)) add_tree(path, &changed);
                if (event->mask & (IN_DELETE | IN_MOVED_FROM)) changed.insert(path);
            } else if (!(event->mask & IN_CREATE)) {
                changed.insert(path);  // a new file is told of when it is closed
            }
        }
    }
    return changed;
}

}  // namespace hull::compose
