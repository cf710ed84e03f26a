#pragma once
#include "base/fd.hh"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hull::task {

/// Output the container wrote at once: any number of lines, or a piece of one.
struct LogEntry {
    std::int64_t time_ns = 0;
    int stream = 0;
    std::string_view bytes;  ///< valid until the next call of the decoder
};

/// A file read through a window, because it may be truncated under us (a mapping would fault).
class FileWindow {
public:
    explicit FileWindow(int fd) : fd_(fd) {}
    /// Up to `size` bytes from `offset`; fewer at the end of the file.
    std::string_view at(std::uint64_t offset, std::size_t size);
    /// Like at(end - size, size), but reads ahead backwards.
    std::string_view before(std::uint64_t end, std::size_t size);
    std::uint64_t file_size() const;
    void forget() { std::string().swap(bytes_); }

private:
    void load(std::uint64_t offset, std::size_t size);
    int fd_;
    std::string bytes_;
    std::uint64_t start_ = 0;
};

/// One log file as a row of entries around a position. Bad and torn entries are passed over (R30).
class LogDecoder {
public:
    virtual ~LogDecoder() = default;
    /// The entry at the position, which moves behind it. False: no whole entry is there (yet).
    virtual bool next(LogEntry& entry) = 0;
    /// The entry before the position, which moves in front of it. False: the file begins here.
    virtual bool previous(LogEntry& entry) = 0;
    /// Moves behind the last whole entry.
    virtual void seek_end() = 0;

    std::uint64_t position() const { return position_; }
    void seek(std::uint64_t position) { position_ = position; }
    /// Begins again when somebody has truncated the file (R28).
    void notice_truncation();
    /// Gives its buffer back.
    void forget_window() { window_.forget(); }

protected:
    explicit LogDecoder(int fd) : window_(fd) {}
    FileWindow window_;
    std::uint64_t position_ = 0;
};

// The descriptor stays the caller's.
std::unique_ptr<LogDecoder> make_local_decoder(int fd);
std::unique_ptr<LogDecoder> make_json_file_decoder(int fd);

}  // namespace hull::task
