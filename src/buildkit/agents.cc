#include "buildkit/agents.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "buildkit/message.hh"

#include <poll.h>
#include <sys/socket.h>

#include <iterator>

namespace hull::buildkit {

namespace {

constexpr const char* check_agent = "/moby.sshforward.v1.SSH/CheckAgent";
constexpr const char* forward_agent = "/moby.sshforward.v1.SSH/ForwardAgent";

}  // namespace

Agent::Agent(Daemon& daemon, ClientSessionPointer session, std::string id)
    : daemon_(daemon), session_(std::move(session)), id_(std::move(id)) {
    session_->connection->ask(check_agent, MessageWriter().text(1, id_).bytes());
    listener_ = daemon_.listen();
    thread_ = std::thread([this] { accept_all(); });
}

Agent::~Agent() {
    stop_.request();
    thread_.join();
    daemon_.remove_listener(listener_.path);
    for (Conversation& conversation : conversations_)
        ::shutdown(conversation.socket.get(), SHUT_RDWR);
    for (Conversation& conversation : conversations_) {
        conversation.to_agent.join();
        conversation.from_agent.join();
    }
}

void Agent::accept_all() {
    for (;;) {
        pollfd waits[] = {{stop_.fd(), POLLIN, 0}, {listener_.socket.get(), POLLIN, 0}};
        if (::poll(waits, std::size(waits), -1) < 0) continue;
        if (waits[0].revents) return;
        Fd socket(::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket) continue;
        try {
            Conversation& conversation = conversations_.emplace_back();
            conversation.socket = std::move(socket);
            conversation.call =
                session_->connection->start(forward_agent, {{"buildkit.ssh.id", id_}});
            conversation.to_agent = std::thread([&] { carry_to_agent(conversation); });
            conversation.from_agent = std::thread([&] { carry_from_agent(conversation); });
        } catch (const Error& error) {
            conversations_.pop_back();
            log::info("forwarding an agent: {}", error.message());
        }
    }
}

void Agent::carry_to_agent(Conversation& conversation) {
    try {
        std::vector<std::byte> buffer(32UL << 10);
        while (const std::size_t count = sys::read(conversation.socket.get(), buffer))
            conversation.call->write(
                MessageWriter()
                    .text(1, {reinterpret_cast<const char*>(buffer.data()), count})
                    .bytes());
    } catch (const Error&) {
        // Whichever side has gone, the other one hears of it.
    }
    conversation.call->finish();
}

void Agent::carry_from_agent(Conversation& conversation) {
    try {
        std::string message;
        while (conversation.call->read(message)) {
            MessageReader reader(message);
            for (Field field; reader.next(field);)
                if (field.number == 1) sys::write_all(conversation.socket.get(), field.bytes);
        }
    } catch (const Error&) {
        // As above.
    }
    ::shutdown(conversation.socket.get(), SHUT_RDWR);
}

}  // namespace hull::buildkit
