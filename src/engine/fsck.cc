#include "engine/fsck.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "engine/files.hh"

#include <fts.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <set>

namespace hull::engine {

namespace {

struct Known {
    std::string_view name, contents;
};
constexpr Known known_areas[] = {
    {"blobs", "manifests, configs and compressed layers of images"},
    {"build", "contexts, scratch and cache of builds"},
    {"containers", "containers: layer, configuration, log"},
    {"empty", "the lower directory of images without layers"},
    {"events", "events that outlive the daemon"},
    {"hull.db", "the database, its log and its reserve"},
    {"hulld.lock", "the lock of the daemon"},
    {"image_uses.json", "when images were last used, for the disk budget"},
    {"layers", "unpacked layers of images"},
    {"partial", "beginnings of layers that broken pulls left"},
    {"seccomp", "compiled seccomp profiles"},
    {"secrets", "secrets"},
    {"skeleton", "mount points that images lack"},
    {"staging", "transfers that are running"},
    {"trash", "what is being removed"},
    {"uploads.json", "addresses of uploads to go on with"},
    {"volumes", "volumes"},
};

const Known* find_area(std::string_view name) {
    for (const Known& area : known_areas)
        if (name == area.name || (area.name == "hull.db" && name.starts_with("hull.db")))
            return &area;
    return nullptr;
}

void measure(const Path& path, FsckArea& area) {
    struct Close {
        void operator()(FTS* tree) const { ::fts_close(tree); }
    };
    std::string root = path;
    char* roots[] = {root.data(), nullptr};
    const std::unique_ptr<FTS, Close> tree(
        ::fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr));
    if (!tree) throw_errno(errno, "walking {}", path);
    std::set<std::pair<dev_t, ino_t>> linked;
    while (const FTSENT* const entry = ::fts_read(tree.get())) {
        // A directory comes a second time after what is in it; what has just gone has no stat.
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR ||
            entry->fts_info == FTS_ERR)
            continue;
        const struct stat& info = *entry->fts_statp;
        if (info.st_nlink > 1 && !S_ISDIR(info.st_mode) &&
            !linked.emplace(info.st_dev, info.st_ino).second)
            continue;
        area.bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
        ++area.files;
    }
}

/// mountinfo(5) writes blanks as \040.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 3 >= text.size()) {
            result += text[i];
            continue;
        }
        int value = 0;
        for (std::size_t digit = 1; digit <= 3; ++digit)
            value = value * 8 + (text[i + digit] - '0');
        result += static_cast<char>(value);
        i += 3;
    }
    return result;
}

}  // namespace

FsckReport survey(const Path& data_root) {
    FsckReport report;
    for (const std::string& name : find_names(data_root)) {
        const Known* const known = find_area(name);
        const std::string area_name(known ? known->name : std::string_view(name));
        auto area = std::find_if(report.areas.begin(), report.areas.end(),
                                 [&](const FsckArea& each) { return each.name == area_name; });
        if (area == report.areas.end()) {
            report.areas.push_back(
                {area_name, std::string(known ? known->contents : "nobody knows this"), 0, 0});
            area = std::prev(report.areas.end());
        }
        const std::uint64_t before = area->bytes;
        measure(join(data_root, name), *area);
        report.bytes += area->bytes - before;
        if (!known)
            report.faults.push_back({"stray-file", name, "it is none of the daemon's",
                                     "left alone: somebody else has put it there", false});
    }
    std::sort(report.areas.begin(), report.areas.end(),
              [](const FsckArea& a, const FsckArea& b) { return a.name < b.name; });
    return report;
}

std::vector<std::string> find_mounts_below(const std::vector<Path>& roots) {
    constexpr std::size_t mount_point = 4;
    std::vector<std::string> found;
    for (const std::string& line : split_nonempty(read_file("/proc/self/mountinfo"), '\n')) {
        const std::vector<std::string> fields = split(line, ' ');
        if (fields.size() <= mount_point) continue;
        const std::string point = unescape(fields[mount_point]);
        if (std::any_of(roots.begin(), roots.end(),
                        [&](const Path& root) { return point.starts_with(root + "/"); }))
            found.push_back(point);
    }
    return found;
}

}  // namespace hull::engine
