#include "files/waste.hh"

#include "archive/tar_entry.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "files/tree.hh"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace hull::files {

namespace {

constexpr int max_depth = 1000;
constexpr std::size_t most_named = 5;

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == 0; }
bool is_opaque(int fd) { return find_xattr(fd, "trusted.overlay.opaque") == "y"; }

/// Files of one layer that are there for one reason.
struct Sum {
    std::uint64_t bytes = 0, files = 0;
    std::vector<std::pair<std::uint64_t, std::string>> largest;

    void add(const std::string& path, std::uint64_t size) {
        bytes += size;
        ++files;
        largest.emplace_back(size, path);
        std::sort(largest.begin(), largest.end(), [](const auto& left, const auto& right) {
            return left.first != right.first ? left.first > right.first
                                             : left.second < right.second;
        });
        if (largest.size() > most_named) largest.pop_back();
    }
};

json::Value to_json(const Sum& sum) {
    json::Array largest;
    for (const auto& [size, path] : sum.largest)
        largest.push_back(json::Object{{"path", path}, {"bytes", size}});
    return json::Object{
        {"bytes", sum.bytes}, {"files", sum.files}, {"largest", std::move(largest)}};
}

struct Waste {
    Sum unchanged, metadata, deleted;
};

/// The same name in a layer below.
struct Below {
    std::size_t layer = 0;
    Fd fd;
    struct stat info {};
};

class Finder {
public:
    Finder(const std::vector<Fd>& layers, std::size_t own)
        : layers_(layers), own_(std::min(own, layers.size())), waste_(own_) {}

    std::vector<Waste> run() {
        for (layer_ = 0; layer_ < own_; ++layer_) {
            std::vector<Below> below;
            for (std::size_t i = layer_ + 1; i < layers_.size(); ++i)
                below.push_back({i, sys::dup(layers_[i].get()), sys::fstat(layers_[i].get())});
            walk(layers_[layer_].get(), below, "", 0);
        }
        std::reverse(waste_.begin(), waste_.end());
        return std::move(waste_);
    }

private:
    void walk(int directory, const std::vector<Below>& below, const std::string& path, int depth) {
        if (below.empty()) return;  // nothing of it was stored before
        check_depth(path, depth);
        for (const std::string& name : list_names(directory)) {
            const Fd fd = find_child(directory, name);
            if (fd) look_at(fd.get(), find_below(below, name), path + "/" + name, depth);
        }
    }

    static void check_depth(const std::string& path, int depth) {
        if (depth > max_depth)
            throw Error(ErrorKind::unsupported,
                        "{}: directories nested deeper than {} cannot be compared",
                        archive::quoted(path), max_depth);
    }

    /// Topmost first, as far down as one can see.
    static std::vector<Below> find_below(const std::vector<Below>& directories,
                                         const std::string& name) {
        std::vector<Below> found;
        for (const Below& directory : directories) {
            if (!S_ISDIR(directory.info.st_mode)) break;
            Fd fd = find_child(directory.fd.get(), name);
            if (!fd) continue;
            const struct stat info = sys::fstat(fd.get());
            if (is_whiteout(info)) break;
            const bool hides = !S_ISDIR(info.st_mode) || is_opaque(fd.get());
            found.push_back({directory.layer, std::move(fd), info});
            if (hides) break;
        }
        return found;
    }

    void look_at(int fd, std::vector<Below> below, const std::string& path, int depth) {
        const struct stat info = sys::fstat(fd);
        if (S_ISDIR(info.st_mode)) {
            const bool hides =
                is_opaque(fd) || (!below.empty() && !S_ISDIR(below.front().info.st_mode));
            if (hides) {
                remove_all(below, path);
                below.clear();
            }
            return walk(fd, below, path, depth + 1);
        }
        if (below.empty()) return;
        const Below& old = below.front();
        if (!S_ISREG(info.st_mode) || !S_ISREG(old.info.st_mode) ||
            info.st_size != old.info.st_size || !has_same_content(fd, old.fd.get()))
            return remove_all(below, path);
        if (info.st_size == 0) return;
        const bool same = info.st_mode == old.info.st_mode && info.st_uid == old.info.st_uid &&
                          info.st_gid == old.info.st_gid &&
                          read_xattrs(fd) == read_xattrs(old.fd.get());
        Waste& waste = waste_[layer_];
        (same ? waste.unchanged : waste.metadata)
            .add(path, static_cast<std::uint64_t>(info.st_size));
    }

    void remove_all(const std::vector<Below>& below, const std::string& path) {
        for (const Below& old : below)
            if (old.layer < own_) remove(old.layer, old.fd.get(), old.info, path, 0);
    }

    void remove(std::size_t layer, int fd, const struct stat& info, const std::string& path,
                int depth) {
        if (S_ISREG(info.st_mode) && info.st_size > 0)
            waste_[layer].deleted.add(path, static_cast<std::uint64_t>(info.st_size));
        if (!S_ISDIR(info.st_mode)) return;
        check_depth(path, depth);
        for (const std::string& name : list_names(fd))
            if (const Fd child = find_child(fd, name))
                remove(layer, child.get(), sys::fstat(child.get()), path + "/" + name, depth + 1);
    }

    bool has_same_content(int left_fd, int right_fd) {
        const Fd left = reopen(left_fd, O_RDONLY), right = reopen(right_fd, O_RDONLY);
        for (;;) {
            const std::size_t left_count = sys::read_full(left.get(), left_buffer_);
            const std::size_t right_count = sys::read_full(right.get(), right_buffer_);
            if (left_count != right_count ||
                !std::equal(left_buffer_.begin(),
                            left_buffer_.begin() + static_cast<std::ptrdiff_t>(left_count),
                            right_buffer_.begin()))
                return false;
            if (left_count < left_buffer_.size()) return true;
        }
    }

    const std::vector<Fd>& layers_;
    const std::size_t own_;
    std::vector<Waste> waste_;  ///< topmost first
    std::size_t layer_ = 0;     ///< the one that is looked through
    std::vector<std::byte> left_buffer_ = std::vector<std::byte>(128UL << 10),
                           right_buffer_ = left_buffer_;
};

}  // namespace

json::Value find_waste(const std::vector<Fd>& layers, std::size_t own) {
    json::Array array;
    for (const Waste& waste : Finder(layers, own).run())
        array.push_back(json::Object{{"unchanged", to_json(waste.unchanged)},
                                     {"metadata", to_json(waste.metadata)},
                                     {"deleted", to_json(waste.deleted)}});
    return array;
}

}  // namespace hull::files
