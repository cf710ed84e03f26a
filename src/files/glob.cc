#include "files/glob.hh"

#include "base/text.hh"
#include "build/dockerfile/ignore.hh"
#include "files/tree.hh"
#include "linux/mount.hh"

#include <fcntl.h>

#include <algorithm>

namespace hull::files {

namespace {

constexpr int max_depth = 200;

void find_below(int root, const std::string& prefix, const std::vector<std::string>& parts,
                std::size_t part, int depth, std::vector<std::string>& found) {
    if (part == parts.size()) {
        if (find_place(root, "/" + prefix)) found.push_back(prefix);
        return;
    }
    const auto joined = [&](const std::string& name) {
        return prefix.empty() ? name : prefix + "/" + name;
    };
    if (!build::dockerfile::has_wildcards(parts[part]))
        return find_below(root, joined(parts[part]), parts, part + 1, depth, found);
    const Fd directory = linux_::find_in_root(root, "/" + prefix, O_PATH | O_DIRECTORY);
    if (!directory || depth > max_depth) return;
    const bool any_depth = parts[part] == "**";
    if (any_depth && part + 1 < parts.size())
        find_below(root, prefix, parts, part + 1, depth + 1, found);
    for (const std::string& name : list_names(directory.get())) {
        if (any_depth) {
            if (part + 1 == parts.size()) found.push_back(joined(name));
            const Fd child = find_child(directory.get(), name);
            struct stat info {};
            if (child && ::fstatat(child.get(), "", &info, AT_EMPTY_PATH) == 0 &&
                S_ISDIR(info.st_mode) && part + 1 < parts.size())
                find_below(root, joined(name), parts, part, depth + 1, found);
        } else if (build::dockerfile::match_path(parts[part], name)) {
            find_below(root, joined(name), parts, part + 1, depth + 1, found);
        }
    }
}

}  // namespace

std::vector<std::string> find_matches(int root, const std::string& pattern) {
    std::vector<std::string> found;
    find_below(root, "", split_nonempty(pattern, '/'), 0, 0, found);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

}  // namespace hull::files
