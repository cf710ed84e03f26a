#include "cli/cp_rules.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

TEST(CopyRules, AColonSeparatesAContainerUnlessThePathIsExplicit) {
    struct {
        std::string_view text, container, path;
    } const cases[] = {
        {"web:/etc", "web", "/etc"}, {"web:etc", "web", "etc"}, {"/a:b", "", "/a:b"},
        {"./a:b", "", "./a:b"},      {"plain", "", "plain"},    {"-", "", "-"},
    };
    for (const auto& [text, container, path] : cases) {
        SCOPED_TRACE(text);
        const CopyPlace place = parse_copy_place(text);
        EXPECT_EQ(place.container, container);
        EXPECT_EQ(place.path, path);
    }
}

TEST(CopyRules, NamesAndParents) {
    struct {
        std::string_view path, name, parent;
    } const cases[] = {
        {"/etc/passwd", "passwd", "/etc"},
        {"passwd", "passwd", "."},
        {"/", "", "/"},
        {"/etc/", "etc", "/"},
        {"/etc/.", "etc", "/"},
        {".", "", "."},
        {"a/..", "", "a"},
        {"a/b/", "b", "a"},
    };
    for (const auto& [path, name, parent] : cases) {
        SCOPED_TRACE(path);
        EXPECT_EQ(base_name(path), name);
        EXPECT_EQ(parent_path(path), parent);
    }
}

constexpr CopyTarget missing{}, file{true, false}, directory{true, true};

TEST(CopyRules, WhereACopyComesToLie) {
    struct {
        std::string_view source;
        bool source_is_directory;
        std::string_view destination;
        CopyTarget target;
        std::string_view parent, name;
    } const cases[] = {
        {"/a/file", false, "/new", missing, "/", "new"},
        {"/a/file", false, "/old", file, "/", "old"},
        {"/a/file", false, "/dir", directory, "/dir", "file"},
        {"/a/dir", true, "/x/new", missing, "/x", "new"},
        {"/a/dir", true, "/x/new/", missing, "/x", "new"},
        {"/a/dir", true, "/dir", directory, "/dir", "dir"},
        {"/a/dir/", true, "/dir", directory, "/dir", "dir"},
        {"/a/dir/.", true, "/dir", directory, "/dir", ""},
        {"/", true, "/dir", directory, "/dir", ""},
        {".", true, "/dir", directory, "/dir", ""},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(std::string(c.source) + " to " + std::string(c.destination));
        const CopyDestination place =
            choose_copy_destination(c.source, c.source_is_directory, c.destination, c.target);
        EXPECT_EQ(place.parent, c.parent);
        EXPECT_EQ(place.name, c.name);
    }
}

TEST(CopyRules, WhatDoesNotFitIsRefused) {
    EXPECT_THROW(choose_copy_destination("/a/dir", true, "/old", file), Error);
    EXPECT_THROW(choose_copy_destination("/a/file", false, "/new/", missing), Error);
    EXPECT_THROW(choose_copy_destination("/a/file", false, "/old/", file), Error);
}

TEST(CopyRules, ThePathStatIsGoJsonInBase64) {
    // {"name":"link","size":4,"mode":134218239,"linkTarget":"/etc/passwd"}
    const PathStat stat = parse_path_stat(
        "eyJuYW1lIjoibGluayIsInNpemUiOjQsIm1vZGUiOjEzNDIxODIzOSwibGlua1RhcmdldCI6Ii9ldGMvcGFzc3dkIn"
        "0=");
    EXPECT_EQ(stat.name, "link");
    EXPECT_EQ(stat.link_target, "/etc/passwd");
    EXPECT_TRUE(stat.is_link);
    EXPECT_FALSE(stat.is_directory);
    EXPECT_THROW(parse_path_stat("%%%"), Error);
    EXPECT_THROW(parse_path_stat(""), Error);
}

}  // namespace
}  // namespace hull::cli
