#include "archive/file_record.hh"

#include "base/error.hh"

#include <algorithm>
#include <cstring>

namespace hull::archive {

namespace {

constexpr std::uint32_t magic = 0x31524648;  // "HFR1"
constexpr std::uint32_t end_type = 0xffff;

struct Head {
    std::uint32_t magic = archive::magic;
    std::uint32_t type = end_type;
    std::uint32_t mode = 0, uid = 0, gid = 0;
    std::uint32_t device_major = 0, device_minor = 0;
    std::uint32_t name_bytes = 0, link_bytes = 0;
    std::uint32_t xattrs = 0, extents = 0;
    std::uint32_t sparse = 0;
    std::uint32_t mtime_nanoseconds = 0;
    std::uint32_t unused = 0;
    std::int64_t mtime_seconds = 0;
    std::uint64_t size = 0;
};
static_assert(sizeof(Head) == 72);

struct XattrHead {
    std::uint32_t name_bytes = 0, value_bytes = 0;
};

[[noreturn]] void fail(std::string_view what) {
    throw Error(ErrorKind::internal, "record of an archive: {}", what);
}

[[noreturn]] void fail_early_end() {
    throw Error(ErrorKind::data_loss, "the records of the archive end early");
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

std::uint64_t data_bytes(const Entry& entry) {
    if (entry.type != EntryType::file) return 0;
    if (!entry.sparse) return entry.size;
    std::uint64_t total = 0;
    for (const Extent& extent : entry.extents) total += extent.size;
    return total;
}

}  // namespace

bool is_clean_record_name(std::string_view name) {
    if (name.empty()) return true;
    if (name.size() > RecordLimits::name_bytes || name.find('\0') != std::string_view::npos)
        return false;
    for (std::size_t at = 0; at <= name.size();) {
        const std::size_t end = std::min(name.find('/', at), name.size());
        const std::string_view part = name.substr(at, end - at);
        if (part.empty() || part == "." || part == ".." ||
            part.size() > RecordLimits::component_bytes)
            return false;
        at = end + 1;
    }
    return true;
}

void RecordWriter::add(const Entry& entry, ByteSource& data) {
    Head head;
    head.type = static_cast<std::uint32_t>(entry.type);
    head.mode = entry.mode & 07777;
    head.uid = entry.uid;
    head.gid = entry.gid;
    head.device_major = entry.device_major;
    head.device_minor = entry.device_minor;
    head.name_bytes = static_cast<std::uint32_t>(entry.name.size());
    head.link_bytes = static_cast<std::uint32_t>(entry.link_target.size());
    head.xattrs = static_cast<std::uint32_t>(entry.xattrs.size());
    head.mtime_nanoseconds = entry.mtime.nanoseconds;
    head.mtime_seconds = entry.mtime.seconds;
    if (entry.type == EntryType::file) {
        head.size = entry.size;
        head.sparse = entry.sparse;
        if (entry.sparse) head.extents = static_cast<std::uint32_t>(entry.extents.size());
    }
    sink_(bytes_of(head));
    sink_(std::as_bytes(std::span(entry.name)));
    sink_(std::as_bytes(std::span(entry.link_target)));
    for (const auto& [name, value] : entry.xattrs) {
        const XattrHead xattr{static_cast<std::uint32_t>(name.size()),
                              static_cast<std::uint32_t>(value.size())};
        sink_(bytes_of(xattr));
        sink_(std::as_bytes(std::span(name)));
        sink_(std::as_bytes(std::span(value)));
    }
    for (std::uint32_t i = 0; i < head.extents; ++i) sink_(bytes_of(entry.extents[i]));
    for (std::uint64_t left = data_bytes(entry); left > 0;) {
        const auto chunk = data.next();
        if (chunk.empty())
            throw Error(ErrorKind::invalid_argument, "{}: its data ends {} bytes early",
                        quoted(entry.name), left);
        const auto piece = chunk.first(std::min<std::uint64_t>(left, chunk.size()));
        left -= piece.size();
        sink_(piece);
    }
}

void RecordWriter::finish() { sink_(bytes_of(Head{})); }

std::span<const std::byte> RecordReader::take(std::uint64_t limit) {
    if (chunk_.empty()) chunk_ = source_.next();
    const auto piece = chunk_.first(std::min<std::uint64_t>(limit, chunk_.size()));
    chunk_ = chunk_.subspan(piece.size());
    return piece;
}

void RecordReader::read(std::span<std::byte> into) {
    while (!into.empty()) {
        const auto piece = take(into.size());
        if (piece.empty()) fail_early_end();
        std::memcpy(into.data(), piece.data(), piece.size());
        into = into.subspan(piece.size());
    }
}

std::string RecordReader::read_text(std::size_t size, std::size_t limit, std::string_view what) {
    if (size > limit) fail(fmt::format("{} bytes are too many for {}", size, what));
    std::string text(size, '\0');
    read(std::as_writable_bytes(std::span(text)));
    return text;
}

void RecordReader::read_xattrs(std::uint32_t count) {
    if (count > RecordLimits::xattrs) fail("too many extended attributes");
    std::size_t total = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        XattrHead head;
        read(std::as_writable_bytes(std::span(&head, 1)));
        std::string name = read_text(head.name_bytes, RecordLimits::component_bytes, "a name");
        if (name.find('\0') != std::string::npos) fail("a NUL in an attribute's name");
        std::string value = read_text(head.value_bytes, RecordLimits::xattr_bytes, "an attribute");
        total += name.size() + value.size();
        if (total > RecordLimits::all_xattr_bytes) fail("too many bytes of extended attributes");
        entry_.xattrs.insert_or_assign(std::move(name), std::move(value));
    }
}

void RecordReader::read_extents(std::uint32_t count) {
    if (count > RecordLimits::extents) fail("too many extents");
    std::uint64_t end = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        Extent extent;
        read(std::as_writable_bytes(std::span(&extent, 1)));
        if (extent.offset < end || extent.offset > entry_.size ||
            extent.size > entry_.size - extent.offset)
            fail("extents that overlap or lie outside the file");
        end = extent.offset + extent.size;
        entry_.extents.push_back(extent);
    }
}

const Entry* RecordReader::next_entry() {
    while (data_left_ > 0)
        if (next().empty()) break;
    if (ended_) return nullptr;
    Head head;
    read(std::as_writable_bytes(std::span(&head, 1)));
    if (head.magic != magic) fail("no record begins here");
    if (head.type == end_type) {
        ended_ = true;
        return nullptr;
    }
    if (head.type > static_cast<std::uint32_t>(EntryType::fifo)) fail("an unknown type");
    entry_ = Entry();
    entry_.type = static_cast<EntryType>(head.type);
    if (head.mode > 07777 || head.mtime_nanoseconds > 999'999'999 || head.sparse > 1 ||
        head.size > INT64_MAX)
        fail("a number out of range");
    if (entry_.type != EntryType::file && (head.size || head.sparse)) fail("data of no file");
    if (!head.sparse && head.extents) fail("extents of a file that is not sparse");
    entry_.mode = head.mode;
    entry_.uid = head.uid;
    entry_.gid = head.gid;
    entry_.device_major = head.device_major;
    entry_.device_minor = head.device_minor;
    entry_.mtime = {head.mtime_seconds, head.mtime_nanoseconds};
    entry_.size = head.size;
    entry_.sparse = head.sparse != 0;
    entry_.name = read_text(head.name_bytes, RecordLimits::name_bytes, "a name");
    if (!is_clean_record_name(entry_.name)) fail("a name that is not clean");
    entry_.link_target = read_text(head.link_bytes, RecordLimits::name_bytes, "a link");
    if (entry_.link_target.find('\0') != std::string::npos) fail("a NUL in a link");
    if (entry_.type == EntryType::hard_link && !is_clean_record_name(entry_.link_target))
        fail("a link to a name that is not clean");
    read_xattrs(head.xattrs);
    read_extents(head.extents);
    entry_.stored_size = data_left_ = data_bytes(entry_);
    return &entry_;
}

std::span<const std::byte> RecordReader::next() {
    if (data_left_ == 0) return {};
    const auto piece = take(data_left_);
    if (piece.empty()) fail_early_end();
    data_left_ -= piece.size();
    return piece;
}

}  // namespace hull::archive
