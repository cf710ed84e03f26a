#include "base/json.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::json {
namespace {

TEST(Json, WhatIsParsedIsWrittenBackCompactAndInOrder) {
    for (const std::string_view text :
         {R"({"b":1,"a":[true,null,"x\n\"y"],"n":-3,"u":18446744073709551615})", R"([])", R"({})",
          R"("<&>")", R"(1.5)"}) {
        SCOPED_TRACE(text);
        EXPECT_EQ(dump(parse(text)), text);
    }
}

TEST(Json, MalformedTextIsRefusedWithItsPosition) {
    for (const std::string_view text : {"", "{", "[1,]", "{\"a\":1} x", "nul", "\"\xff\""}) {
        SCOPED_TRACE(text);
        EXPECT_THROW(parse(text), Error);
    }
    EXPECT_THROW(parse(std::string(100000, '[')), Error);
}

TEST(Json, InvalidUtf8IsWrittenAsReplacementCharacter) {
    EXPECT_EQ(dump(Value("a\xff\xed\xa0\x80")), "\"a\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

TEST(Json, MissingMembersReadAsNull) {
    const Value value = parse(R"({"a":{"b":2}})");
    EXPECT_EQ(value["a"]["b"].as_int(), 2);
    EXPECT_TRUE(value["x"]["y"].is_null());
}

TEST(Json, LastDuplicateWins) { EXPECT_EQ(parse(R"({"a":1,"a":2})")["a"].as_int(), 2); }

}  // namespace
}  // namespace hull::json
