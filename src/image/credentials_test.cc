#include "image/images.hh"

#include <gtest/gtest.h>

namespace hull::image {
namespace {

json::Value user(const char* name) { return json::Object{{"username", name}}; }

TEST(Credentials, LongestPathThatFits) {
    const json::Value all = json::Object{
        {"https://index.docker.io/v1/", user("hub")}, {"localhost:5000", user("host")},
        {"localhost:5000/team", user("team")},        {"localhost:5000/team/app", user("app")},
        {"http://other.example/v2/", user("other")},  {"broken.example", "text"}};
    struct {
        const char *repository, *expected;
    } const cases[] = {
        {"docker.io/library/busybox", "hub"},
        {"localhost:5000/x", "host"},
        {"localhost:5000/team/x", "team"},
        {"localhost:5000/team/app", "app"},
        {"localhost:5000/team/app/sub", "app"},
        {"localhost:5000/teams/x", "host"},  // a prefix ends where a component does
        {"other.example/x", "other"},
        {"localhost:50001/x", ""},
        {"broken.example/x", ""},
    };
    for (const auto& [repository, expected] : cases) {
        SCOPED_TRACE(repository);
        const json::Value found = find_credentials(all, repository);
        EXPECT_EQ(found["username"].is_string() ? found["username"].as_string() : "", expected);
    }
    EXPECT_TRUE(find_credentials(json::Value(), "docker.io/library/busybox").is_null());
}

}  // namespace
}  // namespace hull::image
