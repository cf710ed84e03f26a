#include "image/fetches.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "oci/digest.hh"

#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::image {

namespace {

constexpr std::int64_t longest_kept_s = 7L * 24 * 3600, second_ns = 1'000'000'000;

}  // namespace

Fetches::Fetches(Path directory, uid_t uid) : directory_(std::move(directory)), uid_(uid) {
    sys::mkdir(directory_, 0700);
    const std::int64_t oldest = now_ns() / second_ns - longest_kept_s;
    for (const std::string& name : sys::list_directory(directory_)) {
        const Path path = join(directory_, name);
        const auto info = sys::find_stat(path);
        if (info && info->st_mtim.tv_sec < oldest) sys::unlink(path);
    }
}

Path Fetches::file_of(const std::string& blob) const {
    return join(directory_, oci::Digest::parse(blob).hex());
}

/// A lock on it lives as long as somebody downloads to it: hull-transfer may outlive a killed
/// daemon for a moment, and then its file is left to it.
Fd Fetches::open_partial(const std::string& blob) const {
    const Path path = file_of(blob);
    for (;;) {
        Fd file = sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
            if (::fchown(file.get(), uid_, uid_) != 0) throw_errno(errno, "chown {}", path);
            return file;
        }
        sys::unlink(path);
    }
}

void Fetches::give(const std::string& blob, Party& party) {
    fetches_[blob].owner = &party;
    party.fetch(blob, open_partial(blob));
}

void Fetches::want(const std::string& blob, Party& party) {
    const std::lock_guard lock(mutex_);
    if (party.take_present(blob)) return;
    const auto found = fetches_.find(blob);
    if (found == fetches_.end()) return give(blob, party);
    found->second.waiting.push_back(&party);
    party.wait(blob);
}

void Fetches::finish(const std::string& blob, Party& party) {
    const std::lock_guard lock(mutex_);
    const auto found = fetches_.find(blob);
    if (found == fetches_.end() || found->second.owner != &party) return;
    std::deque<Party*> waiting = std::move(found->second.waiting);
    fetches_.erase(found);
    while (!waiting.empty()) {
        Party* next = waiting.front();
        waiting.pop_front();
        if (next->take_present(blob)) continue;
        give(blob, *next);
        fetches_[blob].waiting = std::move(waiting);
        return;
    }
}

void Fetches::leave(Party& party, bool keeps_files) {
    const std::lock_guard lock(mutex_);
    for (auto entry = fetches_.begin(); entry != fetches_.end();) {
        Fetch& fetch = entry->second;
        std::erase(fetch.waiting, &party);
        if (fetch.owner != &party) {
            ++entry;
            continue;
        }
        const auto info = sys::find_stat(file_of(entry->first));
        if (info && (info->st_size == 0 || !keeps_files)) sys::unlink(file_of(entry->first));
        if (fetch.waiting.empty()) {
            entry = fetches_.erase(entry);
            continue;
        }
        Party* next = fetch.waiting.front();
        fetch.waiting.pop_front();
        try {
            give(entry->first, *next);
        } catch (const Error& error) {
            log::warning("handing on the download of {}: {}", entry->first, error.message());
        }
        ++entry;
    }
}

void Fetches::remove_partial_files() {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : sys::list_directory(directory_))
        if (!fetches_.contains("sha256:" + name) && !fetches_.contains("sha512:" + name))
            sys::unlink(join(directory_, name));
}

}  // namespace hull::image
