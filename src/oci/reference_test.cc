#include "oci/reference.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::oci {
namespace {

const std::string hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string message_of(std::string_view text) {
    try {
        Reference::parse(text);
        return "";
    } catch (const Error& error) {
        return error.message();
    }
}

TEST(Reference, FamiliarNameBecomesCanonicalAndBack) {
    struct {
        std::string typed, canonical, familiar;
    } const cases[] = {
        {"alpine", "docker.io/library/alpine:latest", "alpine:latest"},
        {"alpine:3", "docker.io/library/alpine:3", "alpine:3"},
        {"me/app:1", "docker.io/me/app:1", "me/app:1"},
        {"index.docker.io/me/app", "docker.io/me/app:latest", "me/app:latest"},
        {"docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
        {"localhost/app", "localhost/app:latest", "localhost/app:latest"},
        {"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"},
        {"[::1]:5000/a/b", "[::1]:5000/a/b:latest", "[::1]:5000/a/b:latest"},
        {"Upper/app", "Upper/app:latest", "Upper/app:latest"},
        {"a__b/c---d.e_f", "docker.io/a__b/c---d.e_f:latest", "a__b/c---d.e_f:latest"},
        {"alpine@sha256:" + hex, "docker.io/library/alpine@sha256:" + hex, "alpine@sha256:" + hex},
        {"r.io/a:1@sha256:" + hex, "r.io/a:1@sha256:" + hex, "r.io/a:1@sha256:" + hex},
    };
    for (const auto& [typed, canonical, familiar] : cases) {
        SCOPED_TRACE(typed);
        const Reference reference = Reference::parse(typed).with_default_tag();
        EXPECT_EQ(reference.canonical(), canonical);
        EXPECT_EQ(reference.familiar(), familiar);
        EXPECT_EQ(Reference::parse(familiar), reference);
        EXPECT_EQ(Reference::parse(canonical), reference);
    }
}

TEST(Reference, BadOnesAreRefusedInDockersWords) {
    for (const std::string& text : std::initializer_list<std::string>{
             "", ":", "a:", "a b", "a/", "/a", "a//b", "-a", "a-", "a___b", "a..b", "a:b:c",
             "a@sha256:12", "host:port/a", "a:" + std::string(129, 't'), "a\n"})
        EXPECT_EQ(message_of(text), "invalid reference format") << text;
    EXPECT_EQ(message_of("Alpine"),
              "invalid reference format: repository name (library/Alpine) must be lowercase");
    EXPECT_EQ(message_of("me/App:1"),
              "invalid reference format: repository name (me/App) must be lowercase");
    EXPECT_EQ(message_of(hex),
              "invalid repository name (" + hex + "), cannot specify 64-byte hexadecimal strings");
    EXPECT_EQ(message_of("a@sha384:" + hex + hex), "unsupported digest algorithm");
    EXPECT_EQ(message_of("a@sha512:" + hex + hex), "");
    EXPECT_EQ(message_of("a@sha512:" + hex), "invalid checksum digest length");
    EXPECT_EQ(message_of(std::string(300, 'a')),
              "repository name must not be more than 255 characters");
}

TEST(Reference, IdsAreToldFromNames) {
    EXPECT_TRUE(looks_like_id("e3b0"));
    EXPECT_TRUE(looks_like_id("sha256:" + hex));
    EXPECT_FALSE(looks_like_id("alpine"));
    EXPECT_FALSE(looks_like_id(""));
    EXPECT_FALSE(looks_like_id(hex + "0"));
}

TEST(Digest, OnlyWholeLowerCaseSha256IsAccepted) {
    EXPECT_EQ(Digest::of("").str(), "sha256:" + hex);
    EXPECT_EQ(Digest::parse("sha256:" + hex).hex(), hex);
    for (const std::string& text : std::initializer_list<std::string>{
             "", "sha256:", hex, "sha256:" + hex.substr(1), "sha256:E" + hex.substr(1),
             "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:../" + hex.substr(3)}) {
        EXPECT_FALSE(Digest::find(text)) << text;
        EXPECT_THROW(Digest::parse(text), Error) << text;
    }
}

}  // namespace
}  // namespace hull::oci
