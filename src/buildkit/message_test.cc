#include "buildkit/message.hh"
#include "base/error.hh"
#include "buildkit/file_stat.hh"
#include "buildkit/packet.hh"
#include "buildkit/solve_request.hh"
#include "buildkit/step_names.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace hull::buildkit {
namespace {

TEST(Message, WhatIsWrittenIsRead) {
    MessageWriter writer;
    writer.number(1, 300).text(2, "text").number(3, 0).text(4, "").message(5, "").number(
        20, ~std::uint64_t{0});
    MessageReader reader(writer.bytes());
    Field field;
    ASSERT_TRUE(reader.next(field));
    EXPECT_EQ(field.number, 1U);
    EXPECT_EQ(field.value, 300U);
    ASSERT_TRUE(reader.next(field));
    EXPECT_EQ(field.as_string(), "text");
    ASSERT_TRUE(reader.next(field));  // zeros and empty texts are none, an empty message is one
    EXPECT_EQ(field.number, 5U);
    ASSERT_TRUE(reader.next(field));
    EXPECT_EQ(field.as_int(), -1);
    EXPECT_FALSE(reader.next(field));
}

TEST(Message, BytesAreThoseOfTheSpecification) {
    // protobuf.dev/programming-guides/encoding: field 1 is 150, field 2 is "testing".
    EXPECT_EQ(MessageWriter().number(1, 150).bytes(), "\x08\x96\x01");
    EXPECT_EQ(MessageWriter().text(2, "testing").bytes(), "\x12\x07testing");
}

TEST(Message, BrokenOnesAreRefused) {
    for (const std::string_view broken :
         {std::string_view("\x08"),
          std::string_view("\x0a\x05"
                           "abc"),
          std::string_view("\0\x01", 2), std::string_view("\x0b\x01"), std::string_view("\x0d\x01"),
          std::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
        MessageReader reader(broken);
        Field field;
        EXPECT_THROW(while (reader.next(field)) continue, Error);
    }
}

TEST(FileStat, PathsThatLeadOutAreRefused) {
    const auto parse = [](const char* path, const char* link, std::uint32_t mode) {
        return parse_file_stat(MessageWriter().text(1, path).number(2, mode).text(7, link).bytes());
    };
    EXPECT_EQ(parse("a/b.c", "", 0644).path, "a/b.c");
    EXPECT_EQ(parse("l", "../../etc", 1U << 27 | 0777).link,
              "../../etc");  // links may say anything
    for (const char* path : {"", "/a", "../a", "a/../b", "a//b", "a/", "./a", ".."})
        EXPECT_THROW(parse(path, "", 0644), Error) << path;
    EXPECT_THROW(parse("a", "../b", 0644), Error);  // another name of a file is one below the root
}

TEST(FileStat, ModesAreGos) {
    EXPECT_EQ(go_mode(S_IFDIR | 01755), 1U << 31 | 1U << 20 | 0755);
    FileStat file;
    file.mode = 1U << 23 | 0755;
    EXPECT_EQ(file.permissions(), 04755U);
    EXPECT_TRUE(file.is_regular());
    file.mode = 1U << 26 | 1U << 21;  // a character device
    EXPECT_FALSE(file.is_regular());
}

TEST(SolveRequest, OldAndNewExportersAreOne) {
    const std::string attribute = MessageWriter().text(1, "name").text(2, "web").bytes();
    const SolveRequest old =
        parse_solve_request(MessageWriter().text(3, "moby").message(4, attribute).bytes());
    ASSERT_EQ(old.exporters.size(), 1U);
    EXPECT_EQ(old.exporters[0].get("name"), "web");
    const SolveRequest both =
        parse_solve_request(MessageWriter()
                                .text(3, "moby")
                                .message(13, MessageWriter().text(1, "local").message(2, attribute))
                                .bytes());
    ASSERT_EQ(both.exporters.size(), 1U);
    EXPECT_EQ(both.exporters[0].type, "local");
}

TEST(StepNames, AreThoseOfBuildKit) {
    const json::Value plan = json::parse(R"({"count": 3, "stages": [
        {"index": 0, "name": "build", "image": "busybox", "first": 1,
         "steps": ["ENV A=1", "RUN  make   all", "WORKDIR /src"]},
        {"index": 2, "name": "", "first": 5, "steps": ["COPY --from=build /a /"]}]})");
    const std::map<std::int64_t, std::string> expected{
        {1, "[build 1/3] FROM docker.io/library/busybox:latest"},
        {3, "[build 2/3] RUN make all"},
        {4, "[build 3/3] WORKDIR /src"},
        {6, "[stage-2 1/1] COPY --from=build /a /"}};
    EXPECT_EQ(name_steps(plan), expected);
}

}  // namespace
}  // namespace hull::buildkit
