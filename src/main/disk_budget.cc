#include "main/disk_budget.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "build/builder.hh"
#include "engine/engine.hh"
#include "image/images.hh"
#include "store/store.hh"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace hull {

namespace {

constexpr int pause_ms = 5000;

struct LogFile {
    Path path;
    std::uint64_t bytes = 0;
    std::int64_t changed_ns = 0;
    bool is_current = false;
};

/// The files of one container's log; the newest is the current one.
std::vector<LogFile> log_files(const Path& data_root, const std::string& id) {
    std::vector<LogFile> files;
    const Path directory = join(join(join(data_root, "containers"), id), "logs");
    if (!sys::find_stat(directory)) return files;
    for (const std::string& name : sys::list_directory(directory)) {
        const auto info = sys::find_stat(join(directory, name));
        if (info && S_ISREG(info->st_mode))
            files.push_back({join(directory, name),
                             static_cast<std::uint64_t>(info->st_blocks) * 512,
                             info->st_mtim.tv_sec * 1'000'000'000L + info->st_mtim.tv_nsec, false});
    }
    const auto newest = std::max_element(
        files.begin(), files.end(),
        [](const LogFile& a, const LogFile& b) { return a.changed_ns < b.changed_ns; });
    if (newest != files.end()) newest->is_current = true;
    return files;
}

}  // namespace

DiskBudget::DiskBudget(std::uint64_t limit_bytes, const Path& data_root, Parts parts)
    : limit_bytes_(limit_bytes),
      data_root_(data_root),
      uses_file_(join(data_root, "image_uses.json")),
      parts_(parts) {
    if (const auto text = find_file(uses_file_)) {
        try {
            const json::Value uses = json::parse(*text);
            for (const auto& [id, used_ns] : uses.as_object()) used_ns_[id] = used_ns.as_int();
        } catch (const Error& error) {
            log::warning("{}: {}: all images count as just used", uses_file_, error.message());
        }
    }
    thread_ = std::thread([this] { run(); });
}

DiskBudget::~DiskBudget() {
    stop_.request();
    thread_.join();
}

void DiskBudget::run() {
    do {
        try {
            look();
        } catch (const std::exception& error) {
            log::error("disk budget: {}", error.what());
        }
    } while (!sys::poll_one(stop_.fd(), POLLIN, pause_ms));
}

std::uint64_t DiskBudget::used_bytes() const {
    const store::DiskUsage store = parts_.store.disk_usage();
    std::uint64_t bytes = store.blob_bytes + store.layer_bytes;
    for (const auto& container : parts_.engine.list_containers({.all = true, .filters = {}}))
        for (const LogFile& file : log_files(data_root_, container.id)) bytes += file.bytes;
    return bytes;
}

/// An image is used while there is a container of it, and when it gets a name.
void DiskBudget::note_uses() {
    const std::int64_t now = now_ns();
    std::map<std::string, std::int64_t> uses;
    for (const image::ImagePointer& image : parts_.images.list()) {
        const auto known = used_ns_.find(image->id);
        const std::int64_t first = image->last_tagged_ns != 0 ? image->last_tagged_ns : now;
        const std::int64_t seen = known == used_ns_.end() ? first : known->second;
        uses[image->id] = parts_.engine.list_image_users(image->id).empty()
                              ? std::max(seen, image->last_tagged_ns)
                              : now;
    }
    if (uses == used_ns_) return;
    used_ns_ = std::move(uses);
    json::Object object;
    for (const auto& [id, used] : used_ns_) object.append(id, used);
    replace_file(uses_file_, json::dump(json::Value(std::move(object))), 0600);
}

void DiskBudget::shrink_cache(std::uint64_t excess_bytes) {
    std::uint64_t cached = 0;
    build::Builder::PruneOptions options;
    options.dry_run = true;
    cached = parts_.builder.prune(options).freed_bytes;
    if (cached == 0) return;
    options.dry_run = false;
    options.keep_bytes = cached > excess_bytes ? cached - excess_bytes : 0;
    const auto report = parts_.builder.prune(options);
    log::info("disk budget: {} build cache objects removed", report.deleted.size());
}

bool DiskBudget::remove_oldest_image() {
    std::optional<std::pair<std::int64_t, std::string>> oldest;
    for (const image::ImagePointer& image : parts_.images.list()) {
        if (!parts_.engine.list_image_users(image->id).empty()) continue;
        const std::pair<std::int64_t, std::string> candidate{used_ns_[image->id], image->id};
        if (!oldest || candidate < *oldest) oldest = candidate;
    }
    if (!oldest) return false;
    try {
        parts_.images.remove(oldest->second, {.force = true});
    } catch (const Error& error) {  // somebody has made a container of it, or an image
        log::info("disk budget: image {} stays: {}", oldest->second, error.message());
        return false;
    }
    log::info("disk budget: image {} removed: it was used longest ago", oldest->second);
    return true;
}

bool DiskBudget::remove_oldest_log() {
    std::optional<LogFile> oldest;
    for (const auto& container : parts_.engine.list_containers({.all = true, .filters = {}})) {
        if (container.state != "exited" && container.state != "dead") continue;
        for (const LogFile& file : log_files(data_root_, container.id))
            if (!file.is_current && (!oldest || file.changed_ns < oldest->changed_ns))
                oldest = file;
    }
    if (!oldest || ::unlink(oldest->path.c_str()) != 0) return false;
    log::info("disk budget: log file {} removed", oldest->path);
    return true;
}

void DiskBudget::look() {
    note_uses();
    std::uint64_t used = used_bytes();
    if (used <= limit_bytes_) {
        warned_ = false;
        return;
    }
    shrink_cache(used - limit_bytes_);
    while ((used = used_bytes()) > limit_bytes_ && !stop_.requested())
        if (!remove_oldest_image() && !remove_oldest_log()) break;
    if (used > limit_bytes_ && !std::exchange(warned_, true))
        log::warning(
            "disk budget: {} bytes are used, {} allowed, and all of them by containers: remove "
            "some",
            used, limit_bytes_);
}

}  // namespace hull
