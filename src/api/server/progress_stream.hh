#pragma once
#include "api/server/call.hh"
#include "api/types/system.hh"
#include "image/images.hh"

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

}  // namespace hull::server
