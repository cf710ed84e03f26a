#pragma once
#include "archive/tar_writer.hh"
#include "build/dockerfile/ignore.hh"
#include "files/copy_index.hh"
#include "files/owner.hh"
#include "files/request.hh"
#include "files/tree_tar.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hull::files {

/// Takes files out of a source tree for a COPY, ADD or WORKDIR of a build. It always makes a
/// listing, which is what the step's cache key is made of: one record per file with its name below
/// the destination, kind, mode, owner and the hash of its content, never a time. With a tar it
/// writes the layer as well.
///
/// The rules are BuildKit's: links in a source path or the destination are followed within their
/// roots, a directory gives its content, an existing destination directory keeps its metadata, one
/// that is made takes those of its source.
class Copier {
public:
    using Sink = std::function<void(std::string_view)>;
    /// `source` (O_PATH) is empty when the plan has no paths.
    Copier(const CopyPlan& plan, Fd source);

    /// Each record of the listing and the path in the source that it is of, each ended by a NUL
    /// byte.
    void write_listing(const Sink& sink);

    /// Writes the layer over `below` (O_PATH), the root file system so far, and the listing of what
    /// it has read for that.
    void write_layer(int below, archive::TarWriter& tar, const Sink& sink);

private:
    /// A path of the source that was asked for.
    struct Selected {
        std::string path;     ///< below the source's root, clean
        std::string name;     ///< last component
        std::string parents;  ///< directories of it that come along, ended by a slash
        bool is_directory = false;
    };
    /// One file of the source, opened when its content or link target is wanted.
    struct Found {
        int parent = -1;
        std::string base;  ///< name in `parent`; "" is `parent` itself
        struct stat info {};
        std::string path;  ///< below the source's root
        std::string name;  ///< below the destination
    };
    /// A directory that is excluded, written only when something below it is not.
    struct Pending {
        Fd fd;
        Found found;
    };

    std::vector<Selected> select() const;
    void select_written(const std::string& written, std::vector<Selected>& selected) const;
    Selected make_selected(const std::string& path, std::size_t pivot) const;
    [[noreturn]] void throw_missing(const std::string& path) const;
    bool is_excluded(const std::string& path, const std::string& below) const;
    bool can_skip(const std::string& path, const std::string& below) const;
    void take(const Selected& selected);
    void take_parents(const Selected& selected);
    void take_children(int fd, const std::string& path, const std::string& name,
                       const std::string& below, int depth);
    void take_child(int fd, const std::string& base, const std::string& path,
                    const std::string& name, const std::string& below, int depth);
    void check_below(const Found& found);
    void write(const Found& found);
    void write_file(archive::Entry& entry, const Found& found, std::string& record);
    Fd open_content(const Found& found) const;
    std::string hash_file(const Found& found);
    std::string copy_content(int fd, std::uint64_t size);
    std::string tar_name(const std::string& name) const;
    void set_metadata(archive::Entry& entry, const struct stat& info) const;
    void prepare_destination(int below, const std::vector<Selected>& selected);
    void make_directory(int below, const std::string& path, const Selected* like);

    const CopyPlan& plan_;
    const Fd source_fd_;
    const int source_;
    const build::dockerfile::IgnorePatterns ignored_, excluded_;
    std::optional<CopyIndex> index_;
    std::function<void(std::string_view record, const std::string& path)> listing_;
    archive::TarWriter* tar_ = nullptr;
    std::string prefix_;                    ///< of names in the layer
    std::optional<std::string> only_name_;  ///< of the one file, when that is the destination
    int below_ = -1;                ///< the root below, when the destination is a directory of it
    std::set<std::string> absent_;  ///< directories that are not there
    std::optional<Owner> owner_;
    std::vector<Pending> pending_;
    std::map<FileId, std::string> linked_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(256UL << 10);
};

/// `mode` (07777) after --chmod: octal, or clauses like "u=rwX,go=rX". Throws invalid_argument.
std::uint32_t change_mode(std::uint32_t mode, bool is_directory, std::string_view change);

}  // namespace hull::files
