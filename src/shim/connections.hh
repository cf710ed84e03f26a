#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "shim/loop.hh"
#include "shim/protocol.hh"

#include <memory>
#include <string>
#include <vector>

namespace hull::shim {

/// Does what the daemon asks for.
class RequestHandler {
public:
    /// Throws what becomes the error of the reply. `fds` came with the request.
    virtual Reply handle(Request request, std::vector<Fd> fds) = 0;

protected:
    ~RequestHandler() = default;
};

/// shim.sock and the connections to it, and the channel to the daemon that started us.
class Connections final : public Watcher {
public:
    Connections(Loop& loop, RequestHandler& handler);
    ~Connections();
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;

    void listen(const Path& socket_path);
    void add_subscriber(Fd socket);
    /// To every subscriber. One that does not take it is dropped: it finds the exit record.
    void publish(const Event& event);
    bool has_subscribers() const;
    /// Removes the socket file and forgets connections; only subscribers stay.
    void stop_listening();
    /// Subscribers see the end: nothing of the container is left.
    void close();

    void on_ready(std::uint32_t events) override;  ///< a new connection

private:
    struct Connection final : Watcher {
        Connection(Connections& owner, Fd fd) : connections(owner), socket(std::move(fd)) {}
        void on_ready(std::uint32_t) override { connections.serve(*this); }
        Connections& connections;
        Fd socket;
        bool is_subscriber = false, is_broken = false;
    };

    Connection& add(Fd socket);
    void serve(Connection& connection);
    Reply answer(Connection& connection, Message message);
    void drop_broken();

    Loop& loop_;
    RequestHandler& handler_;
    Path socket_path_;
    Fd listener_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace hull::shim
