#pragma once
#include "archive/byte_source.hh"
#include "archive/tar_entry.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::archive {

/// Bounds on what a stranger's archive may make us hold in memory.
struct TarLimits {
    std::size_t name_bytes = 64UL << 10;     ///< of one name or link target
    std::size_t pax_bytes = 1UL << 20;       ///< of one extended header (Linux: 64 KB per xattr)
    std::size_t sparse_extents = 1UL << 20;  ///< of one sparse file
};

/// The records of one pax header in their order: sparse maps repeat keys.
using PaxRecords = std::vector<std::pair<std::string, std::string>>;

/// Reads a tar stream once, front to back: ustar, v7, pax (with global headers, SCHILY.xattr and
/// LIBARCHIVE.xattr), GNU (long names, base-256 numbers, sparse files old and pax 0.0/0.1/1.0).
/// Whatever is malformed or cut short throws invalid_argument naming the entry or the offset.
/// Is itself the ByteSource of the current entry's stored data.
class TarReader final : public ByteSource {
public:
    explicit TarReader(ByteSource& source, TarLimits limits = {});

    /// The next entry, or null after the end marker (or at a clean end of the stream without one,
    /// as other tar programs accept). Skips what is left of the previous entry's data. Valid until
    /// the next call. After the end the rest of the stream has been drained, so that hashes over
    /// it are whole.
    const Entry* next_entry();

    /// The next stored bytes of the current entry, empty at its end. For a sparse file these are
    /// the bytes of its extents, one after the other.
    std::span<const std::byte> next() override;

    /// Bytes of the stream that were consumed.
    std::uint64_t offset() const { return offset_; }
    /// False when the stream just stopped between two entries: other programs accept that, but it
    /// may have been cut there.
    bool end_marker_seen() const { return end_marker_seen_; }

private:
    void keep_records(PaxRecords& into, std::string_view text);
    std::span<const std::byte> take(std::uint64_t limit);
    bool read_block(std::byte* block);
    std::string read_text(std::uint64_t size, std::size_t limit, std::string_view what);
    void skip(std::uint64_t size);
    void finish_data();
    void drain_rest();
    void start_entry(const std::byte* block, std::string long_name, std::string long_link);
    void apply_pax(bool had_long_name, bool had_long_link);
    void read_old_sparse(const std::byte* block);
    void read_pax_sparse();
    std::uint64_t read_sparse_number();
    void check_extents();
    [[noreturn]] void fail(const std::string& what) const;

    ByteSource& source_;
    TarLimits limits_;
    std::span<const std::byte> chunk_;
    std::uint64_t offset_ = 0;
    std::uint64_t data_left_ = 0;     ///< stored data of the current entry not yet handed out
    std::uint64_t padding_left_ = 0;  ///< from the end of that to the block boundary
    bool ended_ = false;
    bool end_marker_seen_ = false;
    Entry entry_;
    PaxRecords global_pax_;
    PaxRecords pax_;
    std::size_t global_pax_bytes_ = 0;
};

}  // namespace hull::archive
