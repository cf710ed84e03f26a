#pragma once
#include "base/fd.hh"

#include <cstdint>
#include <string>
#include <string_view>

namespace hull::http {

/// What the answer to a `Sec-WebSocket-Key` is. Source: RFC 6455, section 4.2.2.
std::string websocket_accept(std::string_view key);

/// One frame from server to client: not masked, not fragmented. Opcodes: 1 text, 2 binary, 8 close,
/// 9 ping, 10 pong.
std::string websocket_frame(int opcode, std::string_view bytes);

/// Takes what a client sends apart, in pieces of any size.
class WebSocketReader {
public:
    /// Appends the bytes of data frames to `data` and the answers that are due (pong, close) to
    /// `replies`. False after the client's close. Throws invalid_argument for what is no frame of a
    /// client.
    bool feed(std::string_view bytes, std::string& data, std::string& replies);

private:
    bool end_frame(std::string& replies);

    std::string header_, control_;
    std::uint64_t left_ = 0;  ///< of the frame's payload
    std::uint64_t at_ = 0;    ///< position in the payload, for the mask
    std::uint8_t mask_[4] = {};
    int opcode_ = 0;
    bool inside_frame_ = false;
};

/// Carries bytes between a WebSocket and a stream until one of them ends, on a thread of its own.
void carry_websocket(Fd websocket, Fd stream);

}  // namespace hull::http
