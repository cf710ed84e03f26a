#include "archive/tar_reader.hh"

#include "archive/tar_fields.hh"
#include "base/error.hh"

#include <algorithm>
#include <cstring>

namespace hull::archive {

namespace {

constexpr std::uint64_t block_bytes = tar::block_bytes;
/// Extended headers in a row before one entry; real archives have at most three.
constexpr int max_headers_per_entry = 16;

bool is_zero(const std::byte* block) {
    return std::all_of(block, block + block_bytes, [](std::byte b) { return b == std::byte{0}; });
}

std::uint64_t padding_of(std::uint64_t size) {
    return (block_bytes - size % block_bytes) % block_bytes;
}

/// The last record of that name; nullptr when there is none.
const std::string* find_record(const PaxRecords& records, std::string_view key) {
    const auto found = std::find_if(records.rbegin(), records.rend(),
                                    [&](const auto& record) { return record.first == key; });
    return found == records.rend() ? nullptr : &found->second;
}

}  // namespace

TarReader::TarReader(ByteSource& source, TarLimits limits) : source_(source), limits_(limits) {}

void TarReader::fail(const std::string& what) const {
    if (entry_.name.empty())
        throw Error(ErrorKind::invalid_argument, "malformed tar at offset {}: {}", offset_, what);
    throw Error(ErrorKind::invalid_argument, "malformed tar, entry {}: {}", quoted(entry_.name),
                what);
}

std::span<const std::byte> TarReader::take(std::uint64_t limit) {
    if (chunk_.empty()) chunk_ = source_.next();
    const auto taken = chunk_.first(std::min<std::uint64_t>(chunk_.size(), limit));
    chunk_ = chunk_.subspan(taken.size());
    offset_ += taken.size();
    return taken;
}

/// False at a clean end of the stream.
bool TarReader::read_block(std::byte* block) {
    std::size_t have = 0;
    while (have < block_bytes) {
        const auto part = take(block_bytes - have);
        if (part.empty()) {
            if (have == 0) return false;
            throw Error(ErrorKind::invalid_argument,
                        "tar ends in the middle of a header at offset {}", offset_);
        }
        std::memcpy(block + have, part.data(), part.size());
        have += part.size();
    }
    return true;
}

void TarReader::skip(std::uint64_t size) {
    while (size > 0) {
        const auto part = take(size);
        if (part.empty())
            fail(fmt::format("the archive ends {} bytes before the end of its data", size));
        size -= part.size();
    }
}

std::string TarReader::read_text(std::uint64_t size, std::size_t limit, std::string_view what) {
    if (size > limit)
        fail(fmt::format("{} of {} bytes is larger than the limit of {}", what, size, limit));
    std::string text;
    text.reserve(size);
    while (text.size() < size) {
        const auto part = take(size - text.size());
        if (part.empty()) fail(fmt::format("the archive ends inside the {}", what));
        text.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    skip(padding_of(size));
    return text;
}

std::span<const std::byte> TarReader::next() {
    if (data_left_ == 0) return {};
    const auto part = take(data_left_);
    if (part.empty())
        fail(fmt::format("the archive ends {} bytes before the end of its data", data_left_));
    data_left_ -= part.size();
    return part;
}

void TarReader::finish_data() {
    skip(data_left_);
    data_left_ = 0;
    skip(padding_left_);
    padding_left_ = 0;
}

void TarReader::drain_rest() {
    while (!take(UINT64_MAX).empty()) {
    }
    ended_ = true;
}

void TarReader::keep_records(PaxRecords& into, std::string_view text) {
    try {
        for (auto& record : tar::parse_pax(text)) into.push_back(std::move(record));
    } catch (const Error& error) {
        fail(error.message());
    }
}

const Entry* TarReader::next_entry() {
    if (ended_) return nullptr;
    finish_data();
    entry_ = {};
    pax_.clear();
    std::string long_name, long_link;
    for (int headers = 0;; ++headers) {
        std::byte block[block_bytes];
        if (!read_block(block)) {
            if (headers > 0) fail("an extended header without an entry after it");
            ended_ = true;
            return nullptr;
        }
        if (is_zero(block)) {
            if (headers > 0) fail("an extended header without an entry after it");
            // Programs differ in what they make of entries after a lone zero block: refused.
            if (read_block(block) && !is_zero(block)) fail("data after a lone zero block");
            end_marker_seen_ = true;
            drain_rest();
            return nullptr;
        }
        if (headers == max_headers_per_entry) fail("too many extended headers in a row");
        if (!tar::checksum_fits(block)) fail("the header checksum is wrong: not a tar header");
        const std::uint64_t size = tar::size_field(block);
        switch (tar::type_flag(block)) {
            case 'x':
            case 'X':
                keep_records(pax_, read_text(size, limits_.pax_bytes, "extended header"));
                break;
            case 'g':
                // Each stays in force to the end, so together they are bounded like one.
                global_pax_bytes_ += size;
                if (global_pax_bytes_ > limits_.pax_bytes) fail("too many global records");
                keep_records(global_pax_, read_text(size, limits_.pax_bytes, "global header"));
                --headers;  // stands for itself: the archive may end after it
                break;
            case 'L':
                long_name = tar::until_nul(read_text(size, limits_.name_bytes, "long name"));
                break;
            case 'K':
                long_link = tar::until_nul(read_text(size, limits_.name_bytes, "long link name"));
                break;
            case 'V':  // volume label
            case 'A':  // Solaris ACL
                skip(size);
                skip(padding_of(size));
                --headers;
                break;
            default: start_entry(block, std::move(long_name), std::move(long_link)); return &entry_;
        }
    }
}

void TarReader::start_entry(const std::byte* block, std::string long_name, std::string long_link) {
    const bool had_long_name = !long_name.empty(), had_long_link = !long_link.empty();
    entry_.name = had_long_name ? std::move(long_name) : tar::name_field(block);
    entry_.link_target = had_long_link ? std::move(long_link) : tar::text_field(block, 157, 100);
    // Keys a later step checks may come from pax, so the name is right in messages from here on.
    if (const std::string* path = find_record(pax_, "path"); path && !path->empty())
        entry_.name = *path;
    const char flag = tar::type_flag(block);
    try {
        entry_.mode = static_cast<std::uint32_t>(tar::number_field(block, 100, 8, "mode") & 07777);
        entry_.uid = tar::id_of(tar::number_field(block, 108, 8, "uid"), "uid");
        entry_.gid = tar::id_of(tar::number_field(block, 116, 8, "gid"), "gid");
        entry_.mtime.seconds = tar::number_field(block, 136, 12, "mtime");
        entry_.stored_size = tar::size_field(block);
        if (flag == '3' || flag == '4') {
            entry_.device_major = tar::device_of(tar::number_field(block, 329, 8, "devmajor"));
            entry_.device_minor = tar::device_of(tar::number_field(block, 337, 8, "devminor"));
        }
        if (tar::is_ustar(block)) {
            entry_.user_name = tar::text_field(block, 265, 32);
            entry_.group_name = tar::text_field(block, 297, 32);
        }
        apply_pax(had_long_name, had_long_link);
    } catch (const Error& error) {
        fail(error.message());
    }
    if (entry_.name.empty()) fail("an entry without a name");
    if (entry_.name.size() > limits_.name_bytes || entry_.link_target.size() > limits_.name_bytes)
        fail("the name is too long");

    bool has_data = false;
    switch (flag) {
        case '\0':
        case '0':
        case '7':
        case 'S':
            entry_.type = EntryType::file;
            has_data = true;
            if (entry_.name.back() == '/') entry_.type = EntryType::directory;
            break;
        case '1': entry_.type = EntryType::hard_link; break;
        case '2': entry_.type = EntryType::symlink; break;
        case '3': entry_.type = EntryType::char_device; break;
        case '4': entry_.type = EntryType::block_device; break;
        case '5': entry_.type = EntryType::directory; break;
        case '6': entry_.type = EntryType::fifo; break;
        case 'D':  // GNU incremental: a directory whose data lists its names
            entry_.type = EntryType::directory;
            has_data = true;
            break;
        case 'M': fail("multi-volume archives are not supported");
        default: fail(fmt::format("unknown entry type {}", quoted(std::string_view(&flag, 1))));
    }
    // Links, directories and devices have no data, whatever their size says (as Go's reader).
    if (!has_data) entry_.stored_size = 0;
    if (entry_.type != EntryType::symlink && entry_.type != EntryType::hard_link)
        entry_.link_target.clear();
    else if (entry_.link_target.empty())
        fail("a link without a target");
    if (entry_.stored_size > static_cast<std::uint64_t>(INT64_MAX) - block_bytes)
        fail("the size is absurd");
    data_left_ = entry_.stored_size;
    padding_left_ = padding_of(entry_.stored_size);

    if (entry_.type == EntryType::file) {
        if (flag == 'S')
            read_old_sparse(block);
        else
            read_pax_sparse();
        if (!entry_.sparse) entry_.size = entry_.stored_size;
    }
}

void TarReader::apply_pax(bool had_long_name, bool had_long_link) {
    const auto apply = [&](const std::string& key, const std::string& value, bool global) {
        if (key == "path") {
            if (!(global && had_long_name)) entry_.name = value;
        } else if (key == "linkpath") {
            if (!(global && had_long_link)) entry_.link_target = value;
        } else if (key == "size") {
            entry_.stored_size = tar::parse_decimal(value, "size");
        } else if (key == "uid") {
            entry_.uid = tar::id_of(tar::parse_signed(value, "uid"), "uid");
        } else if (key == "gid") {
            entry_.gid = tar::id_of(tar::parse_signed(value, "gid"), "gid");
        } else if (key == "uname") {
            entry_.user_name = value;
        } else if (key == "gname") {
            entry_.group_name = value;
        } else if (key == "mtime") {
            entry_.mtime = tar::parse_time(value);
        } else if (key == "SCHILY.devmajor") {
            entry_.device_major = tar::device_of(tar::parse_signed(value, "devmajor"));
        } else if (key == "SCHILY.devminor") {
            entry_.device_minor = tar::device_of(tar::parse_signed(value, "devminor"));
        } else if (key.starts_with("SCHILY.xattr.")) {
            entry_.xattrs[key.substr(13)] = value;
        } else if (key.starts_with("LIBARCHIVE.xattr.")) {
            // SCHILY's raw value wins: libarchive writes both.
            entry_.xattrs.try_emplace(tar::decode_percent(key.substr(17)),
                                      tar::decode_base64(value));
        }
    };
    for (const PaxRecords* records : {&global_pax_, &pax_})
        for (const auto& [key, value] : *records) {
            const bool is_xattr = key.find(".xattr.") != std::string::npos;
            // An empty value takes the record back: the header's own field counts again.
            if (value.empty() && !is_xattr) continue;
            const bool taken_back = records == &global_pax_ && [&, &key = key] {
                const std::string* own = find_record(pax_, key);
                return own && own->empty();
            }();
            if (!taken_back) apply(key, value, records == &global_pax_);
        }
}

void TarReader::read_old_sparse(const std::byte* block) {
    entry_.sparse = true;
    entry_.size = static_cast<std::uint64_t>(tar::number_field(block, 483, 12, "real size"));
    const auto add_extents = [&](const std::byte* from, std::size_t at, int count) {
        for (int i = 0; i < count; ++i, at += 24) {
            if (from[at] == std::byte{0}) return;
            entry_.extents.push_back(
                {static_cast<std::uint64_t>(tar::number_field(from, at, 12, "sparse offset")),
                 static_cast<std::uint64_t>(tar::number_field(from, at + 12, 12, "sparse size"))});
        }
    };
    try {
        add_extents(block, 386, 4);
        bool more = block[482] != std::byte{0};
        while (more) {
            std::byte extension[block_bytes];
            if (!read_block(extension)) fail("the archive ends inside the sparse map");
            add_extents(extension, 0, 21);
            if (entry_.extents.size() > limits_.sparse_extents) fail("the sparse map is too large");
            more = extension[504] != std::byte{0};
        }
    } catch (const Error& error) {
        if (error.message().starts_with("malformed")) throw;
        fail(error.message());
    }
    check_extents();
}

std::uint64_t TarReader::read_sparse_number() {
    std::string digits;
    for (;;) {
        if (data_left_ == 0) fail("the sparse map does not end");
        const auto part = take(1);
        if (part.empty()) fail("the archive ends inside the sparse map");
        --data_left_;
        const char byte = static_cast<char>(part[0]);
        if (byte == '\n') return tar::parse_decimal(digits, "sparse map number");
        digits += byte;
        if (digits.size() > 20) fail("the sparse map is malformed");
    }
}

void TarReader::read_pax_sparse() {
    const auto find = [&](std::string_view key) { return find_record(pax_, key); };
    const std::string* major = find("GNU.sparse.major");
    const std::string* map = find("GNU.sparse.map");
    const bool pairs = find("GNU.sparse.numblocks") != nullptr;
    if (!major && !map && !pairs) return;
    try {
        if (const std::string* name = find("GNU.sparse.name"); name && !name->empty())
            entry_.name = *name;
        const std::string* real_size = find("GNU.sparse.realsize");
        if (!real_size) real_size = find("GNU.sparse.size");
        if (!real_size) fail("a sparse file without its real size");
        entry_.sparse = true;
        entry_.size = tar::parse_decimal(*real_size, "sparse real size");

        std::vector<std::uint64_t> numbers;
        if (major && *major == "1") {
            const std::uint64_t before = data_left_;
            const std::uint64_t count = read_sparse_number();
            if (count > limits_.sparse_extents) fail("the sparse map is too large");
            for (std::uint64_t i = 0; i < 2 * count; ++i) numbers.push_back(read_sparse_number());
            const std::uint64_t rest = padding_of(before - data_left_);
            if (rest > data_left_) fail("the sparse map does not end");
            skip(rest);
            data_left_ -= rest;
            entry_.stored_size = data_left_;
        } else if (map && !map->empty()) {
            std::size_t at = 0;
            while (at <= map->size()) {
                const std::size_t comma = std::min(map->find(',', at), map->size());
                numbers.push_back(tar::parse_decimal(std::string_view(*map).substr(at, comma - at),
                                                     "sparse map number"));
                at = comma + 1;
            }
        } else if (pairs) {
            for (const auto& [key, value] : pax_)
                if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes")
                    numbers.push_back(tar::parse_decimal(value, "sparse map number"));
        }
        if (numbers.size() % 2 != 0) fail("the sparse map is malformed");
        if (numbers.size() / 2 > limits_.sparse_extents) fail("the sparse map is too large");
        for (std::size_t i = 0; i < numbers.size(); i += 2)
            entry_.extents.push_back({numbers[i], numbers[i + 1]});
    } catch (const Error& error) {
        if (error.message().starts_with("malformed")) throw;
        fail(error.message());
    }
    check_extents();
}

/// From here on the extents are ascending, inside the file, and hold exactly the stored bytes.
void TarReader::check_extents() {
    std::uint64_t end = 0, total = 0;
    if (entry_.size > static_cast<std::uint64_t>(INT64_MAX)) fail("the size is absurd");
    for (const Extent& extent : entry_.extents) {
        if (extent.offset < end || extent.offset > entry_.size ||
            extent.size > entry_.size - extent.offset)
            fail("the sparse map overlaps itself or the end of the file");
        end = extent.offset + extent.size;
        total += extent.size;
    }
    if (total != entry_.stored_size) fail("the sparse map does not fit the stored size");
    std::erase_if(entry_.extents, [](const Extent& extent) { return extent.size == 0; });
}

}  // namespace hull::archive
