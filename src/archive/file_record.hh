#pragma once
#include "archive/byte_source.hh"
#include "archive/tar_entry.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace hull::archive {

/// The entries of an archive between the program without rights that parses it and the one with
/// rights that makes the files (ADR 009): fixed-size heads in the machine's byte order, then
/// names, attributes and extents, then the data. Nothing is optional and nothing refers to
/// anything, so that the reader has little to get wrong.
/// Names and hard link targets are clean: relative, "." and ".." resolved; "" is the directory
/// that is unpacked into.
struct RecordLimits {
    static constexpr std::size_t name_bytes = 4096;  ///< PATH_MAX
    static constexpr std::size_t component_bytes = 255;
    static constexpr std::size_t xattrs = 1024;
    static constexpr std::size_t xattr_bytes = 64UL << 10;  ///< one value, as in Linux
    static constexpr std::size_t all_xattr_bytes = 1UL << 20;
    static constexpr std::size_t extents = 1UL << 20;
};

/// Whether `name` is clean in that sense.
bool is_clean_record_name(std::string_view name);

class RecordWriter {
public:
    using Sink = std::function<void(std::span<const std::byte>)>;
    explicit RecordWriter(Sink sink) : sink_(std::move(sink)) {}

    /// One entry and its data, `entry.size` bytes or those of its extents, from `data`.
    /// Throws invalid_argument when the data ends early.
    void add(const Entry& entry, ByteSource& data);
    /// Says that this was all.
    void finish();

private:
    Sink sink_;
};

/// Reads records, believing nothing. Is itself the ByteSource of the current entry's data.
class RecordReader final : public ByteSource {
public:
    explicit RecordReader(ByteSource& source) : source_(source) {}

    /// The next entry, null after the end record. Skips what is left of the previous entry's data.
    /// Throws internal for whatever a RecordWriter would not write, data_loss when the stream ends
    /// without an end record: then its writer knows why.
    const Entry* next_entry();
    std::span<const std::byte> next() override;

private:
    void read(std::span<std::byte> into);
    std::string read_text(std::size_t size, std::size_t limit, std::string_view what);
    std::span<const std::byte> take(std::uint64_t limit);
    void read_xattrs(std::uint32_t count);
    void read_extents(std::uint32_t count);

    ByteSource& source_;
    std::span<const std::byte> chunk_;
    std::uint64_t data_left_ = 0;
    bool ended_ = false;
    Entry entry_;
};

}  // namespace hull::archive
