#pragma once
#include "base/bell.hh"
#include "base/fd.hh"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace hull::http {

/// What a reply without a foreseeable end goes on with, once nothing more is there at the moment.
class LingeringReply {
public:
    virtual ~LingeringReply() = default;
    /// Appends what has come since the last call, some KB of it at most. Never blocks. An
    /// exception breaks the connection.
    virtual Progress advance(std::string& out) = 0;
    /// Rung when there may be more.
    virtual std::shared_ptr<Bell> bell() const = 0;
    /// When to ask although nobody rang, as now_ns() counts.
    virtual std::optional<std::int64_t> next_look_ns() const { return std::nullopt; }
};

/// Replies that wait for what comes next, all on one thread: a client that listens to a quiet
/// daemon costs a descriptor and a few hundred bytes. A client that reads slowly is asked again
/// when it takes more; what it has not taken is not kept for it, but by whatever feeds the reply.
class LingeringReplies {
public:
    LingeringReplies();
    ~LingeringReplies();

    struct Connection {
        Fd socket;
        bool is_chunked = true;
        bool is_unix = true;  ///< tells a client that is gone from one that has nothing more to ask
    };
    /// Takes the connection of a reply whose header is out. Thread-safe.
    void add(Connection connection, std::unique_ptr<LingeringReply> reply);
    std::size_t size() const;
    /// Gives every client what has come, as far as it takes it at once, and ends its reply. None is
    /// taken after that.
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hull::http
