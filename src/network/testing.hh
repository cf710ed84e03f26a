#pragma once
#include "base/fd.hh"
#include "base/sys.hh"
#include "db/database.hh"
#include "linux/namespaces.hh"
#include "network/networks.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

/// A machine of its own for tests of networks: a fresh network namespace for this thread and the
/// threads it starts, and a database in a temporary directory.
namespace hull::network {

inline sockaddr_storage socket_address(const std::string& address, std::uint16_t port,
                                       socklen_t& size) {
    sockaddr_storage storage{};
    const IpAddress ip = IpAddress::get(address);
    if (ip.is_v6()) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, ip.bytes().data(), 16);
        size = sizeof v6;
    } else {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, ip.bytes().data(), 4);
        size = sizeof v4;
    }
    return storage;
}

/// A server inside a namespace that tells each client the address it comes from.
class Greeter {
public:
    Greeter(const std::string& namespace_path, std::uint16_t port) {
        Fd target = sys::open(namespace_path, O_RDONLY);
        std::thread([&] {
            linux_::enter_namespace(target.get(), CLONE_NEWNET);
            listener_ = Fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
            socklen_t size = 0;
            auto address = socket_address("::", port, size);
            if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
                ::listen(listener_.get(), 16) != 0)
                throw_errno(errno, "listening in {}", namespace_path);
        }).join();
        thread_ = std::thread([this] { run(); });
    }
    ~Greeter() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }

private:
    void run() {
        for (;;) {
            sockaddr_in6 peer{};
            socklen_t size = sizeof peer;
            Fd client(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                                SOCK_CLOEXEC));
            if (!client) return;
            char text[INET6_ADDRSTRLEN] = {};
            ::inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text);
            const std::string greeting = text;
            const auto sent = ::send(client.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
            (void)sent;
        }
    }
    Fd listener_;
    std::thread thread_;
};

/// What a client hears at an address; "" when it cannot connect within a second.
inline std::string hear(const std::string& address, std::uint16_t port) {
    socklen_t size = 0;
    auto where = socket_address(address, port, size);
    Fd socket(::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&where), size) != 0) return "";
    char text[64] = {};
    const ssize_t count = ::recv(socket.get(), text, sizeof text - 1, 0);
    return count > 0 ? std::string(text, static_cast<std::size_t>(count)) : "";
}

/// The same from inside a namespace.
inline std::string hear_in(const std::string& namespace_path, const std::string& address,
                           std::uint16_t port) {
    Fd target = sys::open(namespace_path, O_RDONLY);
    std::string heard;
    std::thread([&] {
        linux_::enter_namespace(target.get(), CLONE_NEWNET);
        heard = hear(address, port);
    }).join();
    return heard;
}

class NetworkTest : public testing::Test {
protected:
    NetworkTest() {
        char name[] = "/tmp/hull-network-XXXXXX";
        directory_ = ::mkdtemp(name);
        database_ = std::make_unique<db::Database>(directory_ + "/hull.db");
    }
    ~NetworkTest() override {
        networks_.reset();
        database_.reset();
        sys::remove_tree(directory_);
        if (home_) ::setns(home_.get(), CLONE_NEWNET);
    }
    void SetUp() override {
        home_ = sys::open("/proc/thread-self/ns/net", O_RDONLY);
        if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root";
        linux_::bring_loopback_up();
        open();
    }
    /// A daemon starts; the one before has ended.
    void open() {
        networks_.reset();
        Options options;
        options.bridge = "hullt0";
        options.table = "hull-test";
        options.lock_file = directory_ + "/lock";
        networks_ = std::make_unique<Networks>(options, *database_);
    }
    /// A container of one network, started.
    Attached run(const std::string& id, const std::string& network,
                 std::vector<PortRequest> ports = {}) {
        SandboxRequest request;
        request.container_id = id;
        request.container_name = id;
        request.endpoints.push_back({network, {}, {}, "", {}, {}, {}, {}, 0});
        request.ports = std::move(ports);
        networks_->add_sandbox(request);
        return networks_->start_sandbox(id);
    }

    std::string directory_;
    Fd home_;
    std::unique_ptr<db::Database> database_;
    std::unique_ptr<Networks> networks_;
};

}  // namespace hull::network
