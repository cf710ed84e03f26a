#include "runtime/channel.hh"

#include "base/sys.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace hull::runtime {
namespace {

TEST(Channel, WhatWasSaidBeforeTheEndIsHeardAlsoWhenOursWasNotRead) {
    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    const Channel ours{std::move(pair.first)};
    Channel theirs{std::move(pair.second)};
    ours.tell(MessageType::cgroup_made);
    theirs.send(Message{.type = MessageType::failed, .exit_code = 126, .text = "why", .fd = {}});
    theirs.close();
    ours.tell(MessageType::start);  // nobody there: no error, no SIGPIPE
    const auto last_words = ours.receive();
    ASSERT_TRUE(last_words);
    EXPECT_EQ(last_words->text, "why");
    EXPECT_EQ(last_words->exit_code, 126);
    EXPECT_FALSE(ours.receive());
}

}  // namespace
}  // namespace hull::runtime
