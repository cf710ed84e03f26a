#include "files/copy_index.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/text.hh"
#include "base/time.hh"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hull::files {

namespace {

constexpr std::string_view header = "hull copy index 1";
constexpr std::size_t most_bytes = 512UL << 20;
/// Times of files move in steps of a clock tick: what changed this recently may change again
/// without a new time.
constexpr std::int64_t settled_ns = 20'000'000;

std::int64_t to_ns(const timespec& time) { return time.tv_sec * 1'000'000'000L + time.tv_nsec; }

template <typename Number>
bool read_number(std::string_view& text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data() + text.size()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return true;
}

}  // namespace

CopyIndex::CopyIndex(Path file) : file_(std::move(file)), opened_ns_(now_ns()) {
    const std::optional<std::string> text = find_file(file_, most_bytes);
    if (!text) return;
    // The first record is the hash of the rest.
    const std::size_t first = text->find('\0');
    if (first == std::string::npos) return;
    const std::string_view body = std::string_view(*text).substr(first + 1);
    if (text->substr(0, first) != std::string(header) + " " + sha256_hex(body)) return;
    for (std::size_t at = 0; at < body.size();) {
        const std::size_t end = body.find('\0', at);
        if (end == std::string_view::npos) break;
        std::string_view record = body.substr(at, end - at);
        at = end + 1;
        Entry entry;
        if (!read_number(record, entry.device) || !read_number(record, entry.inode) ||
            !read_number(record, entry.size) || !read_number(record, entry.mtime_ns) ||
            !read_number(record, entry.ctime_ns) || record.size() < 65)
            continue;
        entry.hash = record.substr(0, 64);
        entries_.emplace(record.substr(65), std::move(entry));
    }
}

std::optional<std::string> CopyIndex::find(const std::string& path, const struct stat& info) {
    const auto found = entries_.find(path);
    if (found == entries_.end()) return std::nullopt;
    const Entry& entry = found->second;
    if (entry.device != info.st_dev || entry.inode != info.st_ino ||
        entry.size != static_cast<std::uint64_t>(info.st_size) ||
        entry.mtime_ns != to_ns(info.st_mtim) || entry.ctime_ns != to_ns(info.st_ctim))
        return std::nullopt;
    return entry.hash;
}

void CopyIndex::add(const std::string& path, const struct stat& info, const std::string& hash) {
    if (to_ns(info.st_ctim) > opened_ns_ - settled_ns) return;
    entries_[path] = {
        info.st_dev,         info.st_ino,         static_cast<std::uint64_t>(info.st_size),
        to_ns(info.st_mtim), to_ns(info.st_ctim), hash};
    changed_ = true;
}

void CopyIndex::save() {
    if (!changed_) return;
    std::string body;
    for (const auto& [path, entry] : entries_)
        body += fmt::format("{} {} {} {} {} {} {}", entry.device, entry.inode, entry.size,
                            entry.mtime_ns, entry.ctime_ns, entry.hash, path) +
                '\0';
    // Without a sync: a torn index has the wrong hash and is built anew.
    replace_file(file_, std::string(header) + " " + sha256_hex(body) + '\0' + body, 0600);
    changed_ = false;
}

}  // namespace hull::files
