#include "build/dockerfile/expand.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

#include <map>

namespace hull::build::dockerfile {
namespace {

const std::map<std::string, std::string, std::less<>> variables{
    {"PWD", "/home"},          {"SHELL", "bash"},           {"EMPTY", ""},
    {"PATH", "/bin:/usr/bin"}, {"FILE", "archive.tar.gz"},  {"STARS", "a*b*c"},
    {"SLASHED", "a/b/c"},      {"WORDS", "one two  three"}, {"KOREAN", "한국어"},
    {"BRACE", "a}b}c"},        {"LINES", "a\nb"},
};

std::optional<std::string> look_up(std::string_view name) {
    const auto entry = variables.find(name);
    if (entry == variables.end()) return std::nullopt;
    return entry->second;
}

std::string expanded(std::string_view text, char escape = '\\') {
    try {
        ExpandOptions options;
        options.escape = escape;
        return expand_word(text, look_up, options);
    } catch (const Error& error) {
        return "error: " + error.message();
    }
}

TEST(Expand, EveryFormMeansWhatDockerMakesOfIt) {
    struct {
        std::string text, result;
    } const cases[] = {
        {"hello", "hello"},
        {"he'll'o", "hello"},
        {"he'llo",
         "error: failed to process \"he'llo\": unexpected end of statement while looking for "
         "matching single-quote"},
        {"he\\'llo", "he'llo"},
        {"he\\\\'llo",
         "error: failed to process \"he\\\\\\\\'llo\": unexpected end of statement while "
         "looking for matching single-quote"},
        {"abc\\tdef", "abctdef"},
        {"'abc\\tdef'", "abc\\tdef"},
        {"\"abc\\tdef\"", "abc\\tdef"},
        {"\"abc\\\\def\"", "abc\\def"},
        {"'abc\\\\def'", "abc\\\\def"},
        {"hello\\ there", "hello there"},
        {"hello there", "hello there"},
        {"\\\"hello", "\"hello"},
        {"\"hel\\\"lo\"", "hel\"lo"},
        {"\"hel'lo\"", "hel'lo"},
        {"'hel\"lo'", "hel\"lo"},
        {"hello\\", "hello"},
        {"\"hello\\",
         "error: failed to process \"\\\"hello\\\\\": unexpected end of statement while "
         "looking for matching double-quote"},
        {"$", "$"},
        {"$.", "$."},
        {"he$1x", "hex"},
        {"he$12x", "hex"},
        {"he$.x", "he$.x"},
        {"he$pwd.", "he."},
        {"he$PWD", "he/home"},
        {"he\\$PWD", "he$PWD"},
        {"he\\\\$PWD", "he\\/home"},
        {"'$PWD'", "$PWD"},
        {"\"$PWD\"", "/home"},
        {"\"\\$PWD\"", "$PWD"},
        {"\"$\"", "$"},
        {"$PWD한", ""},
        {"$PWD\xe2\x80\x93x", "/home\xe2\x80\x93x"},  // an en dash is no letter
        {"${PWD}한국어", "/home한국어"},
        {"${}", "error: failed to process \"${}\": syntax error: bad substitution"},
        {"${:}", "error: failed to process \"${:}\": syntax error: bad substitution"},
        {"${{PWD}", "error: failed to process \"${{PWD}\": syntax error: bad substitution"},
        {"${", "error: failed to process \"${\": syntax error: missing '}'"},
        {"${PWD", "error: failed to process \"${PWD\": syntax error: missing '}'"},
        {"${PWD:", "error: failed to process \"${PWD:\": syntax error: missing '}'"},
        {"${PWD:-", "error: failed to process \"${PWD:-\": syntax error: missing '}'"},
        {"${PWD^}",
         "error: failed to process \"${PWD^}\": unsupported modifier (^) in substitution"},
        {"${PWD:=x}",
         "error: failed to process \"${PWD:=x}\": unsupported modifier (:=) in substitution"},
        {"${NONE}", ""},
        {"${NONE-x}", "x"},
        {"${EMPTY-x}", ""},
        {"${EMPTY:-x}", "x"},
        {"${PWD:-x}", "/home"},
        {"${NONE:-}", ""},
        {"${NONE:-a b}", "a b"},
        {"${NONE:-'a b'}", "a b"},
        {"${NONE:-$PWD}", "/home"},
        {"${NONE:-${SHELL:+yes}}", "yes"},
        {"${NONE:-\\}}", "}"},
        {"${NONE+x}", ""},
        {"${EMPTY+x}", "x"},
        {"${EMPTY:+x}", ""},
        {"${PWD:+${SHELL}}", "bash"},
        {"${PWD?e}", "/home"},
        {"${EMPTY?e}", ""},
        {"${EMPTY:?}",
         "error: failed to process \"${EMPTY:?}\": EMPTY: is not allowed to be empty"},
        {"${NONE:?}", "error: failed to process \"${NONE:?}\": NONE: is not allowed to be unset"},
        {"${NONE?give it}", "error: failed to process \"${NONE?give it}\": NONE: give it"},
        {"${FILE#*.}", "tar.gz"},
        {"${FILE##*.}", "gz"},
        {"${FILE%.*}", "archive.tar"},
        {"${FILE%%.*}", "archive"},
        {"${FILE#x}", "archive.tar.gz"},
        {"${FILE#archive.???}", ".gz"},
        {"${FILE%${FILE#*.}}", "archive."},
        {"${STARS#a\\*}", "b*c"},
        {"${STARS%\\*?}", "a*b"},
        {"${STARS##*\\*}", "c"},
        {"${STARS%%\\**}", "a"},
        {"${BRACE%\\}*}", "a}b"},
        {"${BRACE%%\\}*}", "a"},
        {"${STARS#\\x}",
         "error: failed to process \"${STARS#\\\\x}\": invalid pattern (\\x) in "
         "substitution: invalid escape '\\x'"},
        {"${SLASHED/b/x}", "a/x/c"},
        {"${SLASHED/\\//-}", "a-b/c"},
        {"${SLASHED//\\//-}", "a-b-c"},
        {"${SLASHED//\\/}",
         "error: failed to process \"${SLASHED//\\\\/}\": syntax error: missing '/' in ${}"},
        {"${FILE/*./x}", "xgz"},
        {"${FILE//a?/_}", "_chive.t_.gz"},
        {"${FILE//./$SHELL}", "archivebashtarbashgz"},
        {"${FILE/.}", "error: failed to process \"${FILE/.}\": syntax error: missing '/' in ${}"},
        {"${NONE/a/b}", ""},
        {"${KOREAN#?}", "국어"},
        {"${KOREAN%?}", "한국"},
        {"${KOREAN/국/-}", "한-어"},
        {"${LINES#*}", "a\nb"},
        {"${LINES##*}", "\nb"},  // `*` ends at a line end, as in Docker
        {"$@$*$#", ""},
        {"", ""},
    };
    for (const auto& [text, result] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(expanded(text), result);
    }
}

TEST(Expand, TheEscapeCharacterIsTheDirectives) {
    EXPECT_EQ(expanded("`$PWD", '`'), "$PWD");
    EXPECT_EQ(expanded("c:\\$SHELL", '`'), "c:\\bash");
    EXPECT_EQ(expanded("\"`\"\"", '`'), "\"");
    EXPECT_EQ(expanded("a``b", '`'), "a`b");
}

TEST(Expand, WordsAreSplitAfterExpansionAndNotInsideQuotes) {
    struct {
        std::string text;
        std::vector<std::string> words;
    } const cases[] = {
        {"", {}},
        {"  a   b ", {"a", "b"}},
        {"$WORDS", {"one", "two", "three"}},
        {"\"$WORDS\"", {"one two  three"}},
        {"'$WORDS'", {"$WORDS"}},
        {"a$WORDS", {"aone", "two", "three"}},
        {"${WORDS}z", {"one", "two", "threez"}},
        {"a\\ b c", {"a b", "c"}},
        {"'' a", {"a"}},
        {"${NONE:-a b}", {"a", "b"}},
        {"80 $NONE 443", {"80", "443"}},
    };
    for (const auto& [text, words] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(expand_words(text, look_up), words);
    }
}

TEST(Expand, OptionsKeepWhatTheySay) {
    ExpandOptions options;
    options.keep_unset = true;
    EXPECT_EQ(expand_word("$PWD $x ${x} ${x:-y} ${x#y} ${x/a/b} ${x//a/b}", look_up, options),
              "/home $x ${x} ${x:-y} ${x#y} ${x/a/b} ${x//a/b}");
    options = {};
    options.keep_quotes = options.keep_escapes = true;
    EXPECT_EQ(expand_word("'a' \"$PWD\" \\b \"\\\"\"", look_up, options),
              "'a' \"/home\" \\b \"\\\"\"");
    options = {};
    options.ignore_quotes = true;
    EXPECT_EQ(expand_word("it's \"$PWD\" \\$PWD", look_up, options), "it's \"/home\" $PWD");
}

TEST(Expand, UsedVariablesAreTold) {
    UsedVariables used;
    expand_word("$PWD ${NONE:-$SHELL} ${OTHER}", look_up, {}, &used);
    EXPECT_EQ(used.matched, (std::set<std::string>{"PWD", "SHELL"}));
    EXPECT_EQ(used.unset, (std::set<std::string>{"NONE", "OTHER"}));
}

TEST(Expand, DeepNestingIsRefusedNotFatal) {
    std::string text;
    for (int i = 0; i < 100000; ++i) text += "${a:-";
    EXPECT_THROW(expand_word(text, look_up), Error);
}

}  // namespace
}  // namespace hull::build::dockerfile
