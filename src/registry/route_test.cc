#include "registry/route.hh"

#include <gtest/gtest.h>

#include <string>

namespace hull::registry {

TEST(Route, RepositoryNamesFollowTheGrammar) {
    for (const char* good :
         {"a", "0", "library/alpine", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b/c__d/e-f"})
        EXPECT_TRUE(is_valid_repository(good)) << good;
    EXPECT_TRUE(is_valid_repository(std::string(255, 'x')));
    EXPECT_FALSE(is_valid_repository(std::string(256, 'x')));
    for (const char* bad :
         {"",   "/",  "a/", "/a", "a//b", "A",      "a..b", "a___b", "a._b", ".a",
          "a.", "_a", "-a", "a-", "..",   "a/../b", "a/.",  "a b",   "a\n",  "\xc3\xa9"})
        EXPECT_FALSE(is_valid_repository(bad)) << bad;
    EXPECT_FALSE(is_valid_repository(std::string_view("a\0b", 3)));
}

TEST(Route, PathsAreSplitFromTheEnd) {
    using Kind = Route::Kind;
    struct {
        const char* path;
        Kind kind;
        const char *repository, *reference;
    } const cases[] = {
        {"/v2", Kind::base, "", ""},
        {"/v2/", Kind::base, "", ""},
        {"/v2/_catalog", Kind::catalog, "", ""},
        {"/v2/a/tags/list", Kind::tags, "a", ""},
        {"/v2/a/b/manifests/latest", Kind::manifest, "a/b", "latest"},
        {"/v2/a/blobs/sha256:x", Kind::blob, "a", "sha256:x"},
        {"/v2/a/blobs/uploads/", Kind::start_upload, "a", ""},
        {"/v2/a/blobs/uploads", Kind::start_upload, "a", ""},
        {"/v2/a/blobs/uploads/id", Kind::upload, "a", "id"},
        {"/v2/a/referrers/sha256:x", Kind::referrers, "a", "sha256:x"},
        {"/v2/blobs/uploads/manifests/x", Kind::manifest, "blobs/uploads", "x"},
        {"/v2/tags/list/tags/list", Kind::tags, "tags/list", ""},
    };
    for (const auto& [path, kind, repository, reference] : cases) {
        SCOPED_TRACE(path);
        const auto route = parse_route(path);
        ASSERT_TRUE(route);
        EXPECT_EQ(route->kind, kind);
        EXPECT_EQ(route->repository, repository);
        EXPECT_EQ(route->reference, reference);
    }
    for (const char* path : {"", "/", "/v1/", "/v2x", "/v2/a", "/v2/manifests/x",
                             "/v2/a/manifests/", "/v2/a/other/x", "/v2/tags/list"})
        EXPECT_FALSE(parse_route(path)) << path;
}

TEST(Route, ContentRangesOfChunks) {
    EXPECT_EQ(parse_content_range("0-9"), (ByteRange{0, 9}));
    EXPECT_EQ(parse_content_range("bytes 5-5/100"), (ByteRange{5, 5}));
    for (const char* bad : {"", "-", "1-", "-1", "2-1", "a-b", "0-9x", "0 - 9",
                            "0-18446744073709551615", "0-99999999999999999999"})
        EXPECT_FALSE(parse_content_range(bad)) << bad;
}

TEST(Route, WantedRanges) {
    using Verdict = WantedRange::Verdict;
    struct {
        const char* header;
        Verdict verdict;
        ByteRange range;
    } const cases[] = {
        {"bytes=0-0", Verdict::part, {0, 0}},
        {"bytes=5-", Verdict::part, {5, 99}},
        {"bytes=-10", Verdict::part, {90, 99}},
        {"bytes=-1000", Verdict::part, {0, 99}},
        {"bytes=90-1000", Verdict::part, {90, 99}},
        {"bytes=100-", Verdict::unsatisfiable, {}},
        {"bytes=-0", Verdict::unsatisfiable, {}},
        {"bytes=2-1", Verdict::whole, {}},
        {"bytes=0-1,3-4", Verdict::whole, {}},
        {"bytes=", Verdict::whole, {}},
        {"", Verdict::whole, {}},
        {"pages=1-2", Verdict::whole, {}},
    };
    for (const auto& [header, verdict, range] : cases) {
        SCOPED_TRACE(header);
        const WantedRange wanted = parse_range(header, 100);
        EXPECT_EQ(wanted.verdict, verdict);
        if (verdict == Verdict::part) {
            EXPECT_EQ(wanted.range, range);
        }
    }
    EXPECT_EQ(parse_range("bytes=0-", 0).verdict, Verdict::unsatisfiable);
}

}  // namespace hull::registry
