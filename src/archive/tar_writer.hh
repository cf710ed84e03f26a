#pragma once
#include "archive/tar_entry.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace hull::archive {

/// Writes a tar stream: ustar headers, with a pax header in front only where ustar cannot say it
/// (long or non-ASCII names, large sizes and ids, sub-second or negative times, xattrs). The same
/// entries always give the same bytes.
class TarWriter {
public:
    using Sink = std::function<void(std::span<const std::byte>)>;
    /// `sink` gets the stream in pieces; it must not keep them.
    explicit TarWriter(Sink sink) : sink_(std::move(sink)) {}

    /// Starts an entry; exactly `entry.size` bytes must follow by write(). Sparse entries are not
    /// written sparse. Throws internal when the previous entry's data is incomplete.
    void add(const Entry& entry) { start(entry, ""); }
    /// Starts a file of which only `entry.extents` are stored: exactly their bytes must follow.
    /// Source: GNU tar's manual, "PAX Format, Version 1.0".
    void add_sparse(const Entry& entry);
    void write(std::span<const std::byte> data);
    /// A whole regular file or one whose bytes are at hand.
    void add_file(const Entry& entry, std::string_view content);
    /// The end marker. Nothing may follow.
    void finish();

private:
    void start(const Entry& entry, std::string pax);
    void pad();
    void emit(std::string_view bytes);

    Sink sink_;
    std::uint64_t data_left_ = 0;
    std::uint64_t entry_size_ = 0;
};

}  // namespace hull::archive
