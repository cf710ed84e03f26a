#pragma once
#include "base/fd.hh"
#include "relay/address.hh"
#include "relay/loop.hh"

#include <cstdint>
#include <functional>
#include <string>

namespace hull::relay {

/// One client's connection and the one made for it to the container: what comes from the one goes
/// to the other, each direction ends by itself, and an end by force is passed on as such.
class Stream {
public:
    /// Connects to `target`. `done` is called once, when nothing is left to carry; it may destroy
    /// the stream. Throws when there is no socket for the target.
    Stream(Loop& loop, Fd client, const Target& target, std::function<void()> done);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

private:
    /// What goes one way.
    struct Direction {
        std::string rest;    ///< read and not yet taken by the receiver
        bool ended = false;  ///< the sender has no more, and the receiver knows
    };
    enum class Outcome { waits, busy, ended, broken };

    void check_connected(std::uint32_t events);
    void carry();
    static Outcome carry(int from, int to, Direction& direction);
    void finish(bool is_broken);

    Loop& loop_;
    Fd client_, target_;
    std::uint64_t client_watch_ = 0, target_watch_ = 0;
    bool is_connected_ = false;
    Direction to_target_, to_client_;
    std::function<void()> done_;
};

}  // namespace hull::relay
