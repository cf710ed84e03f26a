#include "base/json.hh"

#include "base/error.hh"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

TEST(Json, LastDuplicateWinsInThePlaceOfTheFirst) {
    EXPECT_EQ(dump(parse(R"({"a":1,"b":2,"a":3,"c":4,"b":5,"a":6})")), R"({"a":6,"b":5,"c":4})");
}

TEST(Json, ManyMembersTakeNoQuadraticTime) {
    std::string text = "{";
    for (int i = 0; i < 300000; ++i) text += "\"member" + std::to_string(i) + "\":1,";
    EXPECT_EQ(parse(text + "\"x\":2}").as_object().size(), 300001U);
}

// nlohmann/json is the judge: what it reads we read alike, what it refuses we refuse.
TEST(Json, ReadsWhatAnotherParserReads) {
    const std::string_view texts[] = {
        "0",
        "-0",
        "-1",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1.5e3",
        "1e",
        "1E+2",
        "1e-999",
        "1e999",
        "-1e999",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "0x10",
        "1 ",
        " \t\r\n1",
        "\f1",
        "1 2",
        "true",
        "tru",
        "truex",
        "null",
        "nullnull",
        "False",
        "NaN",
        "Infinity",
        R"("")",
        R"("a)",
        R"("\u0041\u00e9\u20ac\ud83d\ude00")",
        R"("\ud83d")",
        R"("\ude00")",
        R"("\ud83d\u0041")",
        R"("\u00g0")",
        R"("\u12")",
        R"("\u0000")",
        R"("\b\f\n\r\t\/\\\"")",
        R"("\x")",
        "\"\t\"",
        "\"\x7f\"",
        "\"\xc3\xa9\"",
        "\"\xc3\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf0\x8f\xbf\xbf\"",
        "\xef\xbb\xbf[]",
        "\xef\xbb[]",
        "[]",
        "[ ]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "]",
        "[[[]]]",
        "{}",
        "{ }",
        R"({"a"})",
        R"({"a":})",
        R"({"a":1,})",
        R"({a:1})",
        R"({"a" : [ 1 , {"b":null} ] })",
        R"({"a":1 "b":2})",
        R"({"":""})",
        "{",
        "}",
        "// no\n1",
        "['a']",
        R"(["\ud83d\ude00","x"])",
    };
    for (const std::string_view text : texts) {
        SCOPED_TRACE(text);
        const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
        if (theirs.is_discarded())
            EXPECT_THROW(parse(text), Error);
        else
            EXPECT_EQ(nlohmann::json::parse(dump(parse(text))), theirs);
    }
}

}  // namespace
}  // namespace hull::json
