#include "base/sys.hh"
#include "relay/server.hh"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace hull::relay {

namespace {

constexpr int patience_ms = 10000;

std::uint16_t port_of(const Fd& socket) {
    SocketAddress address;
    EXPECT_EQ(::getsockname(socket.get(), address.get(), &address.size), 0);
    return ntohs(address.storage.ss_family == AF_INET6
                     ? reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port
                     : reinterpret_cast<sockaddr_in&>(address.storage).sin_port);
}

Fd bound(const std::string& ip, int type) {
    const IpAddress address = IpAddress::get(ip);
    Fd socket(::socket(address.is_v6() ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (type == SOCK_STREAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const SocketAddress where = SocketAddress::of(address, 0);
    EXPECT_EQ(::bind(socket.get(), where.get(), where.size), 0);
    if (type == SOCK_STREAM) {
        EXPECT_EQ(::listen(socket.get(), 16), 0);
    }
    return socket;
}

Fd connected(const std::string& ip, std::uint16_t port, int type) {
    const IpAddress address = IpAddress::get(ip);
    Fd socket(::socket(address.is_v6() ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
    const SocketAddress where = SocketAddress::of(address, port);
    EXPECT_EQ(::connect(socket.get(), where.get(), where.size), 0);
    return socket;
}

/// One piece; "end" at the end, "reset" when the peer has given up by force.
std::string heard(const Fd& socket) {
    char buffer[4096];
    if (!sys::poll_one(socket.get(), POLLIN, patience_ms)) return "nothing";
    const ssize_t count = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (count < 0) return errno == ECONNRESET ? "reset" : "error";
    return count == 0 ? "end" : std::string(buffer, static_cast<std::size_t>(count));
}

void say(const Fd& socket, const std::string& text) {
    EXPECT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
}

Fd accepted(const Fd& listener) {
    EXPECT_TRUE(sys::poll_one(listener.get(), POLLIN, patience_ms));
    return Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace

class Relay : public testing::Test {
protected:
    Relay() {
        char path[] = "/tmp/hull-relay-test-XXXXXX";
        EXPECT_NE(::mkdtemp(path), nullptr);
        directory_ = path;
        Fd listener = sys::listen_unix(directory_ + "/sock", SOCK_SEQPACKET, 0600);
        control_ = come();
        thread_ = std::thread(
            [listener = std::move(listener)]() mutable { Server(std::move(listener)).run(); });
        EXPECT_EQ(told()["version"].as_int(), 1);
    }
    ~Relay() override {
        if (control_) {
            remove("stream");
            remove("datagrams");
        }
        control_ = {};
        thread_.join();
        sys::remove_tree(directory_);
    }

    Fd come() { return sys::connect_unix(directory_ + "/sock", SOCK_SEQPACKET); }
    json::Value told(std::vector<Fd>* sockets = nullptr) {
        EXPECT_TRUE(sys::poll_one(control_.get(), POLLIN, patience_ms));
        sys::Received received = sys::receive_with_fds(control_.get(), 1 << 20);
        if (sockets) *sockets = std::move(received.fds);
        return json::parse(received.bytes);
    }
    void add(const std::string& key, int protocol, std::uint16_t target, const Fd& socket) {
        const int fds[] = {socket.get()};
        json::Array ports{json::Object{
            {"key", key}, {"protocol", protocol}, {"address", "127.0.0.1"}, {"port", int{target}}}};
        sys::send_with_fds(control_.get(),
                           json::dump(json::Object{{"order", "add"}, {"ports", std::move(ports)}}),
                           fds);
    }
    void remove(const std::string& key) {
        sys::send_with_fds(
            control_.get(),
            json::dump(json::Object{{"order", "remove"}, {"keys", json::Array{key}}}), {});
        EXPECT_EQ(told()["removed"].as_int(), 1);
    }

    std::string directory_;
    Fd control_;
    std::thread thread_;
};

TEST_F(Relay, CarriesAStreamBothWaysAndEachEndByItself) {
    const Fd port = bound("::1", SOCK_STREAM), server = bound("127.0.0.1", SOCK_STREAM);
    add("stream", IPPROTO_TCP, port_of(server), port);
    const Fd client = connected("::1", port_of(port), SOCK_STREAM);
    say(client, "question");
    const Fd container = accepted(server);
    EXPECT_EQ(heard(container), "question");
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(heard(container), "end");
    say(container, "answer");
    EXPECT_EQ(heard(client), "answer");
    ::shutdown(container.get(), SHUT_WR);
    EXPECT_EQ(heard(client), "end");
}

TEST_F(Relay, KeepsWhatASlowReceiverDoesNotTake) {
    constexpr std::size_t size = 8 << 20;
    const Fd port = bound("::1", SOCK_STREAM), server = bound("127.0.0.1", SOCK_STREAM);
    add("stream", IPPROTO_TCP, port_of(server), port);
    const Fd client = connected("::1", port_of(port), SOCK_STREAM);
    std::thread sender([&] {
        std::string sent(size, '\0');
        for (std::size_t i = 0; i < size; ++i) sent[i] = static_cast<char>(i * 7919 >> 8);
        sys::write_all(client.get(), sent);
        ::shutdown(client.get(), SHUT_WR);
    });
    const Fd container = accepted(server);
    std::size_t count = 0;
    bool is_right = true;
    for (std::string piece = heard(container); piece != "end"; piece = heard(container)) {
        ASSERT_NE(piece, "nothing");
        for (const char c : piece)
            is_right = is_right && c == static_cast<char>(count++ * 7919 >> 8);
    }
    sender.join();
    EXPECT_TRUE(is_right);
    EXPECT_EQ(count, size);
}

TEST_F(Relay, ARefusalAndAResetArePassedOn) {
    const Fd port = bound("::1", SOCK_STREAM);
    {
        const Fd nobody = bound("127.0.0.1", SOCK_STREAM);
        add("stream", IPPROTO_TCP, port_of(nobody), port);
    }
    EXPECT_EQ(heard(connected("::1", port_of(port), SOCK_STREAM)), "reset");
}

TEST_F(Relay, DatagramsFindBackToTheirClients) {
    const Fd port = bound("::1", SOCK_DGRAM), server = bound("127.0.0.1", SOCK_DGRAM);
    add("datagrams", IPPROTO_UDP, port_of(server), port);
    const Fd one = connected("::1", port_of(port), SOCK_DGRAM),
             two = connected("::1", port_of(port), SOCK_DGRAM);
    for (const Fd* client : {&one, &two, &one}) {
        say(*client, client == &one ? "one" : "two");
        SocketAddress from;
        char buffer[16];
        ASSERT_TRUE(sys::poll_one(server.get(), POLLIN, patience_ms));
        const ssize_t count =
            ::recvfrom(server.get(), buffer, sizeof buffer, 0, from.get(), &from.size);
        ASSERT_EQ(count, 3);
        ::sendto(server.get(), buffer, 3, 0, from.get(), from.size);
        EXPECT_EQ(heard(*client), client == &one ? "one" : "two");
    }
}

TEST_F(Relay, TheNextDaemonGetsTheSocketsAndConnectionsGoOn) {
    const Fd server = bound("127.0.0.1", SOCK_STREAM);
    std::uint16_t number = 0;
    {
        const Fd port = bound("::1", SOCK_STREAM);
        number = port_of(port);
        add("stream", IPPROTO_TCP, port_of(server), port);
    }
    const Fd client = connected("::1", number, SOCK_STREAM);
    const Fd container = accepted(server);
    control_ = {};
    say(client, "nobody rules");
    EXPECT_EQ(heard(container), "nobody rules");
    control_ = come();
    std::vector<Fd> sockets;
    EXPECT_EQ(told(&sockets)["ports"].as_array().at(0).as_string(), "stream");
    ASSERT_EQ(sockets.size(), 1u);
    EXPECT_EQ(port_of(sockets[0]), number);
    EXPECT_EQ(told()["version"].as_int(), 1);
    remove("stream");
    sockets.clear();
    say(container, "still here");
    EXPECT_EQ(heard(client), "still here");
    Fd again(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(again.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const SocketAddress where = SocketAddress::of(IpAddress::get("::1"), number);
    EXPECT_EQ(::bind(again.get(), where.get(), where.size), 0) << "a removed port is free";
}

}  // namespace hull::relay
