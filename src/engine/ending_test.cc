#include "engine/ending.hh"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace hull::engine {
namespace {

task::ExitRecord ended(int code, const std::string& reason = "") {
    task::ExitRecord record;
    record.code = code;
    record.reason = reason;
    return record;
}

TEST(Ending, SaysWhoEndedIt) {
    EXPECT_EQ(describe_end(ended(3), ""), "exited by itself with code 3");
    EXPECT_EQ(describe_end(ended(0), "SIGTERM of a stop"),
              "exited by itself with code 0 after SIGTERM of a stop");
    EXPECT_EQ(describe_end(ended(137, "signal 9"), "SIGKILL of a kill"),
              "ended by SIGKILL (SIGKILL of a kill)");
    EXPECT_EQ(describe_end(ended(139, "signal 11"), ""),
              "ended by SIGSEGV, which no request had sent: a crash, or another process");
    EXPECT_EQ(describe_end(ended(255, "the host went down"), ""), "the host went down");
}

TEST(Ending, MemoryComesFirst) {
    task::ExitRecord record = ended(137, "signal 9");
    record.oom_killed = true;
    EXPECT_EQ(describe_end(record, ""), "out of memory");
    record.memory_limit = 100;
    record.memory_peak = 90;
    EXPECT_EQ(describe_end(record, "SIGKILL of a stop"),
              "out of memory: limit 100 bytes, peak 90 bytes");
}

TEST(Ending, OnlyTheFirstProcessOfANamespaceIsDeaf) {
    EXPECT_FALSE(is_deaf_to(::getpid(), SIGTERM));  // its default action ends us
    EXPECT_FALSE(is_deaf_to(::getpid(), SIGKILL));
    EXPECT_FALSE(is_deaf_to(999'999'999, SIGTERM));  // gone
}

}  // namespace
}  // namespace hull::engine
