#pragma once
#include "api/server/call.hh"
#include "base/stop.hh"

#include <memory>
#include <string>
#include <utility>

namespace hull::server {

/// Writes what `reply` has, waiting for a client that reads slowly as any reply does, and leaves
/// the rest to come without a thread. After start_stream; `stop` is the exchange's.
inline void linger(Call& call, std::unique_ptr<http::LingeringReply> reply, StopEvent& stop) {
    std::string text;
    for (Progress progress = Progress::more; progress != Progress::idle;) {
        if (stop.requested()) return;
        text.clear();
        progress = reply->advance(text);
        call.exchange.write(text);
        if (progress == Progress::ended) return;
    }
    call.exchange.linger(std::move(reply));
}

}  // namespace hull::server
