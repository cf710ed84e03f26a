#pragma once
#include "archive/tar_writer.hh"
#include "base/fd.hh"
#include "base/file.hh"

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hull::cli {

/// A file or directory of ours as a tar stream that is pulled: files are read as the stream needs
/// them and links are never followed below the top. Sockets are left out, as no archive holds them.
class TreeArchive {
public:
    /// `name` is what the top is called in the archive. With `follow` a link at the top is
    /// replaced by what it points to.
    /// `skip` is asked about everything below the top, by its path from there: what it names stays
    /// out, a directory with all that is in it.
    using Skip = std::function<bool(const std::string& path, bool is_directory)>;
    TreeArchive(const Path& source, std::string name, bool follow, Skip skip = {});

    /// Fills the buffer; 0 at the end. Throws when a file cannot be read or shrinks meanwhile.
    std::size_t read(std::span<std::byte> buffer);

    bool top_is_directory() const { return top_is_directory_; }
    std::uint64_t bytes() const { return bytes_; }  ///< of file data so far

private:
    struct Level {
        Fd directory;
        std::string name;  ///< in the archive
        std::string path;  ///< from the top
        std::vector<std::string> children;
        std::size_t next = 0;
    };
    void add(int directory, const std::string& child, const std::string& name,
             const std::string& path, bool follow);
    void enter(Fd directory, std::string name, std::string path);
    bool is_skipped(const Level& level, const std::string& child, const std::string& path) const;
    bool advance();

    const Skip skip_;
    archive::TarWriter tar_;
    std::string pending_;  ///< of the stream, from `given_` on
    std::size_t given_ = 0;
    std::vector<Level> levels_;
    Fd file_;  ///< whose data comes next
    std::string file_name_;
    std::uint64_t file_left_ = 0;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;  ///< files with more than one name
    bool top_is_directory_ = false;
    bool finished_ = false;
    std::uint64_t bytes_ = 0;
};

}  // namespace hull::cli
