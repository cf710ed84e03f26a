#include "build/dockerfile/ignore.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/text.hh"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace hull::build::dockerfile {
namespace {

/// "true", "false" or "error": what the vectors of Docker's matcher call the result.
std::string excluded(const std::vector<std::string>& patterns, std::string_view path) {
    try {
        return IgnorePatterns(patterns).is_excluded(path) ? "true" : "false";
    } catch (const Error&) {
        return "error";
    }
}

TEST(IgnorePatterns, DockersOwnVectorsHold) {
    std::ifstream file(HULL_SPEC "/dockerfile/dockerignore-vectors.tsv");
    if (!file) GTEST_SKIP() << "the reference texts are not on this machine";
    std::string line;
    int count = 0;
    while (std::getline(file, line)) {
        if (line.empty() || line[0] == '#') continue;
        SCOPED_TRACE(line);
        const std::vector<std::string> fields = split(line, '\t');
        ASSERT_EQ(fields.size(), 3U);
        EXPECT_EQ(excluded(json::parse(fields[0]).as_strings(), json::parse(fields[1]).as_string()),
                  fields[2]);
        ++count;
    }
    EXPECT_GT(count, 100);
}

TEST(IgnorePatterns, PatternsDecideInOrder) {
    struct {
        std::vector<std::string> patterns;
        std::string path, result;
    } const cases[] = {
        {{"node_modules"}, "node_modules", "true"},
        {{"node_modules"}, "node_modules/a/b.js", "true"},
        {{"node_modules"}, "app/node_modules/b.js", "false"},
        {{"**/node_modules"}, "app/node_modules/b.js", "true"},
        {{"*.md", "!README.md"}, "README.md", "false"},
        {{"*.md", "!README.md"}, "CHANGES.md", "true"},
        {{"!README.md", "*.md"}, "README.md", "true"},
        {{"*.md", "!README*.md", "README-secret.md"}, "README-secret.md", "true"},
        {{"*", "!src"}, "src/main.c", "false"},
        {{"*", "!src/**"}, "src/main.c", "false"},
        {{"*", "!**/*.c"}, "src/main.c", "false"},
        {{"*", "!**/*.c"}, "src/main.h", "true"},
        {{"docs", "!docs/keep", "docs/keep/not"}, "docs/keep/a", "false"},
        {{"docs", "!docs/keep", "docs/keep/not"}, "docs/keep/not/a", "true"},
        {{"a/b/../c"}, "a/c", "true"},
        {{"./a//b/"}, "a/b", "true"},
        {{"/a"}, "a", "false"},  // only parse_ignore_file takes the slash away
        {{"."}, "a", "false"},
        {{".."}, "a", "false"},
        {{"a[!b]c"}, "a!c", "true"},
        {{"a[!b]c"}, "abc", "true"},
        {{"temp?"}, "temp/a", "false"},
        {{"**/temp*/**/x"}, "a/temps/b/c/x", "true"},
        {{"**/temp*/**/x"}, "a/temps/x", "true"},
        {{"**/temp*/**/x"}, "a/temps", "false"},
        {{"a**b"}, "ab", "true"},
        {{"a**b"}, "a/x/b", "true"},  // `**` is anything up to a slash, then b
        {{"a**b"}, "axb", "false"},
        {{"a/**/b"}, "a/x/y/b", "true"},
        {{"a/**/b"}, "a/b", "true"},
        {{"a/**/b"}, "a/xb", "false"},
        {{"!"}, "a", "error"},
        {{"a", " ! "}, "a", "error"},
        {{"a["}, "b", "error"},
        {{}, "a", "false"},
    };
    for (const auto& [patterns, path, result] : cases) {
        SCOPED_TRACE(path + " in " + json::dump(json::Value(patterns)));
        EXPECT_EQ(excluded(patterns, path), result);
    }
}

TEST(IgnorePatterns, TheFileIsReadAsDockerReadsIt) {
    const std::string text =
        "\xEF\xBB\xBF# comment\n"
        "*/temp*\r\n"
        "\n"
        "  spaced  \n"
        " # not a comment\n"
        "/rooted/\n"
        "! /again\n"
        "!./x/../y\n"
        "a//b/./c/\n"
        "!\n"
        "/\n"
        "last";
    const std::vector<std::string> expected{"*/temp*", "spaced", "# not a comment", "rooted",
                                            "!again",  "!y",     "a/b/c",           "!",
                                            "/",       "last"};
    EXPECT_EQ(parse_ignore_file(text), expected);
}

TEST(IgnorePatterns, AWalkSkipsOnlyWhatCannotComeBack) {
    struct {
        std::vector<std::string> patterns;
        std::string directory;
        bool skip;
    } const cases[] = {
        {{"a"}, "a", true},
        {{"a"}, "b", false},
        {{"a", "!b"}, "a", true},
        {{"a", "!a/b"}, "a", false},
        {{"a", "!a/b/c"}, "a/b", false},
        {{"a", "!a/b/c"}, "a/x", true},
        {{"a", "!**/c"}, "a/x", false},
        {{"a", "!*/x/c"}, "a/x", false},
        {{"a", "!*/x/c"}, "a/y", true},
        {{"**", "!src/*.c"}, "src", false},
        {{"**", "!src/*.c"}, "doc", true},
    };
    for (const auto& [patterns, directory, skip] : cases) {
        SCOPED_TRACE(directory + " in " + json::dump(json::Value(patterns)));
        EXPECT_EQ(IgnorePatterns(patterns).can_skip_directory(directory), skip);
    }
}

TEST(IgnorePatterns, TheDecidingPatternIsNamed) {
    const IgnorePatterns patterns({"*.md", "!README.md", "docs"});
    EXPECT_EQ(patterns.deciding_pattern("a.md"), "*.md");
    EXPECT_EQ(patterns.deciding_pattern("README.md"), "!README.md");
    EXPECT_EQ(patterns.deciding_pattern("docs/x/y"), "docs");
    EXPECT_EQ(patterns.deciding_pattern("src"), "");
}

TEST(MatchPath, StaysWithinNames) {
    EXPECT_TRUE(match_path("*.txt", "a.txt"));
    EXPECT_FALSE(match_path("*.txt", "d/a.txt"));
    EXPECT_TRUE(match_path("d/*", "d/a.txt"));
    EXPECT_TRUE(match_path("arr[[]0].txt", "arr[0].txt"));
    EXPECT_TRUE(match_path("hom?.txt", "home.txt"));
    EXPECT_TRUE(match_path("a\\*", "a*"));
    EXPECT_FALSE(match_path("**", "a/b"));  // to filepath.Match two stars are one
    EXPECT_THROW(match_path("[", "a"), Error);
    EXPECT_TRUE(has_wildcards("a*"));
    EXPECT_FALSE(has_wildcards("a\\*"));
    EXPECT_TRUE(has_wildcards("arr[[]0].txt"));
}

}  // namespace
}  // namespace hull::build::dockerfile
