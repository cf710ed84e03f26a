#pragma once
#include "base/file.hh"
#include "shim/launch_config.hh"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace hull::shim {

/// One log driver. A full disk never throws and never stops the container: what cannot be written
/// is dropped, whole records at a time, and the first such error goes to our standard error.
class LogWriter {
public:
    virtual ~LogWriter() = default;
    /// Appends output as it came from the container. `stream` is 1 or 2.
    virtual void write(int stream, std::int64_t time_ns, std::string_view bytes) = 0;
    /// A descriptor to wait for until flush() can go on, -1 when nothing waits.
    virtual int pending_fd() const { return -1; }
    virtual void flush() {}
    /// So much waits that the container has to.
    virtual bool is_full() const { return false; }
    /// Writes what waits for the end of its line. Nothing is written after this.
    virtual void finish() {}
};

/// Opens the log and goes on after what is there. Throws invalid_argument on an unknown driver.
std::unique_ptr<LogWriter> open_log(const LogConfig& config, std::string_view id);
std::unique_ptr<LogWriter> open_local_log(const LogConfig& config);
/// Starts hull-log. Throws unavailable with what it says when the other end is not reached.
std::unique_ptr<LogWriter> open_remote_log(const LogConfig& config);
std::unique_ptr<LogWriter> open_json_file_log(const LogConfig& config, std::string_view id);

/// Unlinks rotated files, oldest first, up to the first one a reader has locked: that reader still
/// needs the ones after it. Beyond 64 MB they go nevertheless.
void remove_surplus(const std::vector<Path>& oldest_first);
/// Appends the parts with one writev. When it fails the file is cut back to `size` and false
/// returned.
bool append_whole(int fd, std::uint64_t size, std::string_view first, std::string_view second = {},
                  std::string_view third = {});

}  // namespace hull::shim
