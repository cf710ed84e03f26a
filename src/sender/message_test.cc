#include "sender/message.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::sender {
namespace {

Target target(const std::string& driver, const std::string& options = "{}") {
    return parse_target(R"({"driver":")" + driver + R"(","options":)" + options +
                        R"(,"tag":"web","hostname":"host","container":{"id":"0123456789abcdef",)"
                        R"("name":"n","imageId":"sha256:1","imageName":"busybox","command":"sh",)"
                        R"("created":"2026-01-01T00:00:00Z"},"attributes":{"app.k8s/name":"a"}})");
}

constexpr std::int64_t moment_ns = 1'700'000'000'123'456'789;

Line line(std::string_view bytes, int stream = 1) {
    return {.stream = stream, .time_ns = moment_ns, .is_partial = false, .bytes = bytes};
}

TEST(Syslog, SeverityComesFromTheStreamAndFacilityFromTheOption) {
    const auto begins = [](const std::string& options, int stream) {
        const std::string text =
            format_syslog(target("syslog", options), line("x", stream), false).front();
        return text.substr(0, text.find('>') + 1);
    };
    EXPECT_EQ(begins("{}", 1), "<30>");
    EXPECT_EQ(begins("{}", 2), "<27>");
    EXPECT_EQ(begins(R"({"syslog-facility":"local7"})", 1), "<190>");
    EXPECT_EQ(begins(R"({"syslog-facility":"3"})", 1), "<30>");
    EXPECT_THROW(begins(R"({"syslog-facility":"nope"})", 1), Error);
    EXPECT_THROW(begins(R"({"syslog-facility":""})", 1), Error);
}

TEST(Syslog, AStreamEndsItsLines) {
    EXPECT_TRUE(format_syslog(target("syslog"), line("x"), true).front().ends_with("]: x\n"));
    EXPECT_TRUE(format_syslog(target("syslog"), line("x"), false).front().ends_with("]: x"));
}

TEST(Journald, ALineBreakInAValueIsGivenWithItsLength) {
    const std::string text = format_journald(target("journald"), line("a\nb")).front();
    EXPECT_TRUE(text.starts_with(std::string("MESSAGE\n\3\0\0\0\0\0\0\0a\nb\n", 20))) << text;
    EXPECT_NE(text.find("\nPRIORITY=6\n"), std::string::npos);
    EXPECT_NE(text.find("\nCONTAINER_ID=0123456789ab\n"), std::string::npos);
    EXPECT_NE(text.find("\nAPP_K8S_NAME=a\n"), std::string::npos);
}

TEST(Fluentd, AMessageIsTagTimeAndRecord) {
    const std::string text = format_fluentd(target("fluentd"), line("x", 2)).front();
    EXPECT_TRUE(text.starts_with("\x93\xa3web\xce\x65\x53\xf1")) << text;
    EXPECT_NE(text.find("\xa6source\xa6stderr\xa3log\xa1x"), std::string::npos);
    const Target precise = target("fluentd", R"({"fluentd-sub-second-precision":"true"})");
    EXPECT_EQ(format_fluentd(precise, line("x")).front().substr(5, 2), std::string("\xd7\0", 2));
}

TEST(Gelf, LongMessagesGoInNumberedChunks) {
    const Target plain = target("gelf", R"({"gelf-compression-type":"none"})");
    EXPECT_EQ(format_gelf(plain, line("short"), false).size(), 1U);
    const auto chunks = format_gelf(plain, line(std::string(5000, 'x')), false);
    ASSERT_EQ(chunks.size(), 4U);
    std::string whole;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        EXPECT_LE(chunks[i].size(), 1420U);
        EXPECT_EQ(chunks[i].substr(0, 10), chunks[0].substr(0, 10));
        EXPECT_EQ(chunks[i].substr(10, 2), std::string({static_cast<char>(i), '\4'}));
        whole += chunks[i].substr(12);
    }
    EXPECT_TRUE(whole.starts_with(R"({"version":"1.1","host":"host","short_message":"xxx)"));
    EXPECT_TRUE(whole.ends_with(R"("timestamp":1700000000.123})"))
        << whole.substr(whole.size() - 60);
    // More than 128 chunks no server puts together.
    EXPECT_TRUE(format_gelf(plain, line(std::string(400'000, 'x')), false).empty());
}

TEST(Gelf, OverAStreamAMessageEndsWithZero) {
    EXPECT_EQ(format_gelf(target("gelf"), line("x"), true).front().back(), '\0');
}

TEST(Gelf, DatagramsAreCompressed) {
    EXPECT_TRUE(format_gelf(target("gelf"), line("x"), false).front().starts_with("\x1f\x8b"));
}

}  // namespace
}  // namespace hull::sender
