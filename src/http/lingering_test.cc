#include "http/lingering.hh"

#include "base/error.hh"
#include "base/locked.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

namespace hull::http {

namespace {

/// Text that grows, as many replies see it; each from its beginning.
struct Source {
    Locked<std::string> text;
    std::atomic<bool> has_ended = false;
    std::atomic<int> replies = 0;
    std::shared_ptr<Bell> bell = std::make_shared<Bell>();

    void say(const std::string& more) {
        text.lock()->append(more);
        bell->ring();
    }
    void end() {
        has_ended = true;
        bell->ring();
    }
};

class SourceReply final : public LingeringReply {
public:
    explicit SourceReply(Source& source) : source_(source) { ++source_.replies; }
    ~SourceReply() override { --source_.replies; }
    Progress advance(std::string& out) override {
        const bool has_ended = source_.has_ended;
        const auto text = source_.text.lock();
        const std::string piece = text->substr(at_, 64 << 10);
        at_ += piece.size();
        out += piece;
        if (at_ < text->size()) return Progress::more;
        return has_ended ? Progress::ended : Progress::idle;
    }
    std::shared_ptr<Bell> bell() const override { return source_.bell; }

private:
    Source& source_;
    std::size_t at_ = 0;
};

struct Pair {
    Fd ours, theirs;
};

Pair make_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_errno(errno, "socketpair");
    return {Fd(ends[0]), Fd(ends[1])};
}

std::string read_to_end(int fd) {
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (sys::poll_one(fd, POLLIN, 20'000)) {
        const std::size_t count = sys::read(fd, buffer);
        if (count == 0) return text;
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
    return text + " (timeout)";
}

bool becomes(const std::atomic<int>& number, int wanted) {
    for (int i = 0; i < 2000 && number != wanted; ++i) ::poll(nullptr, 0, 10);
    return number == wanted;
}

class LingeringTest : public ::testing::Test {
protected:
    /// A client's end of a reply about `source_`.
    Fd add(bool is_chunked) {
        Pair pair = make_pair();
        replies_.add({std::move(pair.ours), is_chunked, true},
                     std::make_unique<SourceReply>(source_));
        return std::move(pair.theirs);
    }

    Source source_;
    LingeringReplies replies_;
};

}  // namespace

TEST_F(LingeringTest, EveryClientHearsAllFromWhereItBeganToTheEnd) {
    std::vector<Fd> clients;
    source_.say("one ");
    for (int i = 0; i < 100; ++i) clients.push_back(add(false));
    source_.say("two ");
    source_.say("three");
    source_.end();
    for (const Fd& client : clients) EXPECT_EQ(read_to_end(client.get()), "one two three");
    EXPECT_TRUE(becomes(source_.replies, 0));
    EXPECT_EQ(replies_.size(), 0U);
}

TEST_F(LingeringTest, AChunkedReplyEndsWithTheLastChunk) {
    source_.say("0123456789abcdef");
    source_.end();
    const Fd client = add(true);
    EXPECT_EQ(read_to_end(client.get()), "10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

TEST_F(LingeringTest, AClientThatTakesNothingHoldsUpNobody) {
    const std::string much(8 << 20, 'x');
    const Fd slow = add(false), quick = add(false);
    source_.say(much);
    source_.end();
    EXPECT_EQ(read_to_end(quick.get()).size(), much.size());
    EXPECT_EQ(source_.replies, 1);
    EXPECT_EQ(read_to_end(slow.get()).size(), much.size());
}

TEST_F(LingeringTest, AClientThatGoesIsForgottenAndOneThatOnlyEndsItsSendingIsNot) {
    Fd first = add(true);
    const Fd second = add(true);
    ::shutdown(second.get(), SHUT_WR);
    ASSERT_TRUE(becomes(source_.replies, 2));
    first.reset();
    EXPECT_TRUE(becomes(source_.replies, 1));
    source_.say("x");
    source_.end();
    EXPECT_EQ(read_to_end(second.get()), "1\r\nx\r\n0\r\n\r\n");
}

TEST_F(LingeringTest, AStopGivesOutWhatHasComeAndEndsEveryReply) {
    const Fd client = add(true);
    source_.say("last");
    replies_.stop();
    EXPECT_EQ(read_to_end(client.get()), "4\r\nlast\r\n0\r\n\r\n");
    EXPECT_EQ(source_.replies, 0);
    const Fd late = add(true);
    EXPECT_EQ(read_to_end(late.get()), "");
}

TEST_F(LingeringTest, WhoWantsToLookAtATimeIsAskedThenThoughNobodyRings) {
    struct Clock final : LingeringReply {
        std::int64_t until = now_ns() + 50'000'000;
        std::shared_ptr<Bell> never = std::make_shared<Bell>();
        Progress advance(std::string& out) override {
            if (now_ns() < until) return Progress::idle;
            out += "now";
            return Progress::ended;
        }
        std::shared_ptr<Bell> bell() const override { return never; }
        std::optional<std::int64_t> next_look_ns() const override { return until; }
    };
    Pair pair = make_pair();
    replies_.add({std::move(pair.ours), false, true}, std::make_unique<Clock>());
    EXPECT_EQ(read_to_end(pair.theirs.get()), "now");
}

TEST_F(LingeringTest, AnExceptionBreaksOneConnection) {
    struct Broken final : LingeringReply {
        std::shared_ptr<Bell> never = std::make_shared<Bell>();
        Progress advance(std::string&) override { throw Error(ErrorKind::internal, "no disk"); }
        std::shared_ptr<Bell> bell() const override { return never; }
    };
    Pair pair = make_pair();
    const Fd other = add(false);
    replies_.add({std::move(pair.ours), true, true}, std::make_unique<Broken>());
    EXPECT_EQ(read_to_end(pair.theirs.get()), "");
    source_.say("fine");
    source_.end();
    EXPECT_EQ(read_to_end(other.get()), "fine");
}

}  // namespace hull::http
