#pragma once
#include "base/fd.hh"
#include "sender/message.hh"

#include <string>

namespace hull::sender {

/// The other end: an address and a connection that is made anew when it breaks.
class Peer {
public:
    /// Throws invalid_argument for an address that is none.
    explicit Peer(const Target& target);

    bool is_stream() const { return is_stream_; }
    /// Throws unavailable.
    void connect();
    /// Sends what goes at once of `bytes` from `begin` on: the bytes taken, 0 when it would wait.
    /// Throws when the connection is gone; the next call makes a new one.
    std::size_t send(const std::string& bytes, std::size_t begin);
    int fd() const { return socket_.get(); }
    const std::string& text() const { return text_; }

private:
    std::string text_, host_, port_, path_;
    bool is_stream_ = false;
    Fd socket_;
};

}  // namespace hull::sender
