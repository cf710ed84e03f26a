#include "base/error.hh"
#include "registry/client/challenge.hh"
#include "registry/client/configuration.hh"
#include "registry/client/connection.hh"
#include "registry/client/dns_message.hh"
#include "registry/client/url.hh"

#include <gtest/gtest.h>

namespace hull::registry_client {
namespace {

TEST(Url, ReadsPartsAndShowsDefaultPortsNot) {
    const Url url = parse_url("https://Registry.Example:443/v2/a?b=c#d");
    EXPECT_EQ(url.host, "registry.example");
    EXPECT_EQ(url.target, "/v2/a?b=c");
    EXPECT_EQ(url.str(), "https://registry.example/v2/a?b=c");
    EXPECT_EQ(parse_url("http://[::1]:5000").str(), "http://[::1]:5000/");
    for (const char* bad : {"ftp://x/", "http://", "http://x:0/", "http://x:99999/", "http://a@b/",
                            "http://x/a b", "http://x/\r\nHost: y", "http://[::1/"})
        EXPECT_THROW(parse_url(bad), Error) << bad;
}

TEST(Url, RelativeLocations) {
    const Url base = parse_url("https://r:5000/v2/x/uploads/1?a=b");
    EXPECT_EQ(resolve_url(base, "/v2/y").str(), "https://r:5000/v2/y");
    EXPECT_EQ(resolve_url(base, "2?c=d").str(), "https://r:5000/v2/x/uploads/2?c=d");
    EXPECT_EQ(resolve_url(base, "//cdn/z").str(), "https://cdn/z");
    EXPECT_EQ(resolve_url(base, "http://cdn/z").str(), "http://cdn/z");
    EXPECT_EQ(resolve_url(base, "/to?u=http://x/").str(), "https://r:5000/to?u=http://x/");
}

TEST(Challenge, ReadsWhatRegistriesSend) {
    const auto hub = parse_challenges(
        "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
        "scope=\"repository:library/a:pull,push\"");
    ASSERT_EQ(hub.size(), 1U);
    EXPECT_EQ(hub[0].scheme, "bearer");
    EXPECT_EQ(hub[0].parameters.at("scope"), "repository:library/a:pull,push");
    const auto both =
        parse_challenges("Basic realm=\"a \\\"b\\\"\", BEARER Realm=http://x/t , service=y");
    ASSERT_EQ(both.size(), 2U);
    EXPECT_EQ(both[0].parameters.at("realm"), "a \"b\"");
    EXPECT_EQ(both[1].parameters.at("realm"), "http://x/t");
    EXPECT_TRUE(parse_challenges("").empty());
    EXPECT_TRUE(parse_challenges("realm=\"x\"").empty());
    EXPECT_TRUE(parse_challenges("Bearer realm=\"never closed").front().parameters.empty());
}

TEST(Proxy, IsReadAndBypassed) {
    const Proxy proxy = parse_proxy("me:s%40crt@proxy.local:3128");
    EXPECT_EQ(proxy.url.origin(), "http://proxy.local:3128");
    EXPECT_EQ(proxy.authorization, "Basic bWU6c0BjcnQ=");
    struct {
        const char *rule, *url;
        bool bypassed;
    } const cases[] = {
        {"", "http://example.com/", false},
        {"", "http://127.0.0.1:5000/", true},
        {"", "http://localhost/", true},
        {"example.com", "http://example.com/", true},
        {"example.com", "http://a.example.com/", true},
        {".example.com", "http://example.com/", false},
        {"*.example.com", "http://a.example.com/", true},
        {"10.0.0.0/8", "http://10.1.2.3/", true},
        {"10.0.0.0/8", "http://11.1.2.3/", false},
        {"a:81, b", "http://a:80/", false},
        {"a:81, b", "http://b:80/", true},
        {"*", "http://example.com/", true},
    };
    for (const auto& [rule, url, bypassed] : cases)
        EXPECT_EQ(bypasses_proxy(rule, parse_url(url)), bypassed) << rule << " " << url;
}

TEST(Configuration, SaysWhichRegistriesAreInsecure) {
    Configuration configuration;
    configuration.insecure = {"plain.example:5000", "other.example", "10.0.0.0/8"};
    for (const char* insecure : {"localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000",
                                 "plain.example:5000", "other.example:1", "10.2.3.4:5000"})
        EXPECT_TRUE(configuration.is_insecure(insecure)) << insecure;
    for (const char* secure : {"plain.example", "docker.io", "11.0.0.1:5000"})
        EXPECT_FALSE(configuration.is_insecure(secure)) << secure;
}

TEST(Configuration, MirrorsComeBeforeTheOrigin) {
    Configuration configuration;
    configuration.mirrors["docker.io"] = {"http://mirror:5000/cache"};
    const auto endpoints = configuration.endpoints("docker.io", {"me", "secret", "", ""});
    ASSERT_EQ(endpoints.size(), 2U);
    EXPECT_EQ(endpoints[0].base.str(), "http://mirror:5000/cache/");
    EXPECT_TRUE(endpoints[0].credentials.empty());
    EXPECT_EQ(endpoints[1].base.str(), "https://registry-1.docker.io/");
    EXPECT_EQ(endpoints[1].credentials.username, "me");
}

TEST(Dns, AsksAndReads) {
    const std::string query = make_dns_query(0x1234, "a.example", RecordType::a);
    EXPECT_EQ(query.substr(12), std::string("\1a\7example\0\0\1\0\1", 15));
    EXPECT_THROW(make_dns_query(1, "a..b", RecordType::a), Error);
    std::string reply = query;
    reply[2] = '\x81';
    reply[3] = '\x80';
    reply[7] = 1;  // one answer
    reply += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3", 16);
    const DnsReply parsed = parse_dns_reply(reply, 0x1234, RecordType::a);
    ASSERT_EQ(parsed.addresses.size(), 1U);
    EXPECT_EQ(parsed.addresses[0], "\x0a\1\2\3");
    EXPECT_THROW(parse_dns_reply(reply, 0x1235, RecordType::a), Error);
    for (std::size_t size = 0; size < reply.size(); ++size)
        EXPECT_THROW(parse_dns_reply(reply.substr(0, size), 0x1234, RecordType::a), Error) << size;
}

TEST(Resolver, ReadsHostsWithoutAskingAnybody) {
    const NameFiles files{"127.0.0.5 other\n::1 two # comment\n10.0.0.1\ttwo Named.Host\n", ""};
    EXPECT_EQ(resolve(files, "named.host", 80).front().str(), "10.0.0.1:80");
    const auto two = resolve(files, "two", 80);
    ASSERT_EQ(two.size(), 2U);
    EXPECT_EQ(two[0].str(), "10.0.0.1:80");
    EXPECT_EQ(two[1].str(), "[::1]:80");
    EXPECT_EQ(resolve(files, "127.0.0.1", 1).front().str(), "127.0.0.1:1");
    EXPECT_EQ(resolve(files, "localhost", 1).front().str(), "127.0.0.1:1");
}

}  // namespace
}  // namespace hull::registry_client
