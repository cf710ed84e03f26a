#pragma once
#include "base/fd.hh"
#include "relay/address.hh"
#include "relay/loop.hh"

#include <compare>
#include <cstdint>
#include <map>
#include <string>

namespace hull::relay {

/// A published UDP port: each client has a socket of its own towards the container, so that answers
/// find back, from the address that the client had asked.
class Datagrams {
public:
    Datagrams(Loop& loop, Fd socket, const Target& target);
    ~Datagrams();
    Datagrams(const Datagrams&) = delete;
    Datagrams& operator=(const Datagrams&) = delete;

    int socket() const { return socket_.get(); }
    const Target& target() const { return target_; }
    /// Flows that have been silent since `before_ns` (monotonic) go.
    void forget_idle(std::int64_t before_ns);
    bool empty() const { return flows_.empty(); }

private:
    struct Flow {
        Fd socket;
        std::uint64_t watch = 0;
        std::int64_t used_ns = 0;
        SocketAddress client;
        std::string
            control;  ///< the ancillary data that makes the answer come from the right address
    };
    using Flows = std::map<std::string, Flow>;

    void read_clients();
    void read_container(const std::string& key);
    Flow* find_flow(const std::string& key, const SocketAddress& client,
                    const std::string& control);
    void drop(Flows::iterator flow);

    Loop& loop_;
    Fd socket_;
    const Target target_;
    std::uint64_t watch_ = 0;
    Flows flows_;  ///< by the client's address and the one it asked
};

}  // namespace hull::relay
