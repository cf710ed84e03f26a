// Any bytes as a client's WebSocket frames, in pieces of any size: no more data than bytes, or
// Error.
#include "base/error.hh"
#include "http/websocket.hh"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    if (size < 1) return 0;
    const std::size_t piece = data[0] ? data[0] : size;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    http::WebSocketReader reader;
    std::string payload, replies;
    try {
        for (std::size_t at = 0; at < bytes.size(); at += piece)
            if (!reader.feed(bytes.substr(at, piece), payload, replies)) break;
    } catch (const Error&) {
    }
    if (payload.size() + replies.size() > 2 * size) std::abort();
    return 0;
}
