#include "http/server.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "http/client.hh"
#include "http/parser.hh"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <poll.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace hull::http {

namespace {

/// A server in a scratch directory that runs until the test ends.
class ServerTest : public ::testing::Test {
protected:
    void start(Server::Handler handler, Limits limits = {}) {
        server_.emplace(std::move(handler), limits);
        server_->listen_unix(path_, 0600, std::nullopt);
        thread_ = std::thread([this] { server_->run(stop_, 500); });
    }
    void stop() {
        stop_.request();
        if (thread_.joinable()) thread_.join();
    }
    void SetUp() override { sys::mkdir_all(directory_, 0700); }
    void TearDown() override {
        stop();
        server_.reset();
        sys::remove_tree(directory_);
    }

    Fd connect() const { return sys::connect_unix(path_, SOCK_STREAM); }
    /// Sends `text` as it is, half-closes, and returns everything that comes back.
    std::string talk(std::string_view text) const {
        const Fd socket = connect();
        sys::write_all(socket.get(), text);
        ::shutdown(socket.get(), SHUT_WR);
        return read_to_end(socket.get());
    }
    static std::string read_to_end(int fd) {
        std::string text;
        std::array<std::byte, 4096> buffer;
        while (sys::poll_one(fd, POLLIN, 5000)) {
            const std::size_t count = sys::read(fd, buffer);
            if (count == 0) return text;
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
        }
        return text + " (timeout)";
    }
    /// Reads until `end` was seen.
    static std::string read_until(int fd, std::string_view end) {
        std::string text;
        std::array<std::byte, 1> buffer;
        while (text.find(end) == std::string::npos && sys::poll_one(fd, POLLIN, 5000)) {
            if (sys::read(fd, buffer) == 0) break;
            text += static_cast<char>(buffer[0]);
        }
        return text;
    }
    static std::size_t count(std::string_view text, std::string_view part) {
        std::size_t found = 0;
        for (std::size_t at = text.find(part); at != std::string_view::npos;
             at = text.find(part, at + 1))
            found++;
        return found;
    }

    const std::string directory_ = "/tmp/hull-http-test-" + random_hex(8);
    const std::string path_ = directory_ + "/s.sock";
    StopEvent stop_;
    std::optional<Server> server_;
    std::thread thread_;
};

/// Replies with the request's method, path and body.
void echo(Exchange& exchange) {
    const std::string body = exchange.read_body_text();
    exchange.send(Response::text(200, exchange.method + " " + exchange.path + " " + body));
}

bool wait_for(const std::atomic<bool>& flag) {
    for (int i = 0; i < 500 && !flag; i++) ::poll(nullptr, 0, 10);
    return flag;
}

}  // namespace

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
    start(echo);
    const std::string reply = talk(
        "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        "GET /three HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(count(reply, "HTTP/1.1 200 OK"), 3U);
    const std::size_t one = reply.find("GET /one "), two = reply.find("POST /two abc"),
                      three = reply.find("GET /three ");
    EXPECT_LT(one, two);
    EXPECT_LT(two, three);
    EXPECT_NE(three, std::string::npos) << reply;
}

TEST_F(ServerTest, ChunkedBodiesArriveWholeHoweverTheyAreCut) {
    start(echo);
    const std::string request =
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
    EXPECT_NE(talk(request).find("POST /c hello world"), std::string::npos);

    const Fd socket = connect();
    for (const char c : request) {
        ASSERT_EQ(::send(socket.get(), &c, 1, MSG_NOSIGNAL), 1);
        ::sched_yield();
    }
    EXPECT_NE(read_until(socket.get(), "world").find("POST /c hello world"), std::string::npos);
}

TEST(ParserTest, EveryCutOfAMessageGivesTheSameBody) {
    const std::string message =
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n";
    for (std::size_t piece = 1; piece <= message.size(); piece++) {
        SCOPED_TRACE(piece);
        Parser parser(Parser::Role::request, 4096);
        std::string pending, body;
        for (std::size_t at = 0; at < message.size(); at += piece) {
            pending += message.substr(at, piece);
            while (!parser.done() && !pending.empty()) {
                const Parser::Result result = parser.put(pending, body);
                pending.erase(0, result.consumed);
                if (result.needs_more) break;
            }
        }
        EXPECT_TRUE(parser.done());
        EXPECT_EQ(body, "hello");
    }
}

TEST_F(ServerTest, MalformedRequestsGet400AndAreCutOff) {
    start(echo);
    const std::string_view cases[] = {
        "NONSENSE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    };
    for (const std::string_view request : cases) {
        SCOPED_TRACE(request);
        const std::string reply = talk(request);
        EXPECT_TRUE(reply.starts_with("HTTP/1.1 400 Bad Request")) << reply;
        EXPECT_NE(reply.find("{\"message\":"), std::string::npos);
        EXPECT_NE(reply.find("Connection: close"), std::string::npos);
    }
    EXPECT_NE(talk("GET /x HTTP/1.1\r\n\r\n").find("GET /x"), std::string::npos);
}

TEST_F(ServerTest, ABrokenEscapeInTheQueryIsTheClientsFault) {
    start(echo);
    EXPECT_TRUE(talk("GET /a?b=%zz HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));
}

TEST_F(ServerTest, AHeaderBeyondTheLimitGets431) {
    start(echo, {.header_bytes = 4096, .json_body_bytes = 1024});
    const std::string reply = talk("GET / HTTP/1.1\r\nX: " + std::string(8000, 'a') + "\r\n\r\n");
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 431")) << reply;
}

TEST_F(ServerTest, ALongHeaderWithinTheLimitIsFine) {
    start(echo);
    const std::string reply =
        talk("GET /l HTTP/1.1\r\nX-Registry-Config: " + std::string(200'000, 'a') + "\r\n\r\n");
    EXPECT_NE(reply.find("GET /l"), std::string::npos);
}

TEST_F(ServerTest, ABodyBeyondTheLimitGets400) {
    start([](Exchange& exchange) {
        exchange.send(Response::text(200, exchange.read_body_text(10)));
    });
    const std::string reply = talk("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n12345678901");
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 400")) << reply;
    EXPECT_NE(reply.find("larger than 10 bytes"), std::string::npos);
}

TEST_F(ServerTest, HeadHasALengthButNoBody) {
    start(echo);
    const std::string reply = talk("HEAD /h HTTP/1.1\r\n\r\n");
    EXPECT_NE(reply.find("Content-Length: 8"), std::string::npos) << reply;
    EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_F(ServerTest, ContinueIsSentOnlyWhenTheBodyIsWanted) {
    start([](Exchange& exchange) {
        if (exchange.path == "/no") return exchange.send(Response::empty(409));
        echo(exchange);
    });
    const Fd wanted = connect();
    sys::write_all(wanted.get(),
                   "POST /yes HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(read_until(wanted.get(), "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    sys::write_all(wanted.get(), "ok");
    EXPECT_NE(read_until(wanted.get(), "yes ok").find("HTTP/1.1 200"), std::string::npos);

    const Fd unwanted = connect();
    sys::write_all(unwanted.get(),
                   "POST /no HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    const std::string reply = read_until(unwanted.get(), "\r\n\r\n");
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 409")) << reply;
    EXPECT_NE(reply.find("Connection: close"), std::string::npos);
}

TEST_F(ServerTest, Http10ClientsGetAStreamWithoutChunks) {
    start([](Exchange& exchange) {
        exchange.start_stream(200, {});
        exchange.write("plain");
    });
    const std::string reply = talk("GET / HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(reply.ends_with("\r\n\r\nplain")) << reply;
}

TEST_F(ServerTest, EveryStreamedMessageIsFlushed) {
    std::atomic<bool> go = false;
    start([&](Exchange& exchange) {
        exchange.start_stream(200, {});
        exchange.write("first\n");
        wait_for(go);
        exchange.write("second\n");
    });
    const Fd socket = connect();
    sys::write_all(socket.get(), "GET / HTTP/1.1\r\n\r\n");
    EXPECT_NE(read_until(socket.get(), "first\n").find("first"), std::string::npos);
    go = true;
    EXPECT_NE(read_until(socket.get(), "0\r\n\r\n").find("second"), std::string::npos);
}

TEST_F(ServerTest, AnUpgradeGivesTheConnectionAwayWithoutEatingAByte) {
    start([](Exchange& exchange) {
        exchange.read_body_text();
        const Fd fd = exchange.hijack({{"Content-Type", "raw"}});
        std::array<std::byte, 100> buffer;
        const std::size_t size = sys::read(fd.get(), buffer);
        sys::write_all(fd.get(), "got:");
        sys::write_all(fd.get(), {reinterpret_cast<const char*>(buffer.data()), size});
    });
    // The raw bytes come in the same packet as the request.
    const std::string upgraded = talk(
        "POST /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n"
        "{}raw bytes");
    EXPECT_TRUE(upgraded.starts_with("HTTP/1.1 101 UPGRADED\r\n")) << upgraded;
    EXPECT_NE(upgraded.find("Connection: Upgrade\r\nUpgrade: tcp\r\n\r\ngot:raw bytes"),
              std::string::npos)
        << upgraded;
    const std::string plain =
        talk("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nraw bytes");
    EXPECT_TRUE(plain.starts_with("HTTP/1.1 200 OK\r\n")) << plain;
    EXPECT_TRUE(plain.ends_with("\r\n\r\ngot:raw bytes")) << plain;
}

TEST_F(ServerTest, WhatFollowsAnUpgradeDoesNotComeInOnePieceWithItsHeader) {
    start([](Exchange& exchange) {
        const Fd fd = exchange.hijack({});
        sys::write_all(fd.get(), "output");
    });
    const Fd socket = connect();
    sys::write_all(socket.get(), "POST /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // a client that is busy
    std::array<std::byte, 1000> buffer;
    const std::size_t size = sys::read(socket.get(), buffer);
    const std::string_view first(reinterpret_cast<const char*>(buffer.data()), size);
    EXPECT_TRUE(first.ends_with("\r\n\r\n")) << first;
    EXPECT_EQ(read_to_end(socket.get()), "output");
}

TEST_F(ServerTest, AHandlerThatWaitsLearnsThatItsClientHasGone) {
    std::atomic<bool> noticed = false;
    start([&](Exchange& exchange) {
        StopEvent& stop = exchange.stop_event();
        exchange.start_stream(200, {});
        noticed = sys::poll_one(stop.fd(), POLLIN, 5000);
        exchange.abort();
    });
    {
        const Fd socket = connect();
        sys::write_all(socket.get(), "GET / HTTP/1.1\r\n\r\n");
        read_until(socket.get(), "\r\n\r\n");
    }
    EXPECT_TRUE(wait_for(noticed));
}

TEST_F(ServerTest, AClientThatClosesItsSendingSideStillWaitsForItsAnswer) {
    start([&](Exchange& exchange) {
        StopEvent& stop = exchange.stop_event();
        const bool gone = sys::poll_one(stop.fd(), POLLIN, 300);
        exchange.send(Response::text(200, gone ? "gone" : "still there"));
    });
    EXPECT_TRUE(talk("GET / HTTP/1.1\r\n\r\n").ends_with("still there"));
}

TEST_F(ServerTest, AClientThatFallsSilentInsideAHeaderOrABodyIsCutOff) {
    start([](Exchange& exchange) { echo(exchange); }, {.silence_ms = 100});
    const Fd header = connect();
    sys::write_all(header.get(), "GET / HTTP/1.1\r\nHo");
    EXPECT_TRUE(read_to_end(header.get()).starts_with("HTTP/1.1 408"));
    const Fd body = connect();
    sys::write_all(body.get(), "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab");
    EXPECT_TRUE(read_to_end(body.get()).starts_with("HTTP/1.1 400"));
    const Fd idle = connect();
    EXPECT_FALSE(sys::poll_one(idle.get(), POLLIN, 300)) << "an idle connection may stay";
}

TEST_F(ServerTest, ABodyThatEndsTooEarlyOrHasEndlessChunkHeadersIsTheClientsFault) {
    start([](Exchange& exchange) { echo(exchange); });
    EXPECT_TRUE(talk("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab").starts_with("HTTP/1.1 400"));
    EXPECT_TRUE(
        talk("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'x'))
            .starts_with("HTTP/1.1 400"));
}

TEST_F(ServerTest, StoppingEndsIdleConnectionsAndWakesHandlers) {
    std::atomic<bool> waiting = false, woken = false;
    start([&](Exchange& exchange) {
        if (exchange.path != "/wait") return echo(exchange);
        StopEvent& stop = exchange.stop_event();
        waiting = true;
        woken = sys::poll_one(stop.fd(), POLLIN, 5000);
        exchange.send(Response::empty(503));
    });
    const Fd idle = connect();
    sys::write_all(idle.get(), "GET / HTTP/1.1\r\n\r\n");
    read_until(idle.get(), "GET / ");
    const Fd busy = connect();
    sys::write_all(busy.get(), "GET /wait HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(wait_for(waiting));
    stop();
    EXPECT_TRUE(woken);
    EXPECT_EQ(read_to_end(idle.get()), "");
    EXPECT_TRUE(read_to_end(busy.get()).starts_with("HTTP/1.1 503"));
}

TEST_F(ServerTest, ALiveSocketIsNotTakenOverButADeadOneIs) {
    start(echo);
    Server second(echo);
    EXPECT_THROW(second.listen_unix(path_, 0600, std::nullopt), Error);
    const std::string dead = directory_ + "/dead.sock";
    sys::listen_unix(dead, SOCK_STREAM, 0600).reset();
    EXPECT_NO_THROW(second.listen_unix(dead, 0600, std::nullopt));
}

TEST_F(ServerTest, ClientKeepsItsConnectionAndSendsBodiesInPieces) {
    std::atomic<int> requests = 0;
    start([&](Exchange& exchange) {
        requests++;
        if (exchange.path == "/pipe") {
            const Fd input = exchange.body_fd();
            std::array<std::byte, 8192> buffer;
            std::size_t total = 0;
            while (const std::size_t size = sys::read(input.get(), buffer)) total += size;
            return exchange.send(Response::text(200, std::to_string(total)));
        }
        echo(exchange);
    });
    Client client(path_);
    EXPECT_EQ(
        client
            .request(
                {.method = "POST", .target = "/a", .headers = {}, .body = "x", .body_source = {}})
            .read_all(),
        "POST /a x");
    std::size_t left = 3'000'000;
    ClientRequest upload{
        .method = "POST", .target = "/pipe", .headers = {}, .body = {}, .body_source = {}};
    upload.body_source = [&](std::span<std::byte> buffer) {
        const std::size_t size = std::min({left, buffer.size(), std::size_t{70'001}});
        std::fill_n(buffer.begin(), size, std::byte{'z'});
        left -= size;
        return size;
    };
    EXPECT_EQ(client.request(upload).read_all(), "3000000");
    EXPECT_EQ(
        client
            .request(
                {.method = "GET", .target = "/b", .headers = {}, .body = {}, .body_source = {}})
            .read_all(),
        "GET /b ");
    EXPECT_EQ(requests, 3);
}

TEST_F(ServerTest, AHandlerMayLeaveAnUploadUnread) {
    start([](Exchange& exchange) {
        Fd input = exchange.body_fd();
        std::array<std::byte, 10> buffer;
        sys::read(input.get(), buffer);
        input.reset();
        exchange.send(Response::json(json::Object{{"message", "enough"}}, 400));
    });
    Client client(path_);
    std::size_t left = 50'000'000;
    ClientRequest upload{
        .method = "POST", .target = "/", .headers = {}, .body = {}, .body_source = {}};
    upload.body_source = [&](std::span<std::byte> buffer) {
        const std::size_t size = std::min(left, buffer.size());
        left -= size;
        return size;
    };
    ClientResponse response = client.request(upload);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.read_all(), "{\"message\":\"enough\"}\n");
    EXPECT_GT(left, 0U);
}

TEST_F(ServerTest, ErrorsOfAHandlerBecomeMessages) {
    start([](Exchange&) { throw Error(ErrorKind::not_found, "No such container: <x>"); });
    const std::string reply = talk("GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 404 Not Found"));
    EXPECT_TRUE(reply.ends_with("{\"message\":\"No such container: <x>\"}\n")) << reply;
}

TEST(Query, BooleansAreDockers) {
    struct Fake : Exchange {
        std::size_t read_body(std::span<std::byte>) override { return 0; }
        std::string_view read_body_piece() override { return {}; }
        std::optional<std::uint64_t> body_size() const override { return std::nullopt; }
        void send_file(int, Headers, FileRange) override {}
        bool has_body() const override { return false; }
        Fd body_fd() override { return {}; }
        void send(Response) override {}
        void start_stream(int, Headers) override {}
        void write(std::string_view) override {}
        void linger(std::unique_ptr<LingeringReply>) override {}
        Fd hijack(const Headers&) override { return {}; }
        bool replied() const override { return false; }
        StopEvent& stop_event() override { return stop; }
        void abort() override {}
        StopEvent stop;
    } fake;
    fake.query = parse_query("a=1&b=0&c=&d=False&e=no&f=none&g=true&h=x%20y+z");
    EXPECT_TRUE(fake.flag("a"));
    for (const char* no : {"b", "c", "d", "e", "f", "missing"}) EXPECT_FALSE(fake.flag(no)) << no;
    EXPECT_TRUE(fake.flag("g"));
    EXPECT_TRUE(fake.flag("missing", true));
    EXPECT_EQ(fake.parameter("h"), "x y z");
}

}  // namespace hull::http
