#pragma once
#include "api/server/call.hh"
#include "api/types/system.hh"
#include "image/images.hh"

#include <functional>

namespace hull::server {

/// A stream of progress messages. Once it has begun, errors are messages, too.
class ProgressStream {
public:
    explicit ProgressStream(Call& call) : call_(call) {}

    void write(const api::ProgressMessage& message);
    void write_error(const Error& error);

private:
    Call& call_;
};

api::ProgressMessage progress_message(const image::TransferProgress& progress);

/// Answers with the progress of `work`, which gets where to report it. An error before the first
/// message becomes the status, a later one the last message.
void stream_progress(Call& call, const std::function<void(const image::ProgressSink&)>& work);

}  // namespace hull::server
