// What the cache takes, and what goes of it.
#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "build/builder.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

namespace hull::build {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr int max_depth = 200;

/// Bytes of the files below a directory of containers; links are not followed.
std::uint64_t tree_bytes(int directory, int depth = 0) {
    std::uint64_t bytes = 0;
    if (depth > max_depth) return 0;
    for (const std::string& name :
         sys::list_directory(fmt::format("/proc/self/fd/{}", directory))) {
        struct stat info {};
        if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(info.st_mode)) bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
        if (!S_ISDIR(info.st_mode)) continue;
        const Fd child(
            ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (child) bytes += tree_bytes(child.get(), depth + 1);
    }
    return bytes;
}

/// Something that can be pruned: the result of a step, or the directory of a cache mount.
struct Item {
    std::string key, parent, description;
    bool is_mount = false;
    std::uint64_t bytes = 0;
    std::int64_t used_ns = 0;
    bool is_in_use = false, is_shared = false;
};

bool fits(const Item& item, const std::string& name, const std::string& value) {
    if (name == "id") return item.key.starts_with(value);
    if (name == "parent") return !value.empty() && item.parent.starts_with(value);
    if (name == "type") return value == (item.is_mount ? "exec.cachemount" : "regular");
    if (name == "description") return item.description.find(value) != std::string::npos;
    const bool wanted = value.empty() || value == "1" || value == "true";
    if (name == "inuse") return item.is_in_use == wanted;
    if (name == "shared") return item.is_shared == wanted;
    if (name == "private") return item.is_shared != wanted;
    throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
}

std::int64_t mount_used_ns(const Path& directory) {
    const auto info = sys::find_stat(directory);
    return info ? info->st_ctim.tv_sec * second_ns + info->st_ctim.tv_nsec : 0;
}

std::uint64_t mount_bytes(const Path& directory) {
    const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return fd ? tree_bytes(fd.get()) : 0;
}

std::string describe_mount(const Path& directory) {
    const auto target = find_file(directory + ".json", 1UL << 16);
    return target ? "cached mount " + *target + " from exec" : "cached mount";
}

/// Bytes that stay, the most recently used; 0: none.
std::uint64_t find_budget(const Builder::PruneOptions& options, std::uint64_t total_bytes,
                          const Path& directory) {
    std::uint64_t budget = std::max(options.keep_bytes, options.most_bytes);
    if (options.min_free_bytes > 0) {
        const auto space = sys::find_free_space(directory);
        const std::uint64_t free_bytes = space ? space->bytes : 0;
        const std::uint64_t missing =
            options.min_free_bytes > free_bytes ? options.min_free_bytes - free_bytes : 0;
        budget = std::max(budget, total_bytes > missing ? total_bytes - missing : 0);
    }
    return budget;
}

json::Value null_or(const std::string& text) {
    return text.empty() ? json::Value() : json::Value(text);
}

}  // namespace

/// The least recently used go, until what is left is small enough.
Builder::PruneReport Builder::prune(const PruneOptions& options) {
    const Path mounts = join(options_.data_root, "build/cache");
    std::set<std::string> in_images;
    for (const image::ImagePointer& image : images_.list())
        in_images.insert(image->diff_ids.begin(), image->diff_ids.end());
    std::vector<Item> items;
    for (const CacheRecord& record : cache_.list())
        items.push_back({record.key, record.parent, record.description, false,
                         record.layer ? record.layer->content_bytes : 0, record.used_ns,
                         cache_.is_in_use(record.key),
                         record.layer && in_images.contains(record.layer->diff_id)});
    for (const std::string& id : sys::list_directories(mounts))
        items.push_back({id, "", describe_mount(join(mounts, id)), true,
                         mount_bytes(join(mounts, id)), mount_used_ns(join(mounts, id)),
                         cache_.is_in_use("cache mount " + id), false});
    std::sort(items.begin(), items.end(),
              [](const Item& left, const Item& right) { return left.used_ns > right.used_ns; });
    std::uint64_t total_bytes = 0;
    for (const Item& item : items) total_bytes += item.bytes;
    const std::uint64_t budget = find_budget(options, total_bytes, options_.data_root);
    PruneReport report;
    std::vector<std::string> keys;
    std::uint64_t kept_bytes = 0;
    for (const Item& item : items) {
        const bool is_recent = options.unused_since_ns && item.used_ns >= *options.unused_since_ns;
        const bool has_room = budget > 0 && kept_bytes + item.bytes <= budget;
        const bool is_wanted = std::all_of(options.filters.begin(), options.filters.end(),
                                           [&](const auto& filter) {
            return std::any_of(filter.second.begin(), filter.second.end(),
                               [&](const auto& value) { return fits(item, filter.first, value); });
        });
        if (item.is_in_use || (item.is_shared && !options.all) || is_recent || has_room ||
            !is_wanted) {
            kept_bytes += item.bytes;
            continue;
        }
        report.deleted.push_back(item.key);
        if (options.dry_run) {
            report.freed_bytes += item.bytes;
            continue;
        }
        if (!item.is_mount) {
            keys.push_back(item.key);
            continue;
        }
        // Renamed first: a step that begins now makes a new one.
        const Path gone = new_directory("temporary");
        sys::rename(join(mounts, item.key), join(gone, "cache"));
        sys::unlink(join(mounts, item.key + ".json"));
        sys::remove_tree(gone);
        report.freed_bytes += item.bytes;
    }
    if (options.dry_run) return report;
    cache_.remove(keys);
    report.freed_bytes += images_.collect_garbage();
    return report;
}

/// After each build.
void Builder::keep_budget() noexcept {
    if (options_.most_cache_bytes == 0) return;
    try {
        std::uint64_t bytes = 0;
        for (const CacheRecord& record : cache_.list())
            if (record.layer) bytes += record.layer->content_bytes;
        const Path mounts = join(options_.data_root, "build/cache");
        for (const std::string& id : sys::list_directories(mounts))
            bytes += mount_bytes(join(mounts, id));
        if (bytes <= options_.most_cache_bytes) return;
        PruneOptions options;
        options.all = true;
        options.keep_bytes = options_.most_cache_bytes;
        const PruneReport report = prune(options);
        log::info("the build cache was over its {} MB: {} results of steps went",
                  options_.most_cache_bytes >> 20, report.deleted.size());
    } catch (const std::exception& error) {
        log::warning("keeping the build cache within its limit: {}", error.what());
    }
}

json::Array Builder::cache_usage() const {
    std::set<std::string> in_images;
    for (const image::ImagePointer& image : images_.list())
        in_images.insert(image->diff_ids.begin(), image->diff_ids.end());
    json::Array rows;
    for (const CacheRecord& record : cache_.list()) {
        const bool is_shared = record.layer && in_images.contains(record.layer->diff_id);
        const bool has_parent = cache_.peek(record.parent).has_value();
        rows.push_back(json::Object{
            {"ID", record.key},
            {"Parents", has_parent ? json::Value(json::Array{record.parent}) : json::Value()},
            {"Type", "regular"},
            {"Description", record.description},
            {"InUse", cache_.is_in_use(record.key)},
            {"Shared", is_shared},
            {"Size", record.layer ? record.layer->content_bytes : 0},
            {"CreatedAt", format_rfc3339(record.created_ns)},
            {"LastUsedAt", null_or(format_rfc3339(record.used_ns))},
            {"UsageCount", record.uses}});
    }
    const Path mounts = join(options_.data_root, "build/cache");
    for (const std::string& id : sys::list_directories(mounts)) {
        const Path directory = join(mounts, id);
        const std::string used = format_rfc3339(mount_used_ns(directory));
        rows.push_back(json::Object{{"ID", id},
                                    {"Parents", nullptr},
                                    {"Type", "exec.cachemount"},
                                    {"Description", describe_mount(directory)},
                                    {"InUse", cache_.is_in_use("cache mount " + id)},
                                    {"Shared", false},
                                    {"Size", mount_bytes(directory)},
                                    {"CreatedAt", used},
                                    {"LastUsedAt", used},
                                    {"UsageCount", 1}});
    }
    return rows;
}

}  // namespace hull::build
