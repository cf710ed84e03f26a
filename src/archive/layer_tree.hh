#pragma once
#include "archive/erofs_writer.hh"
#include "archive/tar_entry.hh"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hull::archive {

/// Strings and bytes that live as long as their owner.
class Arena {
public:
    std::span<std::byte> allocate(std::size_t size);
    std::string_view keep(std::string_view text);
    /// Bytes kept elsewhere that count as well.
    void count(std::size_t size) { used_ += size; }
    std::uint64_t used() const { return used_; }

private:
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
    std::size_t left_ = 0;
    std::uint64_t used_ = 0;
};

/// One inode of the layer being built.
struct LayerInode {
    std::uint32_t mode = 0;  ///< with the S_IFMT type; 0 for a hard link waiting for its target
    std::uint32_t uid = 0, gid = 0;
    std::uint32_t link_count = 1;
    std::uint32_t device = 0;
    std::uint32_t parent = 0;  ///< of directories
    std::uint32_t xattrs = 0;  ///< index of an encoded list
    std::uint32_t block = 0;   ///< of the first data block
    bool opaque = false;
    bool made_for_child = false;  ///< a parent the tar did not (yet) mention
    std::uint64_t size = 0;
    Timestamp mtime;
    std::span<const std::byte> tail;      ///< bytes stored behind the inode
    std::vector<std::uint32_t> children;  ///< name indices of directories; some may be dead
    std::uint64_t position = 0;           ///< of the inode in the metadata area
};

/// One name in a directory.
struct LayerName {
    std::uint32_t parent = 0;
    std::uint32_t inode = 0;
    std::string_view name;
    bool alive = true;
};

/// The names of a layer and the changeset rules: what replaces what, whiteouts, hard links.
/// Paths given to it are relative and clean of nothing: it does the cleaning.
class LayerTree {
public:
    explicit LayerTree(ErofsLimits limits);

    static constexpr std::uint32_t root = 0;

    /// Where an entry of this name goes; parents are made. `name` is empty for the root itself.
    struct Place {
        std::uint32_t parent = 0;
        std::string_view name;
    };
    /// Throws invalid_argument for `..`, long components, non-directories on the way.
    Place resolve(std::string_view path, const Timestamp& mtime);

    /// Puts a new inode at `place`, replacing what was there by Docker's rules, and returns its
    /// index. A directory on a directory keeps the old index and its children.
    std::uint32_t put(const Place& place, LayerInode inode);
    void add_whiteout(const Place& place, const Timestamp& mtime);
    void add_hard_link(const Place& place, std::string_view target, std::string_view link_name);

    /// Gives links their targets as far as these exist by now; returns those without.
    std::vector<UnresolvedLink> settle_links();

    LayerInode& inode(std::uint32_t index) { return inodes_[index]; }
    std::size_t inode_count() const { return inodes_.size(); }
    const LayerName& name(std::uint32_t index) const { return names_[index]; }
    /// The live names of a directory, sorted by bytes.
    std::vector<std::uint32_t> sorted_children(std::uint32_t directory) const;
    Arena& arena() { return arena_; }
    void check_memory() const;

private:
    struct Key {
        std::uint32_t parent;
        std::string_view name;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return std::hash<std::string_view>()(key.name) ^ key.parent * 0x9E3779B97F4A7C15ULL;
        }
    };
    struct PendingLink {
        std::uint32_t name;
        std::uint32_t inode;
        std::string path, target;
    };

    const LayerName* find(std::uint32_t parent, std::string_view name) const;
    std::uint32_t find_path(std::string_view path) const;  ///< inode of a non-directory, or `none`
    std::uint32_t add_inode(LayerInode inode);
    void link_name(const Place& place, std::uint32_t inode);
    void remove(const Place& place);
    std::uint32_t make_directory(const Place& place, const Timestamp& mtime, bool opaque);
    template <typename Step>
    std::uint32_t walk(std::string_view path, Step step) const;

    ErofsLimits limits_;
    Arena arena_;
    std::vector<LayerInode> inodes_;
    std::vector<LayerName> names_;
    std::unordered_map<Key, std::uint32_t, KeyHash> index_;
    std::vector<PendingLink> pending_links_;
    std::string last_parent_path_;  ///< cache of resolve(): tars list a directory's files together
    std::uint32_t last_parent_ = 0;
    bool last_parent_valid_ = false;
};

}  // namespace hull::archive
