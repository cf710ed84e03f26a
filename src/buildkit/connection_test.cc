#include "buildkit/connection.hh"
#include "archive/test_tar.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "buildkit/sessions.hh"
#include "buildkit/sync.hh"
#include "buildkit/tree_sender.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <future>

namespace hull::buildkit {
namespace {

struct Pair {
    std::shared_ptr<Connection> server, client;
};

Pair connect(Connection::Handler handler) {
    sys::SocketPair sockets = sys::socketpair(SOCK_STREAM);
    Pair pair;
    pair.server = Connection::serve(std::move(sockets.first), std::move(handler));
    pair.client = Connection::call_over(std::move(sockets.second));
    return pair;
}

TEST(Connection, AnswersAndRefuses) {
    const Pair pair = connect([](Call& call) {
        std::string message;
        ASSERT_TRUE(call.read(message));
        if (call.path() == "/echo") return call.write(message + call.metadata("more"));
        throw Error(ErrorKind::not_found, "no {} — 100%", call.path());
    });
    EXPECT_EQ(pair.client->ask("/echo", "a", {{"more", "b"}}), "ab");
    try {
        pair.client->ask("/other", "");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::not_found);
        EXPECT_EQ(error.message(), "no /other — 100%");
    }
    EXPECT_EQ(pair.client->ask("/echo", "still there"), "still there");
}

TEST(Connection, MessagesLargerThanTheWindowCome) {
    const Pair pair = connect([](Call& call) {
        std::string message;
        while (call.read(message)) call.write(message);
    });
    const std::string large(20UL << 20, 'x');
    const auto call = pair.client->start("/echo");
    auto reader = std::async(std::launch::async, [&] {
        std::string message;
        std::size_t bytes = 0;
        while (call->read(message)) bytes += message.size();
        return bytes;
    });
    for (int i = 0; i < 3; ++i) call->write(large);
    call->finish();
    EXPECT_EQ(reader.get(), 3 * large.size());
}

TEST(Connection, WhoGivesACallUpIsHeardOf) {
    std::promise<void> begun, cancelled;
    const Pair pair = connect([&](Call& call) {
        call.on_cancel([&] { cancelled.set_value(); });
        begun.set_value();
        std::string message;
        EXPECT_THROW(while (call.read(message)) continue, Error);
    });
    auto call = pair.client->start("/wait");
    call->write("a");
    begun.get_future().wait();
    call.reset();
    EXPECT_EQ(cancelled.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(Connection, TheEndOfOneSideEndsTheOther) {
    Pair pair = connect([](Call& call) {
        std::string message;
        while (call.read(message)) continue;
    });
    std::promise<void> ended;
    pair.client->on_end([&] { ended.set_value(); });
    const auto call = pair.client->start("/wait");
    pair.server.reset();
    EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    std::string message;
    EXPECT_THROW(call->read(message), Error);
}

/// A client that offers one directory, as the tar says.
class Sync : public testing::Test {
protected:
    Sync() {
        char name[] = "/tmp/hull-sync-XXXXXX";
        directory_ = ::mkdtemp(name);
        into_ = join(directory_, "into");
        sys::mkdir(into_, 0755);
        EXPECT_EQ(::chdir(directory_.c_str()), 0);  // where spools are made
    }
    ~Sync() override {
        EXPECT_EQ(::chdir("/"), 0);
        sys::remove_tree(directory_);
    }

    /// Returns the bytes that came.
    std::uint64_t bring(const std::string& tar) {
        archive::MemorySource source(tar);
        const TreeSender tree(source);
        Pair pair = connect([&](Call& call) { tree.send(call, [](std::uint64_t) {}); });
        ClientSession session;
        session.methods = {"/moby.filesync.v1.FileSync/DiffCopy"};
        session.connection = pair.client;
        std::uint64_t bytes = 0;
        sync_directory(session, {"context", {}, {}}, into_,
                       [&](std::uint64_t count) { bytes = count; });
        return bytes;
    }
    std::string text(const char* name) { return read_file(join(into_, name)); }

    Path directory_, into_;
};

namespace tar = archive::test;

TEST_F(Sync, OnlyWhatChangedComesAndWhatIsGoneGoes) {
    const std::string first = tar::directory("d/") + tar::file("d/a", "one") +
                              tar::file("d-b", "two") + tar::link('2', "link", "d/a") +
                              tar::link('1', "other", "d/a") + tar::end();
    EXPECT_EQ(bring(first), 6U);
    EXPECT_EQ(text("d/a"), "one");
    EXPECT_EQ(text("link"), "one");
    EXPECT_EQ(sys::find_stat(join(into_, "other"))->st_nlink, 2U);
    EXPECT_EQ(bring(first), 0U);
    const std::string second = tar::file("d", "a file now") + tar::file("d-b", "two") +
                               tar::directory("link/") + tar::end();
    EXPECT_EQ(bring(second), 10U);
    EXPECT_EQ(text("d"), "a file now");
    EXPECT_EQ(sys::list_directory(into_), (std::vector<std::string>{"d", "d-b", "link"}));
}

TEST_F(Sync, NothingIsMadeBehindALink) {
    EXPECT_THROW(bring(tar::link('2', "out", directory_) + tar::file("out/x", "y") + tar::end()),
                 Error);
    EXPECT_FALSE(sys::find_stat(join(directory_, "x")));
}

}  // namespace
}  // namespace hull::buildkit
