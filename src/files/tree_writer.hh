#pragma once
#include "archive/file_record.hh"
#include "base/fd.hh"

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::files {

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Makes the files of an archive below a directory of a root, as root. Parents are resolved by the
/// kernel within the root, whoever swaps links meanwhile; a file is always made anew, never
/// written through what is there. Docker's rules: what is in the way is replaced, a directory on
/// a directory stays and takes owner, mode and times, parents that are missing are made.
class TreeWriter {
public:
    struct Options {
        bool keep_kinds = false;     ///< refuse to replace a directory by a file or the reverse
        std::optional<Owner> owner;  ///< of all files; absent: as archived
        std::function<void(std::string_view)> warn;
    };
    /// `base`: path of the directory from the root, which is there.
    TreeWriter(int root, std::string base, Options options)
        : root_(root), base_(std::move(base)), options_(std::move(options)) {}

    /// Applies everything; then directories get their times.
    void write_all(archive::RecordReader& records);

private:
    struct Location {
        int parent = -1;
        std::string name;
    };

    void write(const archive::Entry& entry, archive::RecordReader& data);
    Location locate(const std::string& name);
    Fd open_directory(const std::string& name, int depth);
    bool clear_way(const Location& at, const archive::Entry& entry);
    Fd make(const Location& at, const archive::Entry& entry, archive::RecordReader& data);
    Fd make_file(const Location& at, const archive::Entry& entry, archive::RecordReader& data);
    void set_metadata(int fd, const archive::Entry& entry);

    const int root_;
    const std::string base_;
    const Options options_;
    std::string parent_name_;  ///< archives list a directory's files together
    Fd parent_;
    std::vector<std::pair<std::string, archive::Timestamp>> directory_times_;
};

}  // namespace hull::files
