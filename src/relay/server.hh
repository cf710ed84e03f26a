#pragma once
#include "base/fd.hh"
#include "base/json.hh"
#include "relay/address.hh"
#include "relay/datagrams.hh"
#include "relay/loop.hh"
#include "relay/stream.hh"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hull::relay {

/// Carries what arrives at one daemon's published ports and cannot be translated by the kernel. One
/// thread for all of them. The daemon may go and come back: it connects, is told which ports there
/// are, with their sockets, and orders from then on.
///
/// Messages are JSON, in packets. From us: {"ports": [KEY…]} with as many sockets, several times,
/// then
/// {"version": 1}; {"removed": N} answers each removal. To us: {"order": "add", "ports": [{"key",
/// "protocol", "address", "port"}…]} with as many sockets, {"order": "remove", "keys": […]}.
class Server {
public:
    /// `listener`: where daemons connect, one after the other.
    explicit Server(Fd listener);
    ~Server();
    /// Returns when the daemon is gone and there is no port and no connection.
    void run();

private:
    /// A published port; one of the two ways to serve it.
    struct Port {
        Target target;
        Fd listener;
        std::uint64_t watch = 0;
        std::unique_ptr<Datagrams> datagrams;
    };

    void accept_daemon();
    void drop_daemon();
    void greet();
    void read_orders();
    void obey(const json::Value& order, std::vector<Fd> sockets);
    void add_port(const std::string& key, Port port, Fd socket);
    void remove_port(const std::string& key);
    void accept_clients(const std::string& key);
    int check_datagrams();

    Loop loop_;
    Fd listener_, daemon_;
    Fd spare_;  ///< given up for a moment to turn clients away when there are no descriptors left
    std::uint64_t daemon_watch_ = 0;
    bool had_daemon_ = false;
    std::map<std::string, Port> ports_;
    std::map<std::uint64_t, std::unique_ptr<Stream>> streams_;
    std::uint64_t next_stream_ = 1;
    std::int64_t checked_ns_ = 0;
};

}  // namespace hull::relay
