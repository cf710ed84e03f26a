#include "buildkit/sessions.hh"

#include "base/log.hh"

#include <chrono>

namespace hull::buildkit {

namespace {

/// A client asks on one connection and opens its session on another one.
constexpr std::chrono::seconds on_its_way{10};

}  // namespace

void Sessions::open(ClientSession session, Fd socket, std::function<void()> on_end) {
    auto opened = std::make_shared<ClientSession>(std::move(session));
    opened->connection = Connection::call_over(std::move(socket));
    const std::shared_ptr<Connection> connection = opened->connection;
    {
        const std::lock_guard lock(mutex_);
        sessions_[opened->id] = opened;
        changed_.notify_all();
    }
    connection->on_end([this, id = opened->id, raw = connection.get(), on_end] {
        ClientSessionPointer last;  // goes when the mutex is free
        {
            const std::lock_guard lock(mutex_);
            const auto found = sessions_.find(id);
            if (found != sessions_.end() && found->second->connection.get() == raw) {
                last = found->second;
                sessions_.erase(found);
            }
        }
        last.reset();
        if (on_end) on_end();
    });
}

ClientSessionPointer Sessions::get(const std::string& id) {
    std::unique_lock lock(mutex_);
    const auto is_there = [&] { return sessions_.contains(id); };
    if (!changed_.wait_for(lock, on_its_way, is_there))
        throw Error(ErrorKind::not_found, "no active session for {}: context deadline exceeded",
                    id);
    return sessions_.at(id);
}

}  // namespace hull::buildkit
