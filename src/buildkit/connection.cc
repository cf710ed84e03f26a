#include "buildkit/connection.hh"

#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "http/headers.hh"

#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

namespace hull::buildkit {

namespace {

constexpr std::size_t frame_header_bytes = 5;         ///< gRPC's: a flag and a length
constexpr std::size_t most_message_bytes = 64 << 20;  ///< of one message
constexpr std::size_t most_waiting_bytes = 1 << 20;   ///< that a writer leaves unsent
constexpr std::int32_t window_bytes = 4 << 20;
constexpr std::uint32_t most_streams = 1000;

struct SessionDeleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using Session = std::unique_ptr<nghttp2_session, SessionDeleter>;

nghttp2_nv field(std::string_view name, std::string_view value) {
    auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

/// Source: gRPC over HTTP2, "Percent-Encoded": printable ASCII stays.
std::string encode_message(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        if (c >= ' ' && c <= '~' && c != '%')
            encoded += c;
        else
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return encoded;
}

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

/// What both threads of a stream share; guarded by the connection's mutex.
struct Call::Stream {
    std::int32_t id = -1;
    bool is_ours = false;
    std::string path;
    Metadata headers, trailers;  ///< the request's, and what came back last
    std::string in;              ///< bytes of messages that nobody has read
    std::size_t consumed = 0;    ///< taken, and not told the other side
    std::size_t credited = 0;    ///< of `in`: taken before its message was whole
    bool in_ended = false, closed = false, broken = false;
    std::string out;
    std::size_t sent = 0;  ///< of out
    bool out_ended = false, begun = false, reset = false;
    CallStatus status;  ///< ours, when out has ended
    std::function<void()> on_cancel;
};

struct Call::Shared {
    Fd socket;
    Fd wake;
    bool is_server = false;
    Connection::Handler handler;
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::int32_t, std::shared_ptr<Stream>> streams;
    std::set<std::shared_ptr<Stream>> touched;  ///< for the loop to look at
    bool ended = false, giving_up = false;
    std::function<void()> on_end;
    std::thread loop;

    void touch(const std::shared_ptr<Stream>& stream) {
        touched.insert(stream);
        ::eventfd_write(wake.get(), 1);
    }
};

/// The thread of a connection: it alone calls nghttp2, with the mutex held.
class ConnectionLoop {
public:
    using Stream = Call::Stream;

    static void run(const std::shared_ptr<Call::Shared>& shared) { ConnectionLoop(shared).loop(); }

private:
    explicit ConnectionLoop(std::shared_ptr<Call::Shared> shared) : shared_(std::move(shared)) {}
    void make_session();
    void loop();
    void look_at_touched();
    void begin(const std::shared_ptr<Stream>& stream);
    void collect_output();
    bool exchange();
    void end();
    void take_request(const std::shared_ptr<Stream>& stream);
    std::shared_ptr<Stream> find(std::int32_t id) const {
        const auto found = shared_->streams.find(id);
        return found == shared_->streams.end() ? nullptr : found->second;
    }

    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self);
    static int take_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                           std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                           std::uint8_t, void* self);
    static int take_frame(nghttp2_session*, const nghttp2_frame* frame, void* self);
    static int take_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                         std::size_t size, void* self);
    static int take_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* self);
    static ssize_t give_data(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer,
                             std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                             void* self);
    static void submit_trailer(nghttp2_session* session, std::int32_t id, const Stream& stream);

    std::shared_ptr<Call::Shared> shared_;
    Session session_;
    std::string out_;
    std::vector<std::function<void()>> cancelled_;  ///< to be called without the mutex
};

void ConnectionLoop::make_session() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, take_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, take_close);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    // A message that nobody reads yet holds up whoever sends it.
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session* session = nullptr;
    if (shared_->is_server)
        nghttp2_session_server_new2(&session, callbacks, this, option);
    else
        nghttp2_session_client_new2(&session, callbacks, this, option);
    session_.reset(session);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_streams},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 * window_bytes);
}

int ConnectionLoop::begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    auto& loop = *static_cast<ConnectionLoop*>(self);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        auto stream = std::make_shared<Stream>();
        stream->id = frame->hd.stream_id;
        loop.shared_->streams[stream->id] = std::move(stream);
    }
    return 0;
}

int ConnectionLoop::take_header(nghttp2_session*, const nghttp2_frame* frame,
                                const std::uint8_t* name, std::size_t name_size,
                                const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                                void* self) {
    auto& loop = *static_cast<ConnectionLoop*>(self);
    const auto stream = loop.find(frame->hd.stream_id);
    if (!stream) return 0;
    std::string key(reinterpret_cast<const char*>(name), name_size);
    std::string text(reinterpret_cast<const char*>(value), value_size);
    if (stream->is_ours)
        stream->trailers.emplace(std::move(key), std::move(text));
    else if (key == ":path")
        stream->path = std::move(text);
    else
        stream->headers.emplace(std::move(key), std::move(text));
    return 0;
}

int ConnectionLoop::take_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    auto& loop = *static_cast<ConnectionLoop*>(self);
    const auto stream = loop.find(frame->hd.stream_id);
    if (!stream) return 0;
    const bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        loop.take_request(stream);
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && ends) {
        stream->in_ended = true;
        loop.shared_->changed.notify_all();
    }
    return 0;
}

int ConnectionLoop::take_data(nghttp2_session*, std::uint8_t, std::int32_t id,
                              const std::uint8_t* data, std::size_t size, void* self) {
    auto& loop = *static_cast<ConnectionLoop*>(self);
    const auto stream = loop.find(id);
    if (!stream) {
        nghttp2_session_consume(loop.session_.get(), id, size);
        return 0;
    }
    stream->in.append(reinterpret_cast<const char*>(data), size);
    loop.shared_->changed.notify_all();
    return 0;
}

int ConnectionLoop::take_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* self) {
    auto& loop = *static_cast<ConnectionLoop*>(self);
    const auto stream = loop.find(id);
    if (!stream) return 0;
    stream->closed = true;
    // Whoever answered everything may reset the rest of a request.
    if (error != NGHTTP2_NO_ERROR || (!stream->is_ours && !stream->out_ended)) {
        stream->broken = true;
        if (stream->on_cancel) loop.cancelled_.push_back(std::exchange(stream->on_cancel, {}));
    }
    // What was not read takes none of the connection's window any more.
    if (const std::size_t left = stream->in.size() - stream->credited + stream->consumed; left > 0)
        nghttp2_session_consume_connection(loop.session_.get(), left);
    stream->consumed = 0;
    loop.shared_->streams.erase(id);
    loop.shared_->changed.notify_all();
    return 0;
}

void ConnectionLoop::submit_trailer(nghttp2_session* session, std::int32_t id,
                                    const Stream& stream) {
    const std::string code = std::to_string(static_cast<int>(stream.status.code));
    const std::string message = encode_message(stream.status.message);
    const std::string details = encode_base64(stream.status.details);
    std::vector<nghttp2_nv> fields{field("grpc-status", code)};
    if (!message.empty()) fields.push_back(field("grpc-message", message));
    if (!details.empty()) fields.push_back(field("grpc-status-details-bin", details));
    nghttp2_submit_trailer(session, id, fields.data(), fields.size());
}

ssize_t ConnectionLoop::give_data(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer,
                                  std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                                  void* self) {
    auto& loop = *static_cast<ConnectionLoop*>(self);
    const auto stream = loop.find(id);
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t count = std::min(size, stream->out.size() - stream->sent);
    std::memcpy(buffer, stream->out.data() + stream->sent, count);
    stream->sent += count;
    if (stream->sent == stream->out.size()) {
        stream->out.clear();
        stream->sent = 0;
        if (stream->out_ended) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!stream->is_ours) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                submit_trailer(session, id, *stream);
            }
        } else if (count == 0) {
            return NGHTTP2_ERR_DEFERRED;
        }
    }
    loop.shared_->changed.notify_all();
    return static_cast<ssize_t>(count);
}

void ConnectionLoop::take_request(const std::shared_ptr<Stream>& stream) {
    std::thread([shared = shared_, stream] {
        Call call(shared, stream);
        try {
            shared->handler(call);
            call.finish();
        } catch (const Error& error) {
            call.finish({code_of(error.kind()), error.message(), {}});
        } catch (const std::exception& error) {
            call.finish({StatusCode::internal, error.what(), {}});
        }
    }).detach();
}

/// Sends the header of a call of ours or of a reply.
void ConnectionLoop::begin(const std::shared_ptr<Stream>& stream) {
    stream->begun = true;
    nghttp2_data_provider data{};
    data.read_callback = give_data;
    if (stream->is_ours) {
        std::vector<nghttp2_nv> fields{
            field(":method", "POST"),     field(":scheme", "http"),
            field(":path", stream->path), field(":authority", "localhost"),
            field("te", "trailers"),      field("content-type", "application/grpc")};
        for (const auto& [name, value] : stream->headers) fields.push_back(field(name, value));
        stream->id = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                            &data, nullptr);
        if (stream->id < 0)
            stream->broken = stream->closed = true;
        else
            shared_->streams[stream->id] = stream;
        return;
    }
    const std::array fields{field(":status", "200"), field("content-type", "application/grpc")};
    nghttp2_submit_response(session_.get(), stream->id, fields.data(), fields.size(), &data);
}

void ConnectionLoop::look_at_touched() {
    for (const auto& stream : std::exchange(shared_->touched, {})) {
        if (stream->closed) continue;
        if (stream->reset) {
            if (stream->id > 0)
                nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream->id,
                                          NGHTTP2_CANCEL);
            continue;
        }
        if (!stream->begun && (stream->is_ours || stream->out_ended || !stream->out.empty()))
            begin(stream);
        else if (stream->begun)
            nghttp2_session_resume_data(session_.get(), stream->id);
        if (stream->consumed > 0 && stream->id > 0)
            nghttp2_session_consume(session_.get(), stream->id, std::exchange(stream->consumed, 0));
    }
    shared_->changed.notify_all();
}

void ConnectionLoop::collect_output() {
    constexpr std::size_t enough_bytes = 256 << 10;
    while (out_.size() < enough_bytes) {
        const std::uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
        if (size <= 0) return;
        out_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
}

/// Sends and receives once; false when the connection has ended.
bool ConnectionLoop::exchange() {
    const int socket = shared_->socket.get();
    pollfd waits[] = {{socket, static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
                      {shared_->wake.get(), POLLIN, 0}};
    if (::poll(waits, std::size(waits), -1) < 0) return errno == EINTR;
    if (waits[1].revents) {
        eventfd_t count = 0;
        ::eventfd_read(shared_->wake.get(), &count);
    }
    if (!out_.empty()) {
        const ssize_t sent = ::send(socket, out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    }
    if (!(waits[0].revents & (POLLIN | POLLHUP | POLLERR))) return true;
    std::array<std::uint8_t, 64 << 10> buffer;
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    const std::lock_guard lock(shared_->mutex);
    return nghttp2_session_mem_recv(session_.get(), buffer.data(),
                                    static_cast<std::size_t>(size)) >= 0;
}

void ConnectionLoop::loop() {
    {
        const std::lock_guard lock(shared_->mutex);
        make_session();
    }
    for (bool goes_on = true; goes_on;) {
        {
            const std::lock_guard lock(shared_->mutex);
            look_at_touched();
            collect_output();
            goes_on = !shared_->giving_up &&
                      (!out_.empty() || nghttp2_session_want_read(session_.get()) ||
                       nghttp2_session_want_write(session_.get()));
        }
        for (auto& action : std::exchange(cancelled_, {})) action();
        goes_on = goes_on && exchange();
    }
    end();
}

void ConnectionLoop::end() {
    std::function<void()> on_end;
    {
        const std::lock_guard lock(shared_->mutex);
        ::shutdown(shared_->socket.get(), SHUT_RDWR);
        shared_->ended = true;
        for (const auto& stream : shared_->touched) stream->closed = stream->broken = true;
        for (const auto& [id, stream] : shared_->streams) {
            stream->closed = stream->broken = true;
            if (stream->on_cancel) cancelled_.push_back(std::exchange(stream->on_cancel, {}));
        }
        shared_->streams.clear();
        shared_->touched.clear();
        on_end = std::exchange(shared_->on_end, {});
        shared_->changed.notify_all();
    }
    for (auto& action : std::exchange(cancelled_, {})) action();
    if (on_end) on_end();
}

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
    shared->loop = std::thread([shared] { ConnectionLoop::run(shared); });
    return std::shared_ptr<Connection>(new Connection(std::move(shared)));
}

std::shared_ptr<Connection> Connection::call_over(Fd socket) {
    auto shared = std::make_shared<Call::Shared>();
    shared->socket = std::move(socket);
    shared->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    shared->loop = std::thread([shared] { ConnectionLoop::run(shared); });
    return std::shared_ptr<Connection>(new Connection(std::move(shared)));
}

Connection::~Connection() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->giving_up = true;
        ::eventfd_write(shared_->wake.get(), 1);
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
