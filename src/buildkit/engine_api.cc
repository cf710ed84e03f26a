#include "buildkit/engine_api.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <sys/socket.h>

namespace hull::buildkit {

namespace {

void check(http::ClientResponse& response) {
    if (response.status < 400) return;
    std::string text = response.read_all();
    try {
        const json::Value reply = json::parse(text);
        if (reply["message"].is_string()) text = reply["message"].as_string();
    } catch (const Error&) {
        // As it is, then.
    }
    throw Error(kind_of_status(response.status), "{}", text);
}

void read_messages(http::ClientResponse& response,
                   const std::function<void(const json::Value&)>& on_message) {
    for (std::string line; response.read_line(line);)
        if (!trim(line).empty()) on_message(json::parse(line));
}

}  // namespace

void Cancellation::cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
}

void Cancellation::watch(int socket) {
    const std::lock_guard lock(mutex_);
    socket_ = sys::dup(socket);
    if (cancelled_) ::shutdown(socket_.get(), SHUT_RDWR);
}

void Cancellation::forget() {
    const std::lock_guard lock(mutex_);
    socket_.reset();
}

void EngineApi::build(BuildCall call, const std::function<void(const json::Value&)>& on_message,
                      Cancellation& cancellation) {
    http::ClientRequest request;
    request.method = "POST";
    request.target = "/build" + http::format_query(call.query);
    request.headers.set("X-Hull-Build", encode_base64(json::dump(call.extra)));
    if (!call.registries.is_null())
        request.headers.set("X-Registry-Config", encode_base64(json::dump(call.registries)));
    request.headers.set("Content-Type", "application/x-tar");
    request.body_source = std::move(call.archive);
    try {
        http::PendingResponse pending = client_.start(request);
        cancellation.watch(pending.fd());
        http::ClientResponse response = pending.receive();
        check(response);
        read_messages(response, on_message);
        cancellation.forget();
    } catch (const Error&) {
        cancellation.forget();
        if (cancellation.cancelled()) throw Error(ErrorKind::cancelled, "context canceled");
        throw;
    }
    if (cancellation.cancelled()) throw Error(ErrorKind::cancelled, "context canceled");
}

json::Value EngineApi::ask(const std::string& method, const std::string& target) {
    http::ClientResponse response = open(method, target);
    const std::string text = response.read_all();
    return trim(text).empty() ? json::Value() : json::parse(text);
}

http::ClientResponse EngineApi::open(const std::string& method, const std::string& target) {
    http::ClientRequest request;
    request.method = method;
    request.target = target;
    http::ClientResponse response = client_.request(request);
    check(response);
    return response;
}

void EngineApi::follow(const std::string& method, const std::string& target,
                       const http::Headers& headers,
                       const std::function<void(const json::Value&)>& on_message) {
    http::ClientRequest request;
    request.method = method;
    request.target = target;
    request.headers = headers;
    http::ClientResponse response = client_.request(request);
    check(response);
    std::string error;
    read_messages(response, [&](const json::Value& message) {
        if (message["error"].is_string()) error = message["error"].as_string();
        on_message(message);
    });
    if (!error.empty()) throw Error(ErrorKind::unavailable, "{}", error);
}

}  // namespace hull::buildkit
