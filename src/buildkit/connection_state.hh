#pragma once
#include "buildkit/connection.hh"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace hull::buildkit {

/// What both threads of a stream share; guarded by the connection's mutex.
struct Call::Stream {
    std::int32_t id = -1;
    bool is_ours = false;
    std::string path;
    Metadata headers, trailers;  ///< the request's, and what came back last
    std::string in;              ///< bytes of messages that nobody has read
    std::size_t consumed = 0;    ///< taken, and not told the other side
    std::size_t credited = 0;    ///< of `in`: taken before its message was whole
    bool in_ended = false, closed = false, broken = false;
    std::string out;
    std::size_t sent = 0;  ///< of out
    bool out_ended = false, begun = false, reset = false;
    CallStatus status;  ///< ours, when out has ended
    std::function<void()> on_cancel;
};

/// What the threads of a connection share.
struct Call::Shared {
    Fd socket;
    Fd wake;
    bool is_server = false;
    Connection::Handler handler;
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::int32_t, std::shared_ptr<Stream>> streams;
    std::set<std::shared_ptr<Stream>> touched;  ///< for the loop to look at
    bool ended = false, giving_up = false;
    std::function<void()> on_end;
    std::thread loop;

    void signal();
    void touch(const std::shared_ptr<Stream>& stream) {
        touched.insert(stream);
        signal();
    }
};

/// Drives the HTTP/2 of a connection until it ends; the body of its thread.
void run_connection(const std::shared_ptr<Call::Shared>& shared);

}  // namespace hull::buildkit
