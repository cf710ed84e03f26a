#include "archive/layer_tree.hh"

#include "archive/erofs_format.hh"
#include "base/error.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace hull::archive {

namespace {

constexpr std::uint32_t none = UINT32_MAX;
constexpr int max_symlinks = 40;

[[noreturn]] void refuse(std::string_view path, std::string_view why) {
    throw Error(ErrorKind::invalid_argument, "entry {}: {}", quoted(path), why);
}

/// Components of a path, last one first, so that the next to walk is at the back.
using Components = std::vector<std::string_view>;

/// Puts the components of `path` behind those in `into`; `.` and empty ones vanish.
void push_components(Components& into, std::string_view path) {
    std::size_t end = path.size();
    while (end > 0) {
        const std::size_t slash = path.rfind('/', end - 1);
        const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
        const std::string_view part = path.substr(begin, end - begin);
        if (!part.empty() && part != ".") into.push_back(part);
        if (slash == std::string_view::npos) break;
        end = slash;
    }
}

void check_component(std::string_view path, std::string_view part) {
    if (part == "..") refuse(path, "the name leads out of its directory (..)");
    if (part.size() > erofs::max_name_bytes) refuse(path, "a name longer than 255 bytes");
    if (part.find('\0') != std::string_view::npos) refuse(path, "a name with a NUL byte");
}

}  // namespace

std::span<std::byte> Arena::allocate(std::size_t size) {
    constexpr std::size_t block_bytes = 256UL << 10;
    used_ += size;
    if (size > block_bytes / 4) {
        // Its own block, put below the current one, which still has room.
        blocks_.insert(blocks_.empty() ? blocks_.end() : blocks_.end() - 1,
                       std::make_unique<std::byte[]>(size));
        if (blocks_.size() == 1) left_ = 0;
        return {(blocks_.size() == 1 ? blocks_.back() : blocks_[blocks_.size() - 2]).get(), size};
    }
    if (size > left_) {
        blocks_.push_back(std::make_unique<std::byte[]>(block_bytes));
        left_ = block_bytes;
    }
    const std::span<std::byte> piece(blocks_.back().get() + (block_bytes - left_), size);
    left_ -= size;
    return piece;
}

std::string_view Arena::keep(std::string_view text) {
    if (text.empty()) return {};
    const auto piece = allocate(text.size());
    std::memcpy(piece.data(), text.data(), text.size());
    return {reinterpret_cast<const char*>(piece.data()), text.size()};
}

LayerTree::LayerTree(ErofsLimits limits) : limits_(limits) {
    LayerInode directory;
    directory.mode = S_IFDIR | 0755;
    directory.made_for_child = true;
    inodes_.push_back(std::move(directory));
}

void LayerTree::check_memory() const {
    const std::uint64_t bytes = arena_.used() + inodes_.size() * sizeof(LayerInode) +
                                names_.size() * (sizeof(LayerName) + 64);
    if (bytes > limits_.metadata_bytes)
        throw Error(ErrorKind::invalid_argument, "the layer's metadata is larger than {} MiB",
                    limits_.metadata_bytes >> 20);
}

std::uint32_t LayerTree::add_inode(LayerInode inode) {
    if (inodes_.size() >= limits_.inodes)
        throw Error(ErrorKind::invalid_argument, "the layer has more than {} files",
                    limits_.inodes);
    inodes_.push_back(std::move(inode));
    return static_cast<std::uint32_t>(inodes_.size() - 1);
}

const LayerName* LayerTree::find(std::uint32_t parent, std::string_view name) const {
    const auto found = index_.find({parent, name});
    return found == index_.end() ? nullptr : &names_[found->second];
}

/// Walks all but the last component and follows symlinks inside the layer. `step` is asked for a
/// component that is no directory and no symlink; it gives a directory or none. Returns the
/// directory, or none when `step` gave up.
template <typename Step>
std::uint32_t LayerTree::walk(std::string_view path, Step step) const {
    Components left;
    push_components(left, path);
    std::uint32_t at = root;
    int symlinks = 0;
    while (!left.empty()) {
        const std::string_view part = left.back();
        left.pop_back();
        if (part == "..") {  // only from a symlink's target
            at = inodes_[at].parent;
            continue;
        }
        const LayerName* found = find(at, part);
        const LayerInode* inode = found ? &inodes_[found->inode] : nullptr;
        if (inode && S_ISDIR(inode->mode)) {
            at = found->inode;
        } else if (inode && S_ISLNK(inode->mode)) {
            if (++symlinks > max_symlinks) refuse(path, "too many symlinks on the way");
            const std::string_view target(reinterpret_cast<const char*>(inode->tail.data()),
                                          inode->tail.size());
            if (target.starts_with('/')) at = root;
            push_components(left, target);
        } else {
            at = step(at, part, inode);
            if (at == none) return none;
        }
    }
    return at;
}

LayerTree::Place LayerTree::resolve(std::string_view path, const Timestamp& mtime) {
    std::string_view trimmed = path;
    const auto drop_tail = [&] {
        while (trimmed.ends_with('/')) trimmed.remove_suffix(1);
    };
    drop_tail();
    while (trimmed.ends_with("/.")) {
        trimmed.remove_suffix(2);
        drop_tail();
    }
    if (trimmed == ".") trimmed = {};
    if (trimmed.empty()) return {};
    const std::size_t slash = trimmed.rfind('/');
    const std::string_view last =
        slash == std::string_view::npos ? trimmed : trimmed.substr(slash + 1);
    const std::string_view parent_path =
        slash == std::string_view::npos ? std::string_view() : trimmed.substr(0, slash);
    check_component(path, last);
    if (last_parent_valid_ && parent_path == last_parent_path_) return {last_parent_, last};

    Components parts;
    push_components(parts, parent_path);
    for (const std::string_view part : parts) check_component(path, part);
    const std::uint32_t parent =
        walk(parent_path, [&](std::uint32_t at, std::string_view part, const LayerInode* inode) {
            const bool is_whiteout = inode && S_ISCHR(inode->mode) && inode->device == 0;
            if (inode && !is_whiteout)
                refuse(path, fmt::format("its parent {} is not a directory", quoted(part)));
            if (part.size() > erofs::max_name_bytes) refuse(path, "a name longer than 255 bytes");
            return make_directory({at, part}, mtime, is_whiteout);
        });
    last_parent_path_ = parent_path;
    last_parent_ = parent;
    last_parent_valid_ = true;
    return {parent, last};
}

std::uint32_t LayerTree::make_directory(const Place& place, const Timestamp& mtime, bool opaque) {
    LayerInode directory;
    directory.mode = S_IFDIR | 0755;
    directory.mtime = mtime;
    directory.opaque = opaque;
    directory.made_for_child = true;
    return put(place, std::move(directory));
}

void LayerTree::link_name(const Place& place, std::uint32_t inode) {
    const auto index = static_cast<std::uint32_t>(names_.size());
    names_.push_back({place.parent, inode, arena_.keep(place.name), true});
    index_.emplace(Key{place.parent, names_.back().name}, index);
    inodes_[place.parent].children.push_back(index);
    if (names_.size() % 4096 == 0) check_memory();
}

/// Takes a name away, with everything below it.
void LayerTree::remove(const Place& place) {
    const auto found = index_.find({place.parent, place.name});
    if (found == index_.end()) return;
    last_parent_valid_ = false;
    std::vector<std::uint32_t> doomed{found->second};
    while (!doomed.empty()) {
        LayerName& name = names_[doomed.back()];
        doomed.pop_back();
        if (!name.alive) continue;
        name.alive = false;
        index_.erase({name.parent, name.name});
        LayerInode& inode = inodes_[name.inode];
        --inode.link_count;
        if (S_ISDIR(inode.mode)) {
            doomed.insert(doomed.end(), inode.children.begin(), inode.children.end());
            inode.children.clear();
        }
    }
}

std::uint32_t LayerTree::put(const Place& place, LayerInode inode) {
    const bool is_directory = S_ISDIR(inode.mode);
    const LayerName* old = place.name.empty() ? nullptr : find(place.parent, place.name);
    const std::uint32_t old_index = place.name.empty() ? root : old ? old->inode : none;
    if (old_index != none && is_directory && S_ISDIR(inodes_[old_index].mode)) {
        LayerInode& directory = inodes_[old_index];
        inode.parent = directory.parent;
        inode.children = std::move(directory.children);
        inode.opaque |= directory.opaque;
        directory = std::move(inode);
        return old_index;
    }
    if (place.name.empty()) throw Error(ErrorKind::invalid_argument, "the root is not a directory");
    // A directory in the place of anything else starts empty: what a lower layer has there was
    // removed by the whiteout or the file that stood here before.
    if (is_directory && old_index != none) inode.opaque = true;
    remove(place);
    inode.parent = place.parent;
    inode.link_count = 1;
    const std::uint32_t index = add_inode(std::move(inode));
    link_name(place, index);
    return index;
}

void LayerTree::add_whiteout(const Place& place, const Timestamp& mtime) {
    // A whiteout speaks of the lower layers only; what this layer puts there stays.
    if (const LayerName* own = find(place.parent, place.name)) {
        LayerInode& inode = inodes_[own->inode];
        if (S_ISDIR(inode.mode)) inode.opaque = true;
        return;
    }
    LayerInode whiteout;
    whiteout.mode = S_IFCHR;
    whiteout.mtime = mtime;
    put(place, std::move(whiteout));
}

std::uint32_t LayerTree::find_path(std::string_view path) const {
    std::string_view trimmed = path;
    while (trimmed.ends_with('/')) trimmed.remove_suffix(1);
    const std::size_t slash = trimmed.rfind('/');
    const std::string_view parent_path =
        slash == std::string_view::npos ? std::string_view() : trimmed.substr(0, slash);
    const std::uint32_t parent =
        walk(parent_path, [](std::uint32_t, std::string_view, const LayerInode*) { return none; });
    if (parent == none) return none;
    const LayerName* found =
        find(parent, slash == std::string_view::npos ? trimmed : trimmed.substr(slash + 1));
    if (!found) return none;
    const LayerInode& inode = inodes_[found->inode];
    if (S_ISCHR(inode.mode) && inode.device == 0) return none;
    return found->inode;
}

void LayerTree::add_hard_link(const Place& place, std::string_view target,
                              std::string_view link_name_text) {
    if (place.name.empty()) refuse(link_name_text, "the root is not a directory");
    Components parts;
    push_components(parts, target);
    if (parts.empty()) refuse(link_name_text, "a hard link to the root");
    for (const std::string_view part : parts)
        if (part == "..")
            refuse(link_name_text,
                   fmt::format("its target {} leads out of the layer (..)", quoted(target)));
    const std::uint32_t found = find_path(target);
    if (found != none && inodes_[found].mode != 0) {
        if (S_ISDIR(inodes_[found].mode))
            refuse(link_name_text, fmt::format("a hard link to the directory {}", quoted(target)));
        const LayerName* own = find(place.parent, place.name);
        if (own && own->inode == found) return;
        ++inodes_[found].link_count;  // before remove: the old name may be its last
        remove(place);
        link_name(place, found);
        return;
    }
    const std::uint32_t waiting = put(place, LayerInode{});
    std::string clean;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (!clean.empty()) clean += '/';
        clean += *part;
    }
    pending_links_.push_back({static_cast<std::uint32_t>(names_.size() - 1), waiting,
                              std::string(link_name_text), std::move(clean)});
}

std::vector<UnresolvedLink> LayerTree::settle_links() {
    std::erase_if(pending_links_, [&](const PendingLink& link) {
        return !names_[link.name].alive || names_[link.name].inode != link.inode;
    });
    // Chains of links settle from their end: a round without progress means none will.
    for (bool progress = true; progress;) {
        progress = false;
        std::erase_if(pending_links_, [&](const PendingLink& link) {
            const std::uint32_t target = find_path(link.target);
            if (target == none || inodes_[target].mode == 0) return false;
            if (S_ISDIR(inodes_[target].mode))
                refuse(link.path,
                       fmt::format("a hard link to the directory {}", quoted(link.target)));
            names_[link.name].inode = target;
            ++inodes_[target].link_count;
            --inodes_[link.inode].link_count;
            return progress = true;
        });
    }
    std::vector<UnresolvedLink> unresolved;
    for (const PendingLink& link : pending_links_) unresolved.push_back({link.path, link.target});
    return unresolved;
}

std::vector<std::uint32_t> LayerTree::sorted_children(std::uint32_t directory) const {
    std::vector<std::uint32_t> result;
    for (const std::uint32_t name : inodes_[directory].children)
        if (names_[name].alive) result.push_back(name);
    std::sort(result.begin(), result.end(), [&](std::uint32_t left, std::uint32_t right) {
        return names_[left].name < names_[right].name;
    });
    return result;
}

}  // namespace hull::archive
