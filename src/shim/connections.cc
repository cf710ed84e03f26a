#include "shim/connections.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

namespace hull::shim {

namespace {

void send_quietly(int socket, std::string_view text, bool& is_broken) {
    try {
        send_message(socket, text);
    } catch (const Error&) {  // gone, or so far behind that its buffer is full
        is_broken = true;
    }
}

}  // namespace

Connections::Connections(Loop& loop, RequestHandler& handler) : loop_(loop), handler_(handler) {}

Connections::~Connections() {
    stop_listening();
    close();
}

void Connections::listen(const Path& socket_path) {
    sys::unlink(socket_path);  // of a shim that was killed
    listener_ = sys::listen_unix(socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0600);
    socket_path_ = socket_path;
    loop_.watch(listener_.get(), EPOLLIN, *this);
}

Connections::Connection& Connections::add(Fd socket) {
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    connections_.push_back(std::make_unique<Connection>(*this, std::move(socket)));
    loop_.watch(connections_.back()->socket.get(), EPOLLIN, *connections_.back());
    return *connections_.back();
}

void Connections::add_subscriber(Fd socket) { add(std::move(socket)).is_subscriber = true; }

void Connections::on_ready(std::uint32_t) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) add(std::move(socket));
}

void Connections::serve(Connection& connection) {
    Message message;
    try {
        message = receive_message(connection.socket.get());
    } catch (const Error&) {
        message.text.clear();
    }
    if (message.text.empty()) {
        connection.is_broken = true;
    } else {
        const bool was_subscriber = connection.is_subscriber;
        const std::string reply = dump(answer(connection, std::move(message)));
        if (!was_subscriber) send_quietly(connection.socket.get(), reply, connection.is_broken);
    }
    drop_broken();
}

Reply Connections::answer(Connection& connection, Message message) {
    try {
        Request request = parse_request(message.text);
        message.text = std::string();
        if (std::holds_alternative<request::Subscribe>(request)) connection.is_subscriber = true;
        return handler_.handle(std::move(request), std::move(message.fds));
    } catch (const Error& error) {
        return {.error_kind = error.kind(), .error = error.message(), .started = {}};
    }
}

void Connections::publish(const Event& event) {
    const std::string text = dump(event);
    for (const auto& connection : connections_)
        if (connection->is_subscriber && !connection->is_broken)
            send_quietly(connection->socket.get(), text, connection->is_broken);
}

bool Connections::has_subscribers() const {
    return std::any_of(connections_.begin(), connections_.end(), [](const auto& connection) {
        return connection->is_subscriber && !connection->is_broken;
    });
}

void Connections::drop_broken() {
    std::erase_if(connections_, [this](const auto& connection) {
        if (connection->is_broken) loop_.unwatch(connection->socket.get());
        return connection->is_broken;
    });
}

void Connections::stop_listening() {
    if (!listener_) return;
    loop_.unwatch(listener_.get());
    listener_.reset();
    ::unlink(socket_path_.c_str());
    for (const auto& connection : connections_)
        if (!connection->is_subscriber) connection->is_broken = true;
    drop_broken();
}

void Connections::close() {
    for (const auto& connection : connections_) connection->is_broken = true;
    drop_broken();
}

}  // namespace hull::shim
