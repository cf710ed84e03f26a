#include "base/error.hh"
#include "base/file.hh"
#include "base/hash.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>

namespace hull {
namespace {

TEST(Error, ContextReadsAsOneSentence) {
    try {
        with_context([] { throw Error(ErrorKind::data_loss, "hashes to {}", "x"); },
                     "unpacking layer {}", "y");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.message(), "unpacking layer y: hashes to x");
        EXPECT_EQ(error.kind(), ErrorKind::data_loss);
    }
}

TEST(Sha256, KnownAnswer) {
    EXPECT_EQ(sha256_hex("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Time, Rfc3339RoundTrips) {
    EXPECT_EQ(format_rfc3339(1'700'000'000'120'000'000), "2023-11-14T22:13:20.12Z");
    EXPECT_EQ(format_rfc3339_fixed(-1), "1969-12-31T23:59:59.999999999Z");
    EXPECT_EQ(parse_rfc3339("2023-11-14T23:13:20.12+01:00"), 1'700'000'000'120'000'000);
    for (const std::string_view bad :
         {"", "2023-11-14", "2023-13-01T00:00:00Z", "2023-11-14T22:13:20", "9999-99-99T99:99:99Z"})
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(Process, ExitCodeAndSignalAreReported) {
    EXPECT_EQ(Process::spawn(
                  {.arguments = {"/bin/sh", "-c", "exit 7"}, .environment = {}, .descriptors = {}})
                  .wait()
                  .docker_code(),
              7);
    Process sleeper =
        Process::spawn({.arguments = {"/bin/sleep", "100"}, .environment = {}, .descriptors = {}});
    sleeper.signal(SIGKILL);
    EXPECT_EQ(sleeper.wait().docker_code(), 137);
    EXPECT_THROW(Process::spawn({.arguments = {"/no/such"}, .environment = {}, .descriptors = {}}),
                 Error);
}

TEST(Process, DescriptorsArriveEvenWhenNumbersCross) {
    sys::Pipe pipe = sys::pipe();
    Process child = Process::spawn(
        {.arguments = {"/bin/sh", "-c", "echo hi >&5"},
         .environment = {},
         .descriptors = {{pipe.write_end.get(), 5}, {pipe.read_end.get(), pipe.write_end.get()}}});
    pipe.write_end.reset();
    EXPECT_EQ(child.wait().docker_code(), 0);
    std::byte buffer[8];
    EXPECT_EQ(sys::read(pipe.read_end.get(), buffer), 3u);
}

TEST(UnixSocket, PathsBeyondSunPathWork) {
    const std::string directory =
        "/tmp/hull-base-test-" + random_hex(4) + "/" + std::string(120, 'd');
    sys::mkdir_all(directory, 0700);
    const Fd server = sys::listen_unix(directory + "/s", SOCK_STREAM, 0600);
    EXPECT_TRUE(sys::connect_unix(directory + "/s", SOCK_STREAM));
    sys::remove_tree(directory.substr(0, directory.rfind('/')));
}

}  // namespace
}  // namespace hull
