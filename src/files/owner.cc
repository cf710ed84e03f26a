#include "files/owner.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "files/tree.hh"

#include <fcntl.h>

#include <charconv>
#include <cstdint>
#include <vector>

namespace hull::files {

namespace {

constexpr std::size_t max_account_bytes = 1UL << 20;

std::optional<std::uint32_t> find_id(std::string_view text) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return id;
}

/// The first line of an account file whose first field, or else whose id, is `wanted`.
std::vector<std::string> find_account(int root, const std::string& file,
                                      const std::string& wanted) {
    const auto place = find_place(root, file);
    if (!place || !S_ISREG(place->info.st_mode)) return {};
    const Fd fd = reopen(place->fd.get(), O_RDONLY);
    std::string text(max_account_bytes, '\0');
    text.resize(sys::read_full(fd.get(), std::as_writable_bytes(std::span(text))));
    std::vector<std::string> by_id;
    for (const std::string& line : split(text, '\n')) {
        std::vector<std::string> fields = split(line, ':');
        if (fields.size() < 4) continue;
        if (fields[0] == wanted) return fields;
        if (by_id.empty() && find_id(wanted) && find_id(fields[2]) == find_id(wanted))
            by_id = std::move(fields);
    }
    return by_id;
}

}  // namespace

Owner find_owner(int root, const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::string user = text.substr(0, colon);
    Owner owner;
    const std::vector<std::string> account = find_account(root, "/etc/passwd", user);
    if (!account.empty()) {
        owner.uid = find_id(account[2]).value_or(0);
        owner.gid = find_id(account[3]).value_or(0);
    } else if (const auto uid = find_id(user)) {
        owner.uid = *uid;
    } else {
        throw Error(ErrorKind::invalid_argument,
                    "the container's user {} is not in its /etc/passwd", archive::quoted(user));
    }
    if (colon == std::string::npos || colon + 1 == text.size()) return owner;
    const std::string group = text.substr(colon + 1);
    const std::vector<std::string> entry = find_account(root, "/etc/group", group);
    if (!entry.empty())
        owner.gid = find_id(entry[2]).value_or(0);
    else if (const auto gid = find_id(group))
        owner.gid = *gid;
    else
        throw Error(ErrorKind::invalid_argument,
                    "the container's group {} is not in its /etc/group", archive::quoted(group));
    return owner;
}

}  // namespace hull::files
