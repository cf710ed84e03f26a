#include "cli/tree_archive.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

namespace hull::cli {
namespace {

using archive::Entry;
using archive::EntryType;

constexpr std::size_t chunk_bytes = 256 << 10;
constexpr const char* capability = "security.capability";

std::string read_link(int directory, const std::string& name, std::size_t size_hint) {
    std::string target(size_hint + 256, '\0');
    const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) throw_errno(errno, "reading the link {}", name);
    target.resize(static_cast<std::size_t>(length));
    return target;
}

EntryType type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR: return EntryType::directory;
        case S_IFLNK: return EntryType::symlink;
        case S_IFCHR: return EntryType::char_device;
        case S_IFBLK: return EntryType::block_device;
        case S_IFIFO: return EntryType::fifo;
        default: return EntryType::file;
    }
}

Entry make_entry(const struct stat& stat, const std::string& name) {
    Entry entry;
    entry.type = type_of(stat.st_mode);
    entry.name = name;
    entry.mode = stat.st_mode & 07777;
    entry.uid = stat.st_uid;
    entry.gid = stat.st_gid;
    entry.mtime = {stat.st_mtim.tv_sec, static_cast<std::uint32_t>(stat.st_mtim.tv_nsec)};
    if (entry.type == EntryType::file)
        entry.size = entry.stored_size = static_cast<std::uint64_t>(stat.st_size);
    if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
        entry.device_major = major(stat.st_rdev);
        entry.device_minor = minor(stat.st_rdev);
    }
    return entry;
}

}  // namespace

TreeArchive::TreeArchive(const Path& source, std::string name, bool follow, Skip skip)
    : skip_(std::move(skip)), tar_([this](std::span<const std::byte> piece) {
          pending_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      }) {
    add(AT_FDCWD, source, name, "", follow);
}

bool TreeArchive::is_skipped(const Level& level, const std::string& child,
                             const std::string& path) const {
    if (!skip_) return false;
    struct stat stat = {};
    if (::fstatat(level.directory.get(), child.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return false;  // whoever reads it says why
    return skip_(path, S_ISDIR(stat.st_mode));
}

void TreeArchive::add(int directory, const std::string& child, const std::string& name,
                      const std::string& path, bool follow) {
    struct stat stat = {};
    if (::fstatat(directory, child.c_str(), &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "{}", directory == AT_FDCWD ? child : name);
    if (S_ISSOCK(stat.st_mode)) return;
    Entry entry = make_entry(stat, name);
    const int no_follow = follow ? 0 : O_NOFOLLOW;
    if (entry.type == EntryType::symlink) {
        entry.link_target = read_link(directory, child, static_cast<std::size_t>(stat.st_size));
        entry.mode = 0777;
    } else if (entry.type == EntryType::directory) {
        Fd opened = sys::openat(directory, child, O_RDONLY | O_DIRECTORY | no_follow);
        if (levels_.empty()) top_is_directory_ = true;
        tar_.add(entry);
        enter(std::move(opened), name, path);
        return;
    } else if (entry.type == EntryType::file) {
        const std::pair identity{stat.st_dev, stat.st_ino};
        const auto first = linked_.find(identity);
        if (stat.st_nlink > 1 && first != linked_.end()) {
            entry.type = EntryType::hard_link;
            entry.link_target = first->second;
            entry.size = entry.stored_size = 0;
            tar_.add(entry);
            return;
        }
        if (stat.st_nlink > 1) linked_.emplace(identity, name);
        // A pipe may have taken the file's place since: O_NONBLOCK keeps us from waiting on it.
        file_ = sys::openat(directory, child, O_RDONLY | no_follow | O_NONBLOCK);
        char value[64];
        const ssize_t size = ::fgetxattr(file_.get(), capability, value, sizeof value);
        if (size > 0) entry.xattrs[capability] = std::string(value, static_cast<std::size_t>(size));
        file_name_ = name;
        file_left_ = entry.size;
    }
    tar_.add(entry);
}

void TreeArchive::enter(Fd directory, std::string name, std::string path) {
    std::vector<std::string> children =
        sys::list_directory(fmt::format("/proc/self/fd/{}", directory.get()));
    levels_.push_back(
        {std::move(directory), std::move(name), std::move(path), std::move(children)});
}

/// Puts more of the stream into pending_; false when there is no more.
bool TreeArchive::advance() {
    if (file_left_ > 0) {
        std::vector<std::byte> buffer(std::min<std::uint64_t>(file_left_, chunk_bytes));
        const std::size_t count = sys::read(file_.get(), buffer);
        if (count == 0)
            throw Error(ErrorKind::conflict, "{} became shorter while it was copied", file_name_);
        tar_.write(std::span(buffer).first(count));
        file_left_ -= count;
        bytes_ += count;
        return true;
    }
    file_ = Fd();
    while (!levels_.empty()) {
        Level& level = levels_.back();
        if (level.next == level.children.size()) {
            levels_.pop_back();
            continue;
        }
        const std::string child = level.children[level.next++];
        const std::string path = level.path.empty() ? child : level.path + "/" + child;
        if (is_skipped(level, child, path)) continue;
        add(level.directory.get(), child, level.name + "/" + child, path, false);
        return true;
    }
    if (finished_) return false;
    tar_.finish();
    finished_ = true;
    return true;
}

std::size_t TreeArchive::read(std::span<std::byte> buffer) {
    while (given_ == pending_.size()) {
        pending_.clear();
        given_ = 0;
        if (!advance()) return 0;
    }
    const std::size_t count = std::min(buffer.size(), pending_.size() - given_);
    std::memcpy(buffer.data(), pending_.data() + given_, count);
    given_ += count;
    return count;
}

}  // namespace hull::cli
