#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "shim/log_record.hh"
#include "shim/log_writer.hh"
#include "task/log_reader.hh"
#include "task/log_watch.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// One suite for both log drivers: what is written comes back, whatever happens to the files.
namespace hull::task {
namespace {

struct Line {
    std::int64_t time_ns;
    int stream;
    std::string text;
    bool operator==(const Line&) const = default;
};

class LogDriver : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        scratch_ = "/tmp/hull-log-" + random_hex(4);
        config_ = {.driver = GetParam(),
                   .directory = join(scratch_, "logs"),
                   .max_size_bytes = 0,
                   .max_files = 0};
    }
    void TearDown() override { sys::remove_tree(scratch_); }

    bool is_json() const { return config_.driver == "json-file"; }
    std::unique_ptr<shim::LogWriter> open() { return shim::open_log(config_, "abc"); }

    std::vector<Line> read(const LogQuery& query = {}) {
        std::vector<Line> lines;
        StopEvent stop;
        read_logs(
            config_.driver, config_.directory, query,
            [&](const LogLine& line) {
            if (line.is_continuation)
                lines.back().text += line.bytes;
            else
                lines.push_back({line.time_ns, line.stream, std::string(line.bytes)});
            return true;
            },
            stop);
        return lines;
    }

    std::string text(const LogQuery& query = {}) {
        std::string all;
        for (const Line& line : read(query)) all += line.text;
        return all;
    }

    Path newest_file() const {
        const auto names = sys::list_directory(config_.directory);
        if (is_json()) return join(config_.directory, "abc-json.log");
        std::uint64_t newest = 0;
        for (const std::string& name : names)
            newest = std::max(newest, shim::parse_segment_name(name).value_or(0));
        return join(config_.directory, fmt::format("{}.log", newest));
    }

    Path scratch_;
    shim::LogConfig config_;
};

/// A reader that follows in a thread of its own, woken by the bell of its directory.
class Follower {
public:
    Follower(const shim::LogConfig& config, const LogQuery& query) : directory_(config.directory) {
        thread_ = std::thread([this, config, query] {
            const LogSink sink = [this](const LogLine& line) {
                const std::lock_guard lock(mutex_);
                text_ += line.bytes;
                changed_.notify_all();
                return true;
            };
            const Fd wakeup(::eventfd(0, EFD_CLOEXEC));
            LogFollower follower({config.driver, config.directory, watch_.bell(config.directory)},
                                 query, [this] { return is_running_.load(); });
            Bell::Listener listener(follower.bell(), wakeup.get());
            follower.read_history(sink, stop_);
            for (Progress progress = Progress::more; progress != Progress::ended;) {
                progress = follower.advance(sink);
                if (progress != Progress::idle) continue;
                pollfd polled[] = {{wakeup.get(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
                ::poll(polled, 2, -1);
                if (stop_.requested()) break;
                eventfd_t ignored;
                ::eventfd_read(wakeup.get(), &ignored);
                listener.take();
            }
        });
    }
    ~Follower() { finish(); }

    bool wait_for(std::string_view part) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(20),
                                 [&] { return text_.find(part) != std::string::npos; });
    }
    /// The container ends; returns all that was read.
    std::string finish() {
        is_running_ = false;
        watch_.ring(directory_);
        if (thread_.joinable()) thread_.join();
        return text_;
    }
    void stop() {
        stop_.request();
        thread_.join();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string text_;
    std::atomic<bool> is_running_ = true;
    const Path directory_;
    LogWatch watch_;
    StopEvent stop_;
    std::thread thread_;
};

TEST_P(LogDriver, LinesOfBothStreamsComeBackInOrderWithTheirTimes) {
    auto log = open();
    log->write(1, 1'000'000'001, "one\n");
    log->write(2, 2'000'000'002, "two\n");
    log->write(1, 3'000'000'003, "three\nfour\n");
    const std::vector<Line> expected = {{1'000'000'001, 1, "one\n"},
                                        {2'000'000'002, 2, "two\n"},
                                        {3'000'000'003, 1, "three\n"},
                                        {3'000'000'003, 1, "four\n"}};
    EXPECT_EQ(read(), expected);
    EXPECT_EQ(text({.use_stderr = false}), "one\nthree\nfour\n");
    EXPECT_EQ(text({.use_stdout = false}), "two\n");
}

TEST_P(LogDriver, R5LongLinesNulsAndAMissingNewlineComeBackUnchanged) {
    auto log = open();
    std::string long_line(3 << 20, 'x');
    long_line += '\n';
    std::string all = "a" + std::string(3, '\0') + "\x01\t\"\\<&>\x7f\xc3\xa4\n" + long_line +
                      std::string(70000, '\0') + "the end";
    for (std::size_t at = 0; at < all.size(); at += 65536)
        log->write(1, 5, std::string_view(all).substr(at, 65536));
    log->finish();
    EXPECT_TRUE(text() == all);
    EXPECT_EQ(read().size(), 3U);
}

TEST_P(LogDriver, ALineSplitOverWritesIsOneLine) {
    auto log = open();
    log->write(1, 1, "he");
    log->write(2, 2, "other\n");
    log->write(1, 3, "llo\n");
    log->finish();
    const auto lines = read({.use_stderr = false});
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].text, "hello\n");
}

TEST_P(LogDriver, R29TailCountsLinesFromTheEnd) {
    auto log = open();
    std::string all;
    for (int i = 0; i < 3000; ++i) all += fmt::format("line {}\n", i);
    for (std::size_t at = 0; at < all.size(); at += 1000)
        log->write(1, static_cast<std::int64_t>(at + 1), std::string_view(all).substr(at, 1000));
    EXPECT_EQ(text({.tail = 0}), "");
    EXPECT_EQ(text({.tail = 1}), "line 2999\n");
    EXPECT_EQ(text({.tail = 3}), "line 2997\nline 2998\nline 2999\n");
    EXPECT_EQ(read({.tail = 2500}).size(), 2500U);
    EXPECT_EQ(read({.tail = 2500}).front().text, "line 500\n");
    EXPECT_TRUE(text({.tail = 100000}) == all);
    log->write(1, 1, "open");
    log->finish();
    EXPECT_EQ(text({.tail = 2}), "line 2999\nopen");
}

TEST_P(LogDriver, R29TailOfInterleavedStreams) {
    auto log = open();
    for (int i = 0; i < 10; ++i) {
        log->write(1, i + 1, fmt::format("o{}\n", i));
        log->write(2, i + 1, fmt::format("e{}\n", i));
    }
    EXPECT_EQ(text({.tail = 3}), "e8\no9\ne9\n");
    EXPECT_EQ(text({.use_stdout = false, .tail = 2}), "e8\ne9\n");
    EXPECT_EQ(text({.use_stderr = false, .tail = 1}), "o9\n");
}

TEST_P(LogDriver, R29SinceAndUntilIncludeTheirBorders) {
    auto log = open();
    for (int i = 1; i <= 5; ++i) log->write(1, i * 1'000'000'000LL, fmt::format("{}\n", i));
    EXPECT_EQ(text({.since_ns = 3'000'000'000}), "3\n4\n5\n");
    EXPECT_EQ(text({.since_ns = 3'000'000'001}), "4\n5\n");
    EXPECT_EQ(text({.until_ns = 3'000'000'000}), "1\n2\n3\n");
    EXPECT_EQ(text({.since_ns = 2'000'000'000, .until_ns = 4'000'000'000}), "2\n3\n4\n");
    EXPECT_EQ(text({.until_ns = 3'000'000'000, .tail = 2}), "2\n3\n");
}

TEST_P(LogDriver, R29NothingIsReadFromAnEmptyOrMissingLog) {
    EXPECT_EQ(text(), "");
    EXPECT_EQ(text({.tail = 5}), "");
    open();
    EXPECT_EQ(text(), "");
    EXPECT_EQ(text({.tail = 5}), "");
}

TEST_P(LogDriver, RotationKeepsTheLatestFilesBelowTheirLimit) {
    config_.max_size_bytes = 4000;
    config_.max_files = 3;
    auto log = open();
    for (int i = 0; i < 2000; ++i) log->write(1, i + 1, fmt::format("line {}\n", i));
    const auto names = sys::list_directory(config_.directory);
    EXPECT_EQ(names.size(), 3U);
    for (const std::string& name : names)
        EXPECT_LE(sys::find_stat(join(config_.directory, name))->st_size, 4000);
    const auto lines = read();
    ASSERT_GT(lines.size(), 100U);
    EXPECT_EQ(lines.back().text, "line 1999\n");
    for (std::size_t i = 0; i < lines.size(); ++i)
        EXPECT_EQ(lines[i].text, fmt::format("line {}\n", 2000 - lines.size() + i));
    EXPECT_EQ(text({.tail = 100}).substr(0, 10), "line 1900\n");
}

TEST_P(LogDriver, ANewRunGoesOnInTheSameLog) {
    open()->write(1, 1, "first\n");
    open()->write(1, 2, "second\n");
    EXPECT_EQ(text(), "first\nsecond\n");
}

TEST_P(LogDriver, R30ATornLastRecordIsSkippedAndLaterOnesAreReadable) {
    {
        auto log = open();
        log->write(1, 1, "whole\n");
        log->write(1, 2, "this one is torn\n");
    }
    const Path file = newest_file();
    ASSERT_EQ(::truncate(file.c_str(), sys::find_stat(file)->st_size - 7), 0);
    EXPECT_EQ(text(), "whole\n");
    EXPECT_EQ(text({.tail = 1}), "whole\n");
    open()->write(1, 3, "after\n");
    EXPECT_EQ(text(), "whole\nafter\n");
    EXPECT_EQ(text({.tail = 2}), "whole\nafter\n");
}

TEST_P(LogDriver, R30ZeroesAfterAPowerLossAreSkipped) {
    open()->write(1, 1, "whole\n");
    const Path file = newest_file();
    ASSERT_EQ(::truncate(file.c_str(), sys::find_stat(file)->st_size + 5000), 0);
    EXPECT_EQ(text(), "whole\n");
    open()->write(1, 3, "after\n");
    EXPECT_EQ(text(), "whole\nafter\n");
}

TEST_P(LogDriver, FollowSeesHistoryThenWhatIsWritten) {
    auto log = open();
    log->write(1, 1, "old\n");
    Follower follower(config_, {});
    EXPECT_TRUE(follower.wait_for("old\n"));
    log->write(1, 2, "new\n");
    EXPECT_TRUE(follower.wait_for("new\n"));
    log->write(1, 3, "no newline");
    log->finish();
    EXPECT_EQ(follower.finish(), "old\nnew\nno newline");
}

TEST_P(LogDriver, R31FollowEndsWithTheContainerAndWhenAsked) {
    auto log = open();
    log->write(1, 1, "x\n");
    Follower ended(config_, {}), stopped(config_, {});
    EXPECT_TRUE(ended.wait_for("x\n"));
    EXPECT_EQ(ended.finish(), "x\n");
    stopped.stop();
}

TEST_P(LogDriver, FollowWaitsForALogThatIsNotThereYet) {
    sys::mkdir_all(config_.directory, 0700);
    Follower follower(config_, {});
    auto log = open();
    log->write(1, 1, "first\n");
    EXPECT_TRUE(follower.wait_for("first\n"));
}

TEST_P(LogDriver, R28FollowGoesOnAfterTheFileWasTruncated) {
    auto log = open();
    log->write(1, 1, "before the truncation\n");
    Follower follower(config_, {});
    EXPECT_TRUE(follower.wait_for("before"));
    ASSERT_EQ(::truncate(newest_file().c_str(), 0), 0);
    log->write(1, 2, "after\n");
    EXPECT_TRUE(follower.wait_for("after\n"));
}

TEST_P(LogDriver, R28FollowGoesOnAfterTheFileWasDeleted) {
    auto log = open();
    log->write(1, 1, "before\n");
    Follower follower(config_, {});
    EXPECT_TRUE(follower.wait_for("before"));
    ASSERT_EQ(::unlink(newest_file().c_str()), 0);
    log->write(1, 2, "after\n");
    EXPECT_TRUE(follower.wait_for("after\n"));
    log->write(1, 3, "more\n");
    EXPECT_TRUE(follower.wait_for("more\n"));
}

TEST_P(LogDriver, R32FollowEndsWhenTheLogIsRemoved) {
    auto log = open();
    log->write(1, 1, "x\n");
    Follower follower(config_, {});
    EXPECT_TRUE(follower.wait_for("x\n"));
    sys::remove_tree(config_.directory);
    EXPECT_EQ(follower.finish(), "x\n");
}

TEST_P(LogDriver, R27FollowAcrossHundredsOfRotationsLosesAndRepeatsNothing) {
    for (const unsigned max_files : {1U, 2U, 10U}) {
        SCOPED_TRACE(max_files);
        config_.directory = join(scratch_, fmt::format("logs{}", max_files));
        config_.max_size_bytes = 1000;
        config_.max_files = max_files;
        auto log = open();
        log->write(1, 1, "start\n");
        Follower follower(config_, {});
        EXPECT_TRUE(follower.wait_for("start\n"));
        std::string expected = "start\n";
        for (int i = 0; i < 20000; ++i) {
            const std::string line = fmt::format("line {}\n", i);
            expected += line;
            log->write(1, i + 2, line);
        }
        log->finish();
        const std::string seen = follower.finish();
        EXPECT_EQ(seen.size(), expected.size());
        EXPECT_TRUE(seen == expected);
        log->write(1, 30000, std::string(990, 'y') + "\n");  // nobody reads: the surplus goes
        log->write(1, 30001, std::string(990, 'z') + "\n");
        log->write(1, 30001, std::string(990, 'z') + "\n");
        EXPECT_LE(sys::list_directory(config_.directory).size(), max_files);
    }
}

INSTANTIATE_TEST_SUITE_P(Drivers, LogDriver, ::testing::Values("local", "json-file"),
                         [](const auto& driver) {
    return std::string(driver.param) == "local" ? "local" : "json_file";
});

TEST(JsonFileLog, IsWrittenAsDockerWritesIt) {
    const Path scratch = "/tmp/hull-log-" + random_hex(4);
    const auto log = shim::open_log({"json-file", scratch, 0, 0}, "abc");
    log->write(1, 1'500'000'000'123'456'789, "<a> & \"b\" \\ \t\r\n");
    log->write(2, 1'500'000'000'000'000'000, "\xff\xfe\n");
    EXPECT_EQ(read_file(join(scratch, "abc-json.log")),
              R"({"log":"\u003ca\u003e \u0026 \"b\" \\ \u0009\r\n","stream":"stdout",)"
              R"("time":"2017-07-14T02:40:00.123456789Z"})"
              "\n"
              R"({"log":"\ufffd\ufffd\n","stream":"stderr","time":"2017-07-14T02:40:00Z"})"
              "\n");
    sys::remove_tree(scratch);
}

TEST(LogDrivers, NoneWritesNothingAndCannotBeRead) {
    const auto log = shim::open_log({"none", "", 0, 0}, "abc");
    log->write(1, 1, "x\n");
    StopEvent stop;
    EXPECT_THROW(read_logs(
                     "none", "", {}, [](const LogLine&) { return true; }, stop),
                 Error);
    EXPECT_THROW(shim::open_log({"syslog", "", 0, 0}, "abc"), Error);
}

TEST(LogDrivers, AFullDiskDropsRecordsWholeAndGoesOnLater) {
    if (::access("/dev/full", W_OK) != 0) GTEST_SKIP();
    const Fd full = sys::open("/dev/full", O_WRONLY);
    EXPECT_FALSE(shim::append_whole(full.get(), 0, "a", "b", "c"));
}

}  // namespace
}  // namespace hull::task
