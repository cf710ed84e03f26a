#pragma once
#include "archive/byte_source.hh"
#include "archive/tar_entry.hh"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hull::archive {

/// Bounds on what a stranger's archive may make us hold in memory.
struct TarLimits {
    std::size_t name_bytes = 16UL << 10;     ///< of one name or link target
    std::size_t pax_bytes = 1UL << 20;       ///< of one extended header (Linux: 64 KB per xattr)
    std::size_t sparse_extents = 1UL << 20;  ///< of one sparse file
};

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

private:
    struct Header;
    struct PaxValues;

    std::span<const std::byte> take(std::size_t limit);
    bool read_block(std::byte* block);
    std::string read_text(std::uint64_t size, std::size_t limit, const char* what);
    void skip(std::uint64_t size);
    void skip_data();
    void drain_rest();
    void parse_pax(const std::string& records, std::map<std::string, std::string>& into);
    void apply_pax();
    void read_old_sparse(const std::byte* block);
    void read_pax_sparse();
    void check_extents();
    [[noreturn]] void fail(const std::string& what) const;

    ByteSource& source_;
    TarLimits limits_;
    std::span<const std::byte> chunk_;
    std::uint64_t offset_ = 0;
    std::uint64_t data_left_ = 0;     ///< stored data of the current entry not yet handed out
    std::uint64_t padding_left_ = 0;  ///< to the next block boundary
    bool ended_ = false;
    bool source_ended_ = false;
    Entry entry_;
    std::map<std::string, std::string> global_pax_;
    std::map<std::string, std::string> pax_;
    std::vector<std::pair<std::string, std::string>> pax_sparse_pairs_;
};

}  // namespace hull::archive
