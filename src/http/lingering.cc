#include "http/lingering.hh"

#include "base/error.hh"
#include "base/locked.hh"
#include "base/log.hh"
#include "base/time.hh"

#include <fmt/core.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <map>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace hull::http {

namespace {

/// From so many on, memory is given back when most of them are gone.
constexpr std::size_t crowd = 64;

constexpr std::string_view last_chunk = "0\r\n\r\n";

struct Reply {
    std::uint64_t number = 0;  ///< epoll's token
    LingeringReplies::Connection connection = {};
    std::unique_ptr<LingeringReply> source = {};
    std::string unsent = {};  ///< the client has not taken it yet
    bool is_queued = false;   ///< for a turn
    bool is_blocked = false;  ///< epoll says when the client takes more
    bool has_ended = false;   ///< `unsent` is the last
    bool has_deadline = false;
};

/// Those who hear one bell.
struct Audience {
    Audience(std::shared_ptr<Bell> bell, int wakeup) : listener(std::move(bell), wakeup) {}
    Bell::Listener listener;
    std::unordered_set<Reply*> replies;
};

}  // namespace

struct LingeringReplies::State {
    struct Incoming {
        std::vector<Reply> replies;
        bool is_stopping = false;
        std::thread thread;  ///< begun with the first reply
    };

    Fd epoll, wakeup;
    Locked<Incoming> incoming;
    std::atomic<std::size_t> size = 0;

    // The thread's own.
    std::uint64_t next_number = 1;  ///< 0 is `wakeup`
    std::unordered_map<std::uint64_t, Reply> replies;
    std::map<Bell*, Audience> audiences;
    std::multimap<std::int64_t, std::uint64_t> deadlines;
    std::deque<std::uint64_t> queue;
    std::string buffer;
    std::size_t most = 0;

    void run() noexcept;
    void turn_all();
    bool take_incoming();
    void admit(Reply taken);
    void remove(Reply& reply);
    void enqueue(Reply& reply);
    void listen();
    int timeout_ms() const;
    bool turn(Reply& reply);
    bool send(Reply& reply, std::string_view bytes);
    bool watch(Reply& reply, int operation, std::uint32_t events);
    void drop_memory();
};

LingeringReplies::LingeringReplies() : state_(std::make_unique<State>()) {
    state_->epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
    state_->wakeup = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!state_->epoll || !state_->wakeup) throw_errno(errno, "making an epoll descriptor");
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, state_->wakeup.get(), &event) != 0)
        throw_errno(errno, "watching an eventfd");
}

LingeringReplies::~LingeringReplies() { stop(); }

std::size_t LingeringReplies::size() const { return state_->size; }

void LingeringReplies::add(Connection connection, std::unique_ptr<LingeringReply> source) {
    {
        auto incoming = state_->incoming.lock();
        if (incoming->is_stopping) return;
        Reply reply;
        reply.connection = std::move(connection);
        reply.source = std::move(source);
        if (!incoming->thread.joinable())
            incoming->thread = std::thread([state = state_.get()] { state->run(); });
        incoming->replies.push_back(std::move(reply));
        ++state_->size;
    }
    ::eventfd_write(state_->wakeup.get(), 1);
}

void LingeringReplies::stop() {
    std::thread thread;
    {
        auto incoming = state_->incoming.lock();
        incoming->is_stopping = true;
        thread = std::move(incoming->thread);
    }
    ::eventfd_write(state_->wakeup.get(), 1);
    if (thread.joinable()) thread.join();
}

void LingeringReplies::State::run() noexcept {
    for (bool is_stopping = false; !is_stopping;) {
        std::array<epoll_event, 64> events;
        const int count = ::epoll_wait(epoll.get(), events.data(), events.size(), timeout_ms());
        for (int i = 0; i < count; i++) {
            const auto& event = events[static_cast<std::size_t>(i)];
            const auto found = replies.find(event.data.u64);
            if (found == replies.end()) continue;  // `wakeup`, or it is gone by now
            if (event.events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
                remove(found->second);
            else
                enqueue(found->second);
        }
        eventfd_t ignored = 0;
        ::eventfd_read(wakeup.get(), &ignored);
        is_stopping = take_incoming();
        listen();
        turn_all();
    }
    for (auto& [number, reply] : replies)
        if (!reply.is_blocked) enqueue(reply);
    turn_all();
    while (!replies.empty()) {
        Reply& reply = replies.begin()->second;
        if (!reply.has_ended && !reply.is_blocked && reply.connection.is_chunked)
            send(reply, last_chunk);
        remove(reply);
    }
}

/// One turn for each that waits for one: who has more to say goes to the end of the queue.
void LingeringReplies::State::turn_all() {
    for (std::size_t left = queue.size(); left > 0; --left) {
        const auto found = replies.find(queue.front());
        queue.pop_front();
        if (found == replies.end()) continue;
        found->second.is_queued = false;
        if (!turn(found->second)) remove(found->second);
    }
    drop_memory();
}

/// True: it is time to stop.
bool LingeringReplies::State::take_incoming() {
    std::vector<Reply> taken;
    bool is_stopping = false;
    {
        auto guard = incoming.lock();
        taken.swap(guard->replies);
        is_stopping = guard->is_stopping;
    }
    for (Reply& reply : taken) admit(std::move(reply));
    most = std::max(most, replies.size());
    return is_stopping;
}

void LingeringReplies::State::admit(Reply taken) {
    taken.number = next_number++;
    Reply& reply = replies.emplace(taken.number, std::move(taken)).first->second;
    std::shared_ptr<Bell> bell = reply.source->bell();
    audiences.try_emplace(bell.get(), bell, wakeup.get()).first->second.replies.insert(&reply);
    if (!watch(reply, EPOLL_CTL_ADD, 0)) return remove(reply);
    enqueue(reply);  // something may have come before we listened
}

void LingeringReplies::State::remove(Reply& reply) {
    const auto audience = audiences.find(reply.source->bell().get());
    if (audience != audiences.end()) {
        audience->second.replies.erase(&reply);
        if (audience->second.replies.empty()) audiences.erase(audience);
    }
    replies.erase(reply.number);
    --size;
}

void LingeringReplies::State::enqueue(Reply& reply) {
    if (std::exchange(reply.is_queued, true)) return;
    queue.push_back(reply.number);
}

void LingeringReplies::State::listen() {
    for (auto& [bell, audience] : audiences)
        if (audience.listener.take())
            for (Reply* reply : audience.replies)
                if (!reply->is_blocked) enqueue(*reply);
    const std::int64_t now = now_ns();
    while (!deadlines.empty() && deadlines.begin()->first <= now) {
        const auto found = replies.find(deadlines.begin()->second);
        deadlines.erase(deadlines.begin());
        if (found == replies.end()) continue;
        found->second.has_deadline = false;
        if (!found->second.is_blocked) enqueue(found->second);
    }
}

int LingeringReplies::State::timeout_ms() const {
    if (!queue.empty()) return 0;
    if (deadlines.empty()) return -1;
    const std::int64_t left_ns = deadlines.begin()->first - now_ns();
    return static_cast<int>(std::clamp<std::int64_t>(left_ns / 1'000'000 + 1, 0, 60'000));
}

/// False: it is over.
bool LingeringReplies::State::turn(Reply& reply) {
    if (reply.is_blocked) {
        const std::string unsent = std::exchange(reply.unsent, {});
        reply.is_blocked = false;
        if (!send(reply, unsent)) return false;
        if (reply.is_blocked) return true;
        watch(reply, EPOLL_CTL_MOD, 0);
    }
    if (reply.has_ended) return false;
    try {
        buffer.clear();
        const Progress progress = reply.source->advance(buffer);
        if (!buffer.empty() && reply.connection.is_chunked) {
            buffer.insert(0, fmt::format("{:x}\r\n", buffer.size()));
            buffer += "\r\n";
        }
        if (progress == Progress::ended) {
            reply.has_ended = true;
            if (reply.connection.is_chunked) buffer += last_chunk;
        }
        if (!buffer.empty() && !send(reply, buffer)) return false;
        if (reply.is_blocked) {
            watch(reply, EPOLL_CTL_MOD, EPOLLOUT);
            return true;
        }
        if (progress == Progress::more) enqueue(reply);
        const std::optional<std::int64_t> next = reply.source->next_look_ns();
        if (next && !std::exchange(reply.has_deadline, true))
            deadlines.emplace(*next, reply.number);
    } catch (const std::exception& error) {
        log::warning("a reply breaks off: {}", error.what());
        return false;
    }
    return !reply.has_ended;
}

/// What the client does not take now becomes `unsent`. False: it is gone.
bool LingeringReplies::State::send(Reply& reply, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(reply.connection.socket.get(), bytes.data(), bytes.size(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno != EAGAIN) return false;
        if (sent < 0) {
            reply.unsent = bytes;
            reply.is_blocked = true;
            return true;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// Hang-ups and `events`. Over TCP a client that ends its sending is taken for gone.
bool LingeringReplies::State::watch(Reply& reply, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events | (reply.connection.is_unix ? 0U : EPOLLRDHUP);
    event.data.u64 = reply.number;
    return ::epoll_ctl(epoll.get(), operation, reply.connection.socket.get(), &event) == 0;
}

/// What a crowd took is spread over many pages; malloc keeps them unless it is asked.
void LingeringReplies::State::drop_memory() {
    if (most < crowd || replies.size() * 2 >= most) return;
    most = replies.size();
    replies.rehash(0);
    if (queue.empty()) std::deque<std::uint64_t>().swap(queue);
    buffer = std::string();
    ::malloc_trim(0);
}

}  // namespace hull::http
