#include "api/client/client.hh"

#include "base/error.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "http/server.hh"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

namespace hull::client {

namespace {

/// A daemon that knows a few replies and remembers the last request.
class ClientTest : public ::testing::Test {
protected:
    void SetUp() override {
        sys::mkdir_all(root_, 0700);
        server_.emplace([this](http::Exchange& exchange) { reply(exchange); });
        server_->listen_unix(root_ + "/s.sock", 0600, std::nullopt);
        thread_ = std::thread([this] { server_->run(stop_); });
    }
    void TearDown() override {
        stop_.request();
        thread_.join();
        server_.reset();
        sys::remove_tree(root_);
    }

    void reply(http::Exchange& exchange) {
        target_ = exchange.target;
        body_ = exchange.read_body_text();
        if (exchange.path.ends_with("/nope/attach"))
            throw Error(ErrorKind::not_found, "No such container: nope");
        if (exchange.path.ends_with("/attach")) {
            const Fd fd =
                exchange.hijack({{"Content-Type", "application/vnd.docker.multiplexed-stream"}});
            return sys::write_all(fd.get(), "raw");
        }
        if (exchange.path.ends_with("/start")) return exchange.send(http::Response::empty(304));
        if (exchange.path.ends_with("/wait")) {
            exchange.start_stream(200, {});
            return exchange.write("{\"StatusCode\":7}\n");
        }
        if (exchange.path.ends_with("/load")) {
            exchange.start_stream(200, {});
            exchange.write("{\"stream\":\"Loaded image: a:1\\n\"}\r\n");
            return exchange.write(
                "{\"errorDetail\":{\"message\":\"broken\"},\"error\":\"broken\"}");
        }
        exchange.send(http::Response::json(json::Object{{"Id", "x"}, {"Warnings", json::Array()}}));
    }
    std::string host() const { return "unix://" + root_ + "/s.sock"; }

    const std::string root_ = "/tmp/hull-client-test-" + random_hex(8);
    std::string target_, body_;
    StopEvent stop_;
    std::optional<http::Server> server_;
    std::thread thread_;
};

}  // namespace

TEST_F(ClientTest, NamesAndParametersAreEscaped) {
    Client client(host(), "1.44");
    client.create_container({}, "a b&c");
    EXPECT_EQ(target_, "/v1.44/containers/create?name=a%20b%26c");
    client.inspect_image_json("localhost:5000/a b@sha256:1");
    EXPECT_EQ(target_, "/v1.44/images/localhost%3A5000/a%20b%40sha256%3A1/json");
}

TEST_F(ClientTest, AnErrorReplyIsThrownWithItsKindAndMessage) {
    Client client(host());
    try {
        client.attach_container("nope", {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::not_found);
        EXPECT_EQ(error.message(), "No such container: nope");
    }
    EXPECT_EQ(error_message("plain text\n"), "plain text");
    EXPECT_EQ(error_message("{\"message\":\"m\"}"), "m");
}

TEST_F(ClientTest, AnAttachedConnectionIsRaw) {
    Client client(host());
    AttachOptions options;
    options.use_stdin = true;
    const Connection connection = client.attach_container("x", options);
    EXPECT_TRUE(connection.multiplexed);
    EXPECT_EQ(target_, "/containers/x/attach?stream=1&stdin=1&stdout=1&stderr=1");
    std::array<std::byte, 3> buffer;
    EXPECT_EQ(sys::read_full(connection.fd.get(), buffer), 3U);
}

TEST_F(ClientTest, AWaitMayStayOpenWhileOtherRequestsAreMade) {
    Client client(host());
    http::ClientResponse wait = client.start_wait("x", "next-exit");
    EXPECT_FALSE(client.start_container("x"));  // 304
    EXPECT_EQ(Client::finish_wait(wait).status_code, 7);
}

TEST_F(ClientTest, AnErrorInAStreamIsThrownAfterTheMessagesBeforeIt) {
    Client client(host());
    const Fd input = sys::open("/dev/null", O_RDONLY);
    std::string seen;
    EXPECT_THROW(
        client.load_images(input.get(), true, {},
                           [&](const api::ProgressMessage& message) { seen += message.stream; }),
        Error);
    EXPECT_EQ(seen, "Loaded image: a:1\n");
}

TEST_F(ClientTest, OnlyUnixSocketsAreSupported) {
    EXPECT_THROW(Client("tcp://localhost:1"), Error);
    Client nobody("unix:///tmp/hull-nobody.sock");
    try {
        nobody.version();
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    }
}

}  // namespace hull::client
