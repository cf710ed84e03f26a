#include "base/error.hh"
#include "base/hash.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "buildkit/host.hh"
#include "buildkit/trees.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace hull::buildkit {

namespace {

constexpr std::size_t most_rooms = 32;
constexpr std::int64_t longest_unused_s = 7 * 86'400;

}  // namespace

std::string Rooms::Room::identity() const {
    const auto info = sys::find_stat(name_);
    return info ? fmt::format("{}:{}", static_cast<unsigned long>(info->st_dev),
                              static_cast<unsigned long>(info->st_ino))
                : "";
}

Rooms::Room Rooms::enter(const std::string& key) {
    const std::string base = "room-" + sha256_hex(key).substr(0, 24);
    const std::lock_guard lock(mutex_);
    std::string name = base;
    for (int number = 2; in_use_.contains(name); ++number)
        name = fmt::format("{}-{}", base, number);
    in_use_.insert(name);
    sys::mkdir(name, 0755);
    // Says when it was used last.
    ::utimensat(AT_FDCWD, name.c_str(), nullptr, 0);
    remove_old();
    return {*this, name};
}

void Rooms::leave(const std::string& name) {
    const std::lock_guard lock(mutex_);
    in_use_.erase(name);
}

void Rooms::remove_unused() {
    const std::lock_guard lock(mutex_);
    remove_all_but(0);
}

void Rooms::remove_old() { remove_all_but(most_rooms); }

/// The newest ones stay.
void Rooms::remove_all_but(std::size_t count) {
    const std::int64_t oldest_s = now_ns() / 1'000'000'000 - longest_unused_s;
    std::vector<std::pair<std::int64_t, std::string>> unused;
    for (const std::string& name : sys::list_directories(".")) {
        const auto info = sys::find_stat(name);
        if (info && !in_use_.contains(name)) unused.emplace_back(info->st_mtim.tv_sec, name);
    }
    std::sort(unused.rbegin(), unused.rend());
    for (std::size_t i = 0; i < unused.size(); ++i) {
        if (i < count && unused[i].first > oldest_s) continue;
        try {
            remove_at(AT_FDCWD, unused[i].second);
        } catch (const Error& error) {
            log::warning("removing files of an old build: {}", error.message());
        }
    }
}

void Uploads::add(const std::string& id, Upload upload) {
    const std::lock_guard lock(mutex_);
    uploads_.insert_or_assign(id, std::move(upload));
    changed_.notify_all();
}

Uploads::Upload Uploads::take(const std::string& id) {
    constexpr std::chrono::seconds on_its_way{10};
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, on_its_way, [&] { return uploads_.contains(id); }))
        throw Error(ErrorKind::not_found, "the context of build {} did not come", id);
    Upload upload = std::move(uploads_.at(id));
    uploads_.erase(id);
    return upload;
}

}  // namespace hull::buildkit
