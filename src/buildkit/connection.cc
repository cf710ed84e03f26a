#include "buildkit/connection.hh"

#include "buildkit/connection_state.hh"
#include "http/headers.hh"

#include <sys/eventfd.h>

#include <algorithm>
#include <charconv>

namespace hull::buildkit {

namespace {

constexpr std::size_t frame_header_bytes = 5;         ///< gRPC's: a flag and a length
constexpr std::size_t most_message_bytes = 64 << 20;  ///< of one message
constexpr std::size_t most_waiting_bytes = 1 << 20;   ///< that a writer leaves unsent

std::string decode_message(const std::string& text) {
    try {
        return http::decode_percent(text, false);
    } catch (const Error&) {
        return text;
    }
}

}  // namespace

StatusCode code_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid_argument: return StatusCode::invalid_argument;
        case ErrorKind::unauthorized: return StatusCode::unauthenticated;
        case ErrorKind::forbidden: return StatusCode::permission_denied;
        case ErrorKind::not_found: return StatusCode::not_found;
        case ErrorKind::conflict: return StatusCode::already_exists;
        case ErrorKind::unsupported: return StatusCode::unimplemented;
        case ErrorKind::unavailable: return StatusCode::unavailable;
        case ErrorKind::cancelled: return StatusCode::cancelled;
        default: return StatusCode::unknown;
    }
}

ErrorKind kind_of(StatusCode code) {
    switch (code) {
        case StatusCode::cancelled: return ErrorKind::cancelled;
        case StatusCode::invalid_argument: return ErrorKind::invalid_argument;
        case StatusCode::not_found: return ErrorKind::not_found;
        case StatusCode::already_exists: return ErrorKind::conflict;
        case StatusCode::permission_denied: return ErrorKind::forbidden;
        case StatusCode::unimplemented: return ErrorKind::unsupported;
        case StatusCode::unavailable: return ErrorKind::unavailable;
        case StatusCode::unauthenticated: return ErrorKind::unauthorized;
        default: return ErrorKind::internal;
    }
}

void Call::Shared::signal() { ::eventfd_write(wake.get(), 1); }

// ---------------------------------------------------------------- calls

Call::Call(std::shared_ptr<Shared> shared, std::shared_ptr<Stream> stream)
    : shared_(std::move(shared)), stream_(std::move(stream)) {}

Call::~Call() {
    const std::lock_guard lock(shared_->mutex);
    stream_->on_cancel = {};
    if (stream_->closed || shared_->ended || !stream_->is_ours) return;
    stream_->reset = true;
    shared_->touch(stream_);
}

const std::string& Call::path() const { return stream_->path; }

std::string Call::metadata(const std::string& name) const {
    const auto found = stream_->headers.find(name);
    return found == stream_->headers.end() ? "" : found->second;
}

std::vector<std::string> Call::all_metadata(const std::string& name) const {
    std::vector<std::string> values;
    const auto [first, last] = stream_->headers.equal_range(name);
    for (auto at = first; at != last; ++at) values.push_back(at->second);
    return values;
}

bool Call::read(std::string& message) {
    std::unique_lock lock(shared_->mutex);
    const auto size_of_next = [&]() -> std::size_t {
        std::size_t size = 0;
        for (std::size_t i = 1; i < frame_header_bytes; ++i)
            size = size << 8 | static_cast<unsigned char>(stream_->in[i]);
        return size;
    };
    for (;;) {
        if (stream_->in.size() >= frame_header_bytes) {
            const std::size_t size = size_of_next();
            if (stream_->in.front() != 0)
                throw Error(ErrorKind::unsupported, "compressed messages are not supported");
            if (size > most_message_bytes)
                throw Error(ErrorKind::invalid_argument, "a message of {} bytes is too large",
                            size);
            const std::size_t whole = frame_header_bytes + size;
            if (stream_->in.size() >= whole) {
                message.assign(stream_->in, frame_header_bytes, size);
                stream_->in.erase(0, whole);
                stream_->consumed += whole - std::min(whole, stream_->credited);
                stream_->credited -= std::min(whole, stream_->credited);
                if (!stream_->closed) shared_->touch(stream_);
                return true;
            }
        }
        // One that is larger than the window must get it to come whole.
        if (stream_->in.size() > stream_->credited && !stream_->closed) {
            stream_->consumed += stream_->in.size() - stream_->credited;
            stream_->credited = stream_->in.size();
            shared_->touch(stream_);
        }
        if (stream_->broken || shared_->ended)
            throw Error(ErrorKind::cancelled, "the client has broken off {}", stream_->path);
        if (stream_->in_ended || stream_->closed) break;
        shared_->changed.wait(lock);
    }
    if (!stream_->is_ours) return false;
    const auto value = [&](const char* name) {
        const auto found = stream_->trailers.find(name);
        return found == stream_->trailers.end() ? std::string() : found->second;
    };
    const std::string status = value("grpc-status");
    int code = static_cast<int>(StatusCode::unknown);
    std::from_chars(status.data(), status.data() + status.size(), code);
    if (code == 0) return false;
    throw Error(kind_of(static_cast<StatusCode>(code)), "{}",
                decode_message(value("grpc-message")));
}

void Call::write(std::string_view message) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] {
        return stream_->closed || shared_->ended ||
               stream_->out.size() - stream_->sent < most_waiting_bytes;
    });
    if (stream_->closed || shared_->ended)
        throw Error(ErrorKind::cancelled, "the client has broken off {}", stream_->path);
    std::string head(frame_header_bytes, '\0');
    for (std::size_t i = 1; i < frame_header_bytes; ++i)
        head[i] = static_cast<char>(message.size() >> (8 * (frame_header_bytes - 1 - i)) & 0xff);
    if (stream_->sent > most_waiting_bytes / 2) {
        stream_->out.erase(0, stream_->sent);
        stream_->sent = 0;
    }
    stream_->out += head;
    stream_->out += message;
    shared_->touch(stream_);
}

void Call::finish(const CallStatus& status) {
    const std::lock_guard lock(shared_->mutex);
    if (stream_->out_ended || stream_->closed) return;
    stream_->status = status;
    stream_->out_ended = true;
    stream_->on_cancel = {};
    shared_->touch(stream_);
}

void Call::wait_for_cancel() {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return stream_->closed || shared_->ended; });
}

void Call::on_cancel(std::function<void()> action) {
    {
        const std::lock_guard lock(shared_->mutex);
        if (!stream_->closed && !shared_->ended) {
            stream_->on_cancel = std::move(action);
            return;
        }
    }
    if (action) action();
}

// ---------------------------------------------------------------- connections

std::shared_ptr<Connection> Connection::serve(Fd socket, Handler handler) {
    auto shared = std::make_shared<Call::Shared>();
    shared->socket = std::move(socket);
    shared->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    shared->is_server = true;
    shared->handler = std::move(handler);
    shared->loop = std::thread([shared] { run_connection(shared); });
    return std::shared_ptr<Connection>(new Connection(std::move(shared)));
}

std::shared_ptr<Connection> Connection::call_over(Fd socket) {
    auto shared = std::make_shared<Call::Shared>();
    shared->socket = std::move(socket);
    shared->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    shared->loop = std::thread([shared] { run_connection(shared); });
    return std::shared_ptr<Connection>(new Connection(std::move(shared)));
}

Connection::~Connection() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->giving_up = true;
        shared_->signal();
    }
    if (!shared_->loop.joinable()) return;
    if (shared_->loop.get_id() == std::this_thread::get_id())
        shared_->loop.detach();
    else
        shared_->loop.join();
}

void Connection::wait() {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return shared_->ended; });
}

void Connection::on_end(std::function<void()> action) {
    {
        const std::lock_guard lock(shared_->mutex);
        if (!shared_->ended) {
            shared_->on_end = std::move(action);
            return;
        }
    }
    action();
}

std::unique_ptr<Call> Connection::start(const std::string& path, const Metadata& metadata) {
    auto stream = std::make_shared<Call::Stream>();
    stream->is_ours = true;
    stream->path = path;
    stream->headers = metadata;
    const std::lock_guard lock(shared_->mutex);
    if (shared_->ended) throw Error(ErrorKind::unavailable, "the client is gone");
    shared_->touch(stream);
    return std::unique_ptr<Call>(new Call(shared_, std::move(stream)));
}

std::string Connection::ask(const std::string& path, std::string_view request,
                            const Metadata& metadata) {
    const auto call = start(path, metadata);
    call->write(request);
    call->finish();
    std::string reply, more;
    if (!call->read(reply)) throw Error(ErrorKind::internal, "{} has no answer", path);
    while (call->read(more)) continue;  // its status
    return reply;
}

}  // namespace hull::buildkit
