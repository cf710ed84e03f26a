#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "task/log_decoder.hh"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::task {

/// One file of a log, open and locked: while we hold it the shim removes neither it nor a newer one
/// (up to 64 MB, see shim::remove_surplus).
struct LogSegment {
    /// All who read it in this process own it: ten thousand followers hold one descriptor.
    std::shared_ptr<const Fd> file;
    std::unique_ptr<LogDecoder> decoder;
    std::uint64_t sequence = 0;               ///< local: its number
    std::uint64_t inode = 0, birth_time = 0;  ///< json-file: an inode number alone is reused
};

/// The files a log consists of, in the order they were written.
class LogFiles {
public:
    virtual ~LogFiles() = default;
    /// All files there are, oldest first. Empty when there is no log (any more).
    virtual std::vector<LogSegment> open_all() = 0;
    /// The file written after `segment`; nullopt when there is none yet.
    virtual std::optional<LogSegment> open_next(const LogSegment& segment) = 0;
};

/// Throws unsupported for drivers that cannot be read.
std::unique_ptr<LogFiles> make_log_files(const std::string& driver, const Path& directory);

}  // namespace hull::task
