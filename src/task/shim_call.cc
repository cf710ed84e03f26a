#include "task/shim_call.hh"

#include "base/sys.hh"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace hull::task {

namespace {

bool means_nobody(int error_number) {
    return error_number == ENOENT || error_number == ECONNREFUSED || error_number == EPIPE ||
           error_number == ECONNRESET;
}

shim::Reply exchange(int socket, const shim::Request& request, const std::vector<int>& fds,
                     int timeout_ms) {
    shim::send_message(socket, shim::dump(request), fds);
    if (!sys::poll_one(socket, POLLIN, timeout_ms))
        throw Error(ErrorKind::unavailable, "the shim did not answer within {} ms", timeout_ms);
    const shim::Message message = shim::receive_message(socket);
    if (message.text.empty()) throw_errno(ECONNRESET, "waiting for a shim");
    return shim::parse_reply(message.text);
}

}  // namespace

shim::Reply call_shim(const Path& socket, const shim::Request& request, const std::vector<int>& fds,
                      int timeout_ms) {
    shim::Reply reply;
    try {
        const Fd connection = sys::connect_unix(socket, SOCK_SEQPACKET);
        reply = exchange(connection.get(), request, fds, timeout_ms);
    } catch (const Error& error) {
        if (means_nobody(error.error_number()))
            throw Error(ErrorKind::conflict, "the container has ended or lost its shim");
        throw;
    }
    if (reply.error_kind) throw Error(*reply.error_kind, "{}", reply.error);
    return reply;
}

Subscription subscribe(const Path& socket, int timeout_ms) {
    try {
        Subscription subscription{.events = sys::connect_unix(socket, SOCK_SEQPACKET),
                                  .started = {}};
        subscription.started =
            exchange(subscription.events.get(), shim::request::Subscribe{}, {}, timeout_ms).started;
        return subscription;
    } catch (const Error& error) {
        if (means_nobody(error.error_number())) return {};
        throw;
    }
}

}  // namespace hull::task
