#include "store/snapshotter.hh"

#include "archive/erofs_reader.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "oci/digest.hh"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

namespace hull::store {

namespace {

/// What both kinds share: one name per layer in one directory.
class NamedSnapshotter : public Snapshotter {
public:
    NamedSnapshotter(Path directory, std::string_view suffix)
        : directory_(std::move(directory)), suffix_(suffix) {}

    bool exists(std::string_view diff_id) const override {
        return sys::find_stat(path(diff_id)).has_value();
    }

    void remove(std::string_view diff_id, const Path& trash) override {
        if (!exists(diff_id)) return;
        sys::rename(path(diff_id), join(trash, random_hex(8)));
    }

    std::vector<std::string> list() const override {
        std::vector<std::string> diff_ids;
        for (const std::string& name : sys::list_directory(directory_))
            if (const auto diff_id = find_diff_id(name)) diff_ids.push_back(*diff_id);
        return diff_ids;
    }

    void recover() override {
        for (const std::string& name : sys::list_directory(directory_))
            if (!find_diff_id(name)) sys::remove_tree(join(directory_, name));
    }

protected:
    Path path(std::string_view diff_id) const {
        return join(directory_, std::string(oci::Digest::parse(diff_id).hex()) + suffix_);
    }

    std::optional<std::string> find_diff_id(std::string_view name) const {
        if (!name.ends_with(suffix_)) return std::nullopt;
        const auto digest = oci::Digest::find(
            "sha256:" + std::string(name.substr(0, name.size() - suffix_.size())));
        if (!digest) return std::nullopt;
        return digest->str();
    }

    /// False when `to` exists, which then stays.
    bool move_into_place(const Path& from, const Path& to) const {
        if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
            if (errno == EEXIST) return false;
            throw_errno(errno, "rename {} to {}", from, to);
        }
        sync_directory(directory_);
        return true;
    }

    const Path directory_;
    const std::string suffix_;
};

class ErofsSnapshotter final : public NamedSnapshotter {
public:
    explicit ErofsSnapshotter(Path directory) : NamedSnapshotter(std::move(directory), ".erofs") {}

    std::string_view name() const override { return "erofs"; }

    bool commit(std::string_view diff_id, const Path& staged) override {
        if (move_into_place(staged, path(diff_id))) return true;
        sys::unlink(staged);
        return false;
    }

    linux_::LowerLayer lower(std::string_view diff_id) const override {
        return {linux_::LowerLayer::Kind::erofs_image, path(diff_id)};
    }

    std::uint64_t disk_bytes(std::string_view diff_id) const override {
        const auto info = sys::find_stat(path(diff_id));
        return info ? static_cast<std::uint64_t>(info->st_blocks) * 512 : 0;
    }
};

std::uint64_t tree_bytes(const Path& path) {
    const auto info = sys::find_stat(path);
    if (!info) return 0;
    std::uint64_t bytes = static_cast<std::uint64_t>(info->st_blocks) * 512 /
                          (S_ISDIR(info->st_mode) ? 1 : info->st_nlink);
    if (S_ISDIR(info->st_mode))
        for (const std::string& name : sys::list_directory(path))
            bytes += tree_bytes(join(path, name));
    return bytes;
}

class DirectorySnapshotter final : public NamedSnapshotter {
public:
    explicit DirectorySnapshotter(Path directory)
        : NamedSnapshotter(std::move(directory), ".dir") {}

    std::string_view name() const override { return "directory"; }

    bool commit(std::string_view diff_id, const Path& staged) override {
        if (exists(diff_id)) {
            sys::unlink(staged);
            return false;
        }
        const Path partial = join(directory_, "partial-" + random_hex(8));
        struct RemovePartial {
            const Path& path;
            ~RemovePartial() {
                try {
                    sys::remove_tree(path);
                } catch (const Error&) {
                    // recover() takes it at the next start
                }
            }
        } const remove_partial{partial};
        sys::mkdir(partial, 0755);
        const Fd image = sys::open(staged, O_RDONLY | O_NOFOLLOW);
        const Fd tree = sys::open(partial, O_RDONLY | O_DIRECTORY);
        const bool root = ::geteuid() == 0;
        archive::extract_erofs(archive::ErofsReader(image.get()), tree.get(),
                               {.ownership = root, .devices = root, .trusted_xattrs = root});
        if (::syncfs(tree.get()) != 0) throw_errno(errno, "syncfs {}", partial);
        const bool placed = move_into_place(partial, path(diff_id));
        sys::unlink(staged);
        return placed;
    }

    linux_::LowerLayer lower(std::string_view diff_id) const override {
        return {linux_::LowerLayer::Kind::directory, path(diff_id)};
    }

    std::uint64_t disk_bytes(std::string_view diff_id) const override {
        return tree_bytes(path(diff_id));
    }
};

}  // namespace

std::unique_ptr<Snapshotter> make_erofs_snapshotter(Path directory) {
    return std::make_unique<ErofsSnapshotter>(std::move(directory));
}

std::unique_ptr<Snapshotter> make_directory_snapshotter(Path directory) {
    return std::make_unique<DirectorySnapshotter>(std::move(directory));
}

bool can_mount_erofs() {
    if (::geteuid() != 0) return false;
    if (find_file("/proc/filesystems").value_or("").find("\terofs\n") != std::string::npos)
        return true;
    utsname kernel{};
    ::uname(&kernel);
    const Path module = fmt::format("/lib/modules/{}/kernel/fs/erofs/erofs.ko", kernel.release);
    for (const char* compression : {"", ".xz", ".zst", ".gz"})  // mount(2) loads it
        if (sys::find_stat(module + compression)) return true;
    return false;
}

}  // namespace hull::store
