#include "api/server/progress_stream.hh"

#include "api/server/registry_access.hh"
#include "base/text.hh"

namespace hull::server {

void ProgressStream::write(const api::ProgressMessage& message) {
    if (!call_.exchange.replied())
        call_.exchange.start_stream(200, {{"Content-Type", "application/json"}});
    call_.exchange.write(json::dump(to_json(message)) + "\r\n");
}

void ProgressStream::write_error(const Error& error) {
    api::ProgressMessage message;
    message.error = error.message();
    write(message);
}

api::ProgressMessage progress_message(const image::TransferProgress& progress) {
    api::ProgressMessage message;
    message.id = progress.id;
    message.status = progress.status;
    message.aux = progress.aux;
    if (progress.total > 0)
        message.progress = {static_cast<std::int64_t>(progress.current),
                            static_cast<std::int64_t>(progress.total)};
    return message;
}

image::RegistryAccess registry_access(Call& call) {
    image::RegistryAccess access;
    access.user_agent = call.exchange.headers.get("User-Agent");
    const auto text = decode_base64(call.exchange.headers.get("X-Registry-Auth"));
    if (!text || text->empty()) return access;
    try {
        access.credentials = json::parse(*text);
    } catch (const Error&) {
        // Then there are none.
    }
    return access;
}

void stream_progress(Call& call, const std::function<void(const image::ProgressSink&)>& work) {
    ProgressStream stream(call);
    try {
        work([&](const image::TransferProgress& progress) {
            stream.write(progress_message(progress));
        });
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled || !call.exchange.replied()) throw;
        stream.write_error(error);
    }
}

}  // namespace hull::server
