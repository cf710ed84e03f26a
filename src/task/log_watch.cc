#include "task/log_watch.hh"

#include "base/fd.hh"
#include "base/locked.hh"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <iterator>
#include <map>
#include <thread>

namespace hull::task {

namespace {

constexpr int blind_poll_ms = 20;

}  // namespace

struct LogWatch::State {
    struct Entry {
        std::weak_ptr<Bell> bell;
        int watch = -1;  ///< inotify's; -1: none, it rings by the clock
    };
    struct Watched {
        std::map<Path, Entry> entries;
        std::map<int, Path> by_watch;
        std::size_t next_sweep = 64;
        bool is_stopping = false;
        std::thread thread;
    };

    Fd inotify{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    Fd wakeup{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    Locked<Watched> watched;

    void run();
    void ring_changed();
    bool ring_blind();
    void add_watch(Watched& all, const Path& directory, Entry& entry);
    void sweep(Watched& all);
};

LogWatch::LogWatch() : state_(std::make_unique<State>()) {}

LogWatch::~LogWatch() {
    std::thread thread;
    {
        auto watched = state_->watched.lock();
        watched->is_stopping = true;
        thread = std::move(watched->thread);
    }
    ::eventfd_write(state_->wakeup.get(), 1);
    if (thread.joinable()) thread.join();
}

std::shared_ptr<Bell> LogWatch::bell(const Path& directory) {
    auto watched = state_->watched.lock();
    State::Entry& entry = watched->entries[directory];
    if (auto bell = entry.bell.lock()) return bell;
    auto bell = std::make_shared<Bell>();
    entry.bell = bell;
    state_->add_watch(*watched, directory, entry);
    if (watched->entries.size() >= watched->next_sweep) state_->sweep(*watched);
    if (!watched->thread.joinable())
        watched->thread = std::thread([state = state_.get()] { state->run(); });
    ::eventfd_write(state_->wakeup.get(), 1);
    return bell;
}

void LogWatch::ring(const Path& directory) {
    auto watched = state_->watched.lock();
    const auto found = watched->entries.find(directory);
    if (found == watched->entries.end()) return;
    if (const auto bell = found->second.bell.lock()) bell->ring();
}

void LogWatch::State::add_watch(Watched& all, const Path& directory, Entry& entry) {
    constexpr std::uint32_t changes =
        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF;
    if (entry.watch >= 0) all.by_watch.erase(entry.watch);
    entry.watch = inotify ? ::inotify_add_watch(inotify.get(), directory.c_str(), changes) : -1;
    if (entry.watch >= 0) all.by_watch[entry.watch] = directory;
}

/// Entries of which nobody has the bell any more.
void LogWatch::State::sweep(Watched& all) {
    std::erase_if(all.entries, [&](const auto& item) {
        const Entry& entry = item.second;
        if (!entry.bell.expired()) return false;
        if (entry.watch >= 0) {
            ::inotify_rm_watch(inotify.get(), entry.watch);
            all.by_watch.erase(entry.watch);
        }
        return true;
    });
    all.next_sweep = 64 + 2 * all.entries.size();
}

void LogWatch::State::run() {
    for (bool is_blind = false;;) {
        pollfd polled[] = {{inotify.get(), POLLIN, 0}, {wakeup.get(), POLLIN, 0}};
        ::poll(polled, std::size(polled), is_blind ? blind_poll_ms : -1);
        eventfd_t ignored = 0;
        ::eventfd_read(wakeup.get(), &ignored);
        if (watched.lock()->is_stopping) return;
        if (polled[0].revents & POLLIN) ring_changed();
        is_blind = ring_blind();
    }
}

void LogWatch::State::ring_changed() {
    alignas(inotify_event) char events[16384];
    for (;;) {
        const ssize_t size = ::read(inotify.get(), events, sizeof events);
        if (size <= 0) return;
        auto all = watched.lock();
        for (ssize_t at = 0; at < size;) {
            const auto* event = reinterpret_cast<const inotify_event*>(events + at);
            at += static_cast<ssize_t>(sizeof *event + event->len);
            if (event->mask & IN_Q_OVERFLOW)  // some changes are lost: look everywhere
                for (const auto& [path, entry] : all->entries)
                    if (const auto bell = entry.bell.lock()) bell->ring();
            const auto path = all->by_watch.find(event->wd);
            if (path == all->by_watch.end()) continue;
            const auto found = all->entries.find(path->second);
            const auto bell = found->second.bell.lock();
            if (bell) bell->ring();
            const bool is_gone = event->mask & IN_IGNORED;
            if (is_gone) {  // the directory: should it come again, the clock will tell
                all->by_watch.erase(path);
                found->second.watch = -1;
            } else if (!bell) {
                ::inotify_rm_watch(inotify.get(), event->wd);
                all->by_watch.erase(path);
                all->entries.erase(found);
            }
        }
    }
}

/// Those that are not watched: true when there are any.
bool LogWatch::State::ring_blind() {
    auto all = watched.lock();
    if (all->by_watch.size() == all->entries.size()) return false;
    bool is_blind = false;
    for (auto& [path, entry] : all->entries) {
        if (entry.watch >= 0) continue;
        const auto bell = entry.bell.lock();
        if (!bell) continue;
        bell->ring();
        add_watch(*all, path, entry);
        is_blind = is_blind || entry.watch < 0;
    }
    return is_blind;
}

}  // namespace hull::task
