#include "runtime/init.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>
#include <vector>

namespace hull::runtime {
namespace {

constexpr std::size_t largest_file = 4UL << 20;
constexpr int refused = 126;

using Fields = std::vector<std::string_view>;

std::optional<std::uint32_t> find_id(std::string_view text) {
    std::uint32_t id = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return id;
}

/// The lines of /etc/passwd or /etc/group that `fits` takes, with at least `count` fields. We are
/// inside the container's root, so links in it cannot lead out.
std::vector<Fields> find_entries(const std::string& file, std::size_t count,
                                 const std::function<bool(const Fields&)>& fits) {
    std::vector<Fields> entries;
    for (std::string_view line : split_views(file, '\n')) {
        Fields fields = split_views(line, ':');
        if (fields.size() >= count && fits(fields)) entries.push_back(std::move(fields));
    }
    return entries;
}

/// "" when there is none, as in many images. A fifo in its place must not hold us up.
std::string read_account_file(const Path& path) {
    try {
        const Fd file = sys::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        const struct stat info = sys::fstat(file.get());
        if (!S_ISREG(info.st_mode) || static_cast<std::size_t>(info.st_size) > largest_file)
            return "";
        std::string text(static_cast<std::size_t>(info.st_size), '\0');
        text.resize(sys::read_full(file.get(), std::as_writable_bytes(std::span(text))));
        return text;
    } catch (const Error&) {
        return "";
    }
}

std::uint32_t get_group(const std::string& groups, std::string_view wanted) {
    const std::vector<Fields> entries =
        find_entries(groups, 3, [&](const Fields& fields) { return fields[0] == wanted; });
    if (!entries.empty())
        if (auto gid = find_id(entries.front()[2])) return *gid;
    if (auto gid = find_id(wanted)) return *gid;
    throw LaunchError(
        ErrorKind::invalid_argument, refused,
        fmt::format("unable to find group {}: no matching entries in group file", wanted));
}

void add_group(oci::User& user, std::uint32_t gid) {
    auto& groups = user.additional_gids;
    if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
}

/// A name wins over a number that looks the same, as in Docker.
oci::User resolve_user(const oci::User& given) {
    const std::string passwd = read_account_file("/etc/passwd");
    const std::string group = read_account_file("/etc/group");
    const Fields words = split_views(given.username, '+');
    const std::size_t colon = words[0].find(':');
    const std::string_view name = words[0].substr(0, colon);
    const std::string_view group_name =
        colon == std::string_view::npos ? std::string_view() : words[0].substr(colon + 1);

    oci::User user;
    user.umask = given.umask;
    std::string_view account;
    const std::string_view wanted = name.empty() ? std::string_view("0") : name;
    std::vector<Fields> entries =
        find_entries(passwd, 4, [&](const Fields& fields) { return fields[0] == wanted; });
    if (entries.empty())
        entries = find_entries(passwd, 4, [&](const Fields& fields) {
            return find_id(wanted) && find_id(fields[2]) == find_id(wanted);
        });
    if (!entries.empty()) {
        account = entries.front()[0];
        user.uid = find_id(entries.front()[2]).value_or(0);
        user.gid = find_id(entries.front()[3]).value_or(0);
    } else if (auto uid = find_id(wanted)) {
        user.uid = *uid;
    } else {
        throw LaunchError(
            ErrorKind::invalid_argument, refused,
            fmt::format("unable to find user {}: no matching entries in passwd file", name));
    }
    if (!group_name.empty()) {
        user.gid = get_group(group, group_name);
    } else if (!account.empty()) {
        for (const Fields& entry : find_entries(group, 4, [&](const Fields& fields) {
                 const Fields members = split_views(fields[3], ',');
                 return std::find(members.begin(), members.end(), account) != members.end();
             }))
            if (auto gid = find_id(entry[2])) add_group(user, *gid);
    }
    for (std::size_t i = 1; i < words.size(); i++) add_group(user, get_group(group, words[i]));
    add_group(user, user.gid);  // or a set-group-id program could drop it: CVE-2022-36109
    return user;
}

}  // namespace

void find_user(InitContext& context) {
    const oci::User& given = context.process->user;
    context.user = given.username.empty() ? given : resolve_user(given);
}

}  // namespace hull::runtime
