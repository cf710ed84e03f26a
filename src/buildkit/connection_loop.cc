// The thread of a connection.
#include "base/text.hh"
#include "buildkit/connection_state.hh"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace hull::buildkit {

namespace {

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

}  // namespace

/// The thread of a connection: it alone calls nghttp2, with the mutex held.
class ConnectionLoop {
public:
    using Stream = Call::Stream;

    explicit ConnectionLoop(std::shared_ptr<Call::Shared> shared) : shared_(std::move(shared)) {}
    void loop();

private:
    void make_session();
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

void run_connection(const std::shared_ptr<Call::Shared>& shared) { ConnectionLoop(shared).loop(); }

}  // namespace hull::buildkit
