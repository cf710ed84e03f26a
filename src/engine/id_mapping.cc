#include "engine/id_mapping.hh"

#include "base/error.hh"
#include "engine/text.hh"

#include <algorithm>

namespace hull::engine {

namespace {

constexpr std::uint32_t every_id = 0xffffffff;  // the last one is "no id"

[[noreturn]] void refuse(std::string_view text) {
    throw Error(ErrorKind::invalid_argument,
                "invalid id map \"{}\": use map=host, or idmap=uids=HOST-CONTAINER-COUNT;"
                "gids=HOST-CONTAINER-COUNT, several separated by #",
                text);
}

/// "H-C-N#H-C-N".
std::vector<oci::IdMapping> parse_ranges(std::string_view ranges, std::string_view text) {
    std::vector<oci::IdMapping> result;
    for (const std::string& range : split(ranges, '#')) {
        const std::vector<std::string> numbers = split(range, '-');
        if (numbers.size() != 3) refuse(text);
        std::int64_t parsed[3];
        for (std::size_t i = 0; i < 3; i++) {
            const auto number = find_integer(numbers[i]);
            if (!number || *number < 0 || *number > every_id) refuse(text);
            parsed[i] = *number;
        }
        if (parsed[2] == 0) refuse(text);
        result.push_back({.container_id = static_cast<std::uint32_t>(parsed[0]),
                          .host_id = static_cast<std::uint32_t>(parsed[1]),
                          .size = static_cast<std::uint32_t>(parsed[2])});
    }
    return result;
}

IdMapping parse(std::string_view text) {
    IdMapping mapping;
    if (!text.starts_with("idmap=")) refuse(text);
    for (const std::string& part : split(text.substr(6), ';')) {
        if (part.starts_with("uids="))
            mapping.uids = parse_ranges(std::string_view(part).substr(5), text);
        else if (part.starts_with("gids="))
            mapping.gids = parse_ranges(std::string_view(part).substr(5), text);
        else
            refuse(text);
    }
    if (mapping.uids.empty() || mapping.gids.empty()) refuse(text);
    return mapping;
}

/// All ids as they are, but two of them changed for each other: nobody is left without one.
std::vector<oci::IdMapping> exchange(std::uint32_t one, std::uint32_t other) {
    std::vector<oci::IdMapping> result;
    const std::uint32_t low = std::min(one, other), high = std::max(one, other);
    const auto add = [&](std::uint32_t from, std::uint32_t to, std::uint32_t count) {
        if (count) result.push_back({.container_id = from, .host_id = to, .size = count});
    };
    if (low == high) {
        add(0, 0, every_id);
        return result;
    }
    add(0, 0, low);
    add(low, high, 1);
    add(low + 1, low + 1, high - low - 1);
    add(high, low, 1);
    add(high + 1, high + 1, every_id - high - 1);
    return result;
}

}  // namespace

void check_id_map(std::string_view text) {
    if (text != "map=host") parse(text);
}

IdMapping make_id_mapping(std::string_view text, Ids source_owner, Ids container_user) {
    if (text != "map=host") return parse(text);
    return {exchange(source_owner.uid, container_user.uid),
            exchange(source_owner.gid, container_user.gid)};
}

}  // namespace hull::engine
