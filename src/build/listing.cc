#include "build/listing.hh"

#include "base/hash.hh"

#include <fmt/core.h>

#include <cstddef>
#include <map>
#include <vector>

namespace hull::build {

namespace {

constexpr std::size_t most_files_named = 10;

/// What a record says of one file.
struct File {
    std::string_view kind, mode, owner, content;
};

std::string_view take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

/// "f 644 0 0 HASH NAME", "d 755 0 0 MAJOR:MINOR HASH NAME", "h FIRST NAME".
File parse_record(std::string_view record) {
    File file;
    file.kind = take_word(record);
    if (file.kind == "h") {
        file.content = record;
        return file;
    }
    file.mode = take_word(record);
    const char* owner = record.data();
    take_word(record);
    const std::string_view group = take_word(record);
    file.owner = {owner, static_cast<std::size_t>(group.data() + group.size() - owner)};
    const char* content = record.data();
    std::string_view last = take_word(record);
    if (file.kind != "f") last = take_word(record);
    file.content = {content, static_cast<std::size_t>(last.data() + last.size() - content)};
    return file;
}

using Files = std::map<std::string_view, File>;

Files parse_listing(std::string_view text) {
    Files files;
    while (!text.empty()) {
        const std::size_t record_end = text.find('\0');
        if (record_end == std::string_view::npos) break;
        const std::size_t path_end = text.find('\0', record_end + 1);
        if (path_end == std::string_view::npos) break;
        files[text.substr(record_end + 1, path_end - record_end - 1)] =
            parse_record(text.substr(0, record_end));
        text.remove_prefix(path_end + 1);
    }
    return files;
}

std::string_view noun_of(std::string_view kind) {
    if (kind == "d") return "directory";
    if (kind == "l") return "link";
    if (kind == "f" || kind == "h") return "file";
    return "special file";
}

std::string with_colon(std::string_view owner) {
    std::string text(owner);
    if (const std::size_t blank = text.find(' '); blank != std::string::npos) text[blank] = ':';
    return text;
}

/// "" when nothing differs.
std::string explain_file(const File& before, const File& now) {
    if (noun_of(before.kind) != noun_of(now.kind))
        return fmt::format("is a {}, was a {}", noun_of(now.kind), noun_of(before.kind));
    std::string text;
    const auto say = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (before.content != now.content) say(now.kind == "l" ? "target" : "content");
    if (before.mode != now.mode) say(fmt::format("mode {:0>4}→{:0>4}", before.mode, now.mode));
    if (before.owner != now.owner)
        say(fmt::format("owner {}→{}", with_colon(before.owner), with_colon(now.owner)));
    return text;
}

}  // namespace

std::string Listing::digest() const {
    Sha256 hash;
    std::string_view text = text_;
    while (!text.empty()) {
        const std::size_t record_end = text.find('\0');
        if (record_end == std::string_view::npos) break;
        hash.update(text.substr(0, record_end + 1));
        const std::size_t path_end = text.find('\0', record_end + 1);
        if (path_end == std::string_view::npos) break;
        text.remove_prefix(path_end + 1);
    }
    return hash.hex();
}

std::string explain_files(const Listing& before, const Listing& now) {
    const Files old_files = parse_listing(before.text()), new_files = parse_listing(now.text());
    std::vector<std::string> reasons;
    const auto name_of = [](std::string_view path) { return path.empty() ? "." : path; };
    for (const auto& [path, file] : new_files) {
        const auto known = old_files.find(path);
        const std::string reason =
            known == old_files.end() ? "is new" : explain_file(known->second, file);
        if (!reason.empty()) reasons.push_back(fmt::format("{} {}", name_of(path), reason));
    }
    for (const auto& [path, file] : old_files)
        if (!new_files.contains(path)) reasons.push_back(fmt::format("{} is gone", name_of(path)));
    std::string text;
    for (std::size_t i = 0; i < reasons.size() && i < most_files_named; ++i)
        text += (i ? "; " : "") + reasons[i];
    if (reasons.size() > most_files_named)
        text += fmt::format("; and {} more", reasons.size() - most_files_named);
    return text;
}

}  // namespace hull::build
