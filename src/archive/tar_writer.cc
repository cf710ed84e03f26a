#include "archive/tar_writer.hh"

#include "archive/tar_fields.hh"
#include "base/error.hh"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace hull::archive {

namespace {

constexpr std::size_t name_bytes = 100, prefix_bytes = 155;
constexpr std::uint64_t max_id = 07777777;        // 7 octal digits
constexpr std::uint64_t max_size = 077777777777;  // 11 octal digits: 8 GiB

struct Header {
    char name[100] = {}, mode[8] = {}, uid[8] = {}, gid[8] = {}, size[12] = {}, mtime[12] = {},
         checksum[8] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
    char type = '0';
    char link_target[100] = {}, magic[6] = {'u', 's', 't', 'a', 'r', '\0'}, version[2] = {'0', '0'},
         user_name[32] = {}, group_name[32] = {}, device_major[8] = {}, device_minor[8] = {},
         prefix[155] = {}, unused[12] = {};
};
static_assert(sizeof(Header) == tar::block_bytes);

template <std::size_t size>
void put_octal(char (&field)[size], std::uint64_t value) {
    const std::string digits = fmt::format("{:0{}o}", value, size - 1);
    std::memcpy(field, digits.data(), std::min(digits.size(), size - 1));
}

template <std::size_t size>
void put_text(char (&field)[size], std::string_view text) {
    std::memcpy(field, text.data(), std::min(text.size(), size));
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char type_letter(EntryType type) {
    switch (type) {
        case EntryType::file: return '0';
        case EntryType::hard_link: return '1';
        case EntryType::symlink: return '2';
        case EntryType::char_device: return '3';
        case EntryType::block_device: return '4';
        case EntryType::directory: return '5';
        case EntryType::fifo: return '6';
    }
    return '0';
}

/// The length counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (fmt::formatted_size("{}", length) + rest != length)
        length = fmt::formatted_size("{}", length) + rest;
    return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax_time(const Timestamp& time) {
    std::int64_t seconds = time.seconds;
    std::uint32_t nanoseconds = time.nanoseconds;
    std::string sign;
    if (seconds < 0 && nanoseconds > 0) {
        ++seconds;
        nanoseconds = 1'000'000'000 - nanoseconds;
        if (seconds == 0) sign = "-";
    }
    std::string text = sign + fmt::format("{}", seconds);
    if (nanoseconds > 0) {
        text += fmt::format(".{:09}", nanoseconds);
        text.erase(text.find_last_not_of('0') + 1);
    }
    return text;
}

/// Puts the name into name and prefix; false when it needs a pax record.
bool put_name(Header& header, std::string_view name) {
    if (!is_ascii(name)) {
        put_text(header.name, name.substr(0, name_bytes - 1));
        return false;
    }
    if (name.size() <= name_bytes) {
        put_text(header.name, name);
        return true;
    }
    const std::size_t slash = name.rfind('/', std::min(prefix_bytes, name.size() - 2));
    if (slash != std::string_view::npos && slash > 0 && name.size() - slash - 1 <= name_bytes) {
        put_text(header.prefix, name.substr(0, slash));
        put_text(header.name, name.substr(slash + 1));
        return true;
    }
    put_text(header.name, name.substr(0, name_bytes - 1));
    return false;
}

void seal(Header& header) {
    unsigned sum = 0;
    for (const char byte : std::string_view(reinterpret_cast<const char*>(&header), sizeof header))
        sum += static_cast<unsigned char>(byte);
    const std::string digits = fmt::format("{:06o}", sum);
    std::memcpy(header.checksum, digits.data(), 6);
    header.checksum[6] = '\0';
}

std::string_view bytes_of(const Header& header) {
    return {reinterpret_cast<const char*>(&header), sizeof header};
}

}  // namespace

void TarWriter::emit(std::string_view bytes) { sink_(std::as_bytes(std::span(bytes))); }

void TarWriter::pad() {
    static constexpr char zeros[tar::block_bytes] = {};
    emit({zeros, (tar::block_bytes - entry_size_ % tar::block_bytes) % tar::block_bytes});
}

void TarWriter::add_sparse(const Entry& entry) {
    std::string map = fmt::format("{}\n", entry.extents.size());
    Entry stored = entry;
    stored.size = 0;
    for (const Extent& extent : entry.extents) {
        map += fmt::format("{}\n{}\n", extent.offset, extent.size);
        stored.size += extent.size;
    }
    map.resize((map.size() + tar::block_bytes - 1) / tar::block_bytes * tar::block_bytes);
    stored.size += map.size();
    // Who does not know the format finds the file under a name that says what it is.
    const std::size_t slash = entry.name.rfind('/');
    const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
    stored.name = entry.name.substr(0, base) + "GNUSparseFile.0/" + entry.name.substr(base);
    start(stored, pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                      pax_record("GNU.sparse.name", entry.name) +
                      pax_record("GNU.sparse.realsize", fmt::format("{}", entry.size)));
    write(std::as_bytes(std::span(map)));
}

void TarWriter::start(const Entry& entry, std::string pax) {
    if (data_left_ != 0)
        throw Error(ErrorKind::internal, "tar writer: {} bytes missing before {}", data_left_,
                    quoted(entry.name));
    Header header;
    std::string name = entry.name;
    if (entry.type == EntryType::directory && !name.ends_with('/')) name += '/';
    if (!put_name(header, name)) pax += pax_record("path", name);
    put_text(header.link_target, entry.link_target);
    if (entry.link_target.size() > name_bytes || !is_ascii(entry.link_target))
        pax += pax_record("linkpath", entry.link_target);

    const std::uint64_t size = entry.type == EntryType::file ? entry.size : 0;
    put_octal(header.mode, entry.mode & 07777);
    put_octal(header.uid, entry.uid > max_id ? 0 : entry.uid);
    if (entry.uid > max_id) pax += pax_record("uid", fmt::format("{}", entry.uid));
    put_octal(header.gid, entry.gid > max_id ? 0 : entry.gid);
    if (entry.gid > max_id) pax += pax_record("gid", fmt::format("{}", entry.gid));
    put_octal(header.size, size > max_size ? 0 : size);
    if (size > max_size) pax += pax_record("size", fmt::format("{}", size));
    const bool plain_time = entry.mtime.nanoseconds == 0 && entry.mtime.seconds >= 0 &&
                            static_cast<std::uint64_t>(entry.mtime.seconds) <= max_size;
    put_octal(header.mtime, entry.mtime.seconds < 0 || !plain_time
                                ? std::clamp<std::int64_t>(entry.mtime.seconds, 0, max_size)
                                : entry.mtime.seconds);
    if (!plain_time) pax += pax_record("mtime", pax_time(entry.mtime));
    put_text(header.user_name, std::string_view(entry.user_name).substr(0, 31));
    put_text(header.group_name, std::string_view(entry.group_name).substr(0, 31));
    if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
        put_octal(header.device_major, entry.device_major > max_id ? 0 : entry.device_major);
        put_octal(header.device_minor, entry.device_minor > max_id ? 0 : entry.device_minor);
        if (entry.device_major > max_id)
            pax += pax_record("SCHILY.devmajor", fmt::format("{}", entry.device_major));
        if (entry.device_minor > max_id)
            pax += pax_record("SCHILY.devminor", fmt::format("{}", entry.device_minor));
    }
    for (const auto& [key, value] : entry.xattrs) pax += pax_record("SCHILY.xattr." + key, value);
    header.type = type_letter(entry.type);
    seal(header);

    if (!pax.empty()) {
        Header extended;
        put_text(extended.name, "PaxHeaders.0/entry");
        put_octal(extended.mode, 0644);
        put_octal(extended.uid, 0);
        put_octal(extended.gid, 0);
        put_octal(extended.size, pax.size());
        put_octal(extended.mtime, 0);
        extended.type = 'x';
        seal(extended);
        emit(bytes_of(extended));
        emit(pax);
        entry_size_ = pax.size();
        pad();
    }
    emit(bytes_of(header));
    entry_size_ = data_left_ = size;
}

void TarWriter::write(std::span<const std::byte> data) {
    if (data.size() > data_left_)
        throw Error(ErrorKind::internal, "tar writer: more data than the entry's size");
    if (data.empty()) return;
    sink_(data);
    data_left_ -= data.size();
    if (data_left_ == 0) pad();
}

void TarWriter::add_file(const Entry& entry, std::string_view content) {
    Entry sized = entry;
    sized.size = content.size();
    add(sized);
    write(std::as_bytes(std::span(content)));
}

void TarWriter::finish() {
    if (data_left_ != 0)
        throw Error(ErrorKind::internal, "tar writer: {} bytes missing at the end", data_left_);
    static constexpr char zeros[2 * tar::block_bytes] = {};
    emit({zeros, sizeof zeros});
}

}  // namespace hull::archive
