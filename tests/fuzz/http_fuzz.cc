#include "base/error.hh"
#include "base/sys.hh"
#include "http/parser.hh"

#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

/// The first byte chooses request or response and how the bytes are cut; the rest comes over a
/// socket, as many messages as it holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    if (size < 1 || size > 65536) return 0;
    const auto role = data[0] & 1 ? http::Parser::Role::response : http::Parser::Role::request;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t piece = (data[0] >> 2) + 1U;

    // In one go through a socket: exact and bulk reading must both come to an end.
    const sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
    sys::write_all(pair.first.get(), bytes);
    ::shutdown(pair.first.get(), SHUT_WR);
    try {
        http::MessageReader reader(pair.second.get(), role, 8192);
        while (reader.read_header()) {
            if (data[0] & 2) reader.set_bulk();
            while (!reader.read_body_piece().empty()) continue;
        }
    } catch (const Error&) {
    }
    // Cut into pieces: whatever was not consumed comes again with more.
    try {
        http::Parser parser(role, 8192);
        std::string pending, body;
        for (std::size_t at = 0; at < bytes.size() && !parser.done(); at += piece) {
            pending += bytes.substr(at, piece);
            for (;;) {
                const auto result = parser.put(pending, body);
                pending.erase(0, result.consumed);
                if (result.needs_more || result.consumed == 0 || parser.done() || pending.empty())
                    break;
            }
        }
    } catch (const Error&) {
    }
    try {
        http::parse_query(bytes);
    } catch (const Error&) {
    }
    return 0;
}
