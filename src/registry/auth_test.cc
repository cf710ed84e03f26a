#include "base/error.hh"
#include "base/time.hh"
#include "registry/access_log.hh"
#include "registry/accounts.hh"
#include "registry/jwt.hh"
#include "registry/options.hh"
#include "registry/rights.hh"

#include <gtest/gtest.h>

#include <string>

namespace hull::registry {

TEST(Rights, PatternsOfRepositories) {
    struct {
        const char *pattern, *name;
        bool fits;
    } const cases[] = {
        {"a/b", "a/b", true},
        {"a/b", "a/bc", false},
        {"a/*", "a/b", true},
        {"a/*", "a/b/c", false},
        {"a/**", "a/b/c", true},
        {"**", "a/b/c", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"*-dev/*", "x-dev/y", true},
        {"*-dev/*", "x/y", false},
        {"**/app", "a/b/app", true},
        {"**/app", "app", false},
        {"a*c", "abbc", true},
        {"a*c", "a/c", false},
        {"a**c", "a/b/c", true},
        {"**b*/c", "a/b/bx/c", true},
        {"", "a", false},
        {"a", "", false},
        {"*a*b", "xaxbxab", true},
        {"**a/*b", "x/a/a/cb", true},
    };
    for (const auto& [pattern, name, fits] : cases)
        EXPECT_EQ(matches_pattern(pattern, name), fits) << pattern << " " << name;
}

TEST(Rights, WhatNoLineAllowsIsRefused) {
    const Rights rights = Rights::parse(
        "# who repositories rights\n"
        "*      public/**  pull\n"
        "@users shared/**  pull,push\n"
        "alice\tteam/*\tall   # hers\n"
        "\n");
    EXPECT_TRUE(rights.allow("", "public/a/b", Right::pull));
    EXPECT_FALSE(rights.allow("", "public/a", Right::push));
    EXPECT_FALSE(rights.allow("", "shared/a", Right::pull));
    EXPECT_TRUE(rights.allow("bob", "shared/a", Right::push));
    EXPECT_FALSE(rights.allow("bob", "shared/a", Right::remove));
    EXPECT_FALSE(rights.allow("bob", "team/a", Right::pull));
    EXPECT_TRUE(rights.allow("alice", "team/a", Right::remove));
    EXPECT_FALSE(rights.allow("alice", "team/a/b", Right::pull));
    EXPECT_TRUE(Rights::everything(true).allow("", "x", Right::remove));
    EXPECT_FALSE(Rights::everything(false).allow("", "x", Right::pull));
    EXPECT_THROW(Rights::parse("alice team/*"), Error);
    EXPECT_THROW(Rights::parse("alice team/* fly"), Error);
}

TEST(Accounts, BcryptOnly) {
    // htpasswd -nbBC 4 alice secret
    const auto accounts = Accounts::parse(
        "# users\nalice:$2y$04$TV.FtO3ailpYCnnQiDp7RuJfuiejolJhoZJrUuSLs7YnqnsHYYQDi\n");
    EXPECT_TRUE(accounts->has_user("alice"));
    EXPECT_TRUE(accounts->check("alice", "secret"));
    EXPECT_TRUE(accounts->check("alice", "secret"));  // from memory
    EXPECT_FALSE(accounts->check("alice", "wrong"));
    EXPECT_FALSE(accounts->check("bob", "secret"));
    EXPECT_FALSE(accounts->check("alice", std::string(10'000, 'x')));
    EXPECT_NE(accounts->fingerprint("alice"), "");
    EXPECT_EQ(accounts->fingerprint("bob"), "");
    EXPECT_THROW(Accounts::parse("bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), Error);
    EXPECT_THROW(Accounts::parse("bob"), Error);
}

namespace {

json::Object payload(std::int64_t now) {
    return {{"iss", "issuer"},
            {"sub", "alice"},
            {"aud", json::Array{"other", "us"}},
            {"exp", now + 100},
            {"nbf", now},
            {"access",
             json::Array{json::Object{
                 {"type", "repository"}, {"name", "a/b"}, {"actions", json::Array{"pull"}}}}}};
}

}  // namespace

TEST(Jwt, OnlyTheIssuersTokensAreBelieved) {
    const TokenKeys keys = TokenKeys::parse_pair(TokenKeys::make_pair().pair_pem());
    const TokenKeys others = TokenKeys::make_pair();
    const std::int64_t now = 1'800'000'000;
    const std::string token = keys.sign(payload(now));
    const Claims claims = keys.verify(token, "issuer", "us", now);
    EXPECT_EQ(claims.subject, "alice");
    EXPECT_TRUE(claims.allow("a/b", Right::pull));
    EXPECT_FALSE(claims.allow("a/b", Right::push));
    EXPECT_FALSE(claims.allow("a", Right::pull));
    EXPECT_FALSE(claims.allow_catalog());

    EXPECT_THROW(others.verify(token, "issuer", "us", now), Error);
    EXPECT_THROW(keys.verify(token, "else", "us", now), Error);
    EXPECT_THROW(keys.verify(token, "issuer", "them", now), Error);
    EXPECT_THROW(keys.verify(token, "issuer", "us", now + 1000), Error);
    EXPECT_THROW(keys.verify(token, "issuer", "us", now - 1000), Error);
    for (std::size_t at : {std::size_t{3}, token.find('.') + 5, token.size() - 3}) {
        std::string changed = token;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        EXPECT_THROW(keys.verify(changed, "issuer", "us", now), Error) << at;
    }
    json::Object eternal = payload(now);
    eternal.erase("exp");
    EXPECT_THROW(keys.verify(keys.sign(eternal), "issuer", "us", now), Error);
    const std::string body = token.substr(token.find('.'));
    for (const char* algorithm : {"none", "HS256", "RS256"}) {
        const std::string header = encode_base64_url(json::dump(json::Object{{"alg", algorithm}}));
        EXPECT_THROW(keys.verify(header + body, "issuer", "us", now), Error) << algorithm;
    }
    for (const char* malformed : {"", ".", "..", "a.b.c", "e30.e30.", "=.=.="})
        EXPECT_THROW(keys.verify(malformed, "issuer", "us", now), Error) << malformed;
}

TEST(Jwt, KeysComeAsPemOrAsKeySet) {
    EXPECT_THROW(TokenKeys::parse(""), Error);
    EXPECT_THROW(TokenKeys::parse("{\"keys\":[]}"), Error);
    EXPECT_THROW(TokenKeys::parse(R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})"),
                 Error);
    EXPECT_THROW(TokenKeys::parse(TokenKeys::make_pair().pair_pem()), Error);  // private
    // RFC 7517 appendix A.1 and RFC 8037 appendix A.2.
    const TokenKeys keys = TokenKeys::parse(
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
        R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"},{"kty":"OKP","crv":)"
        R"("Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"2"}]})");
    // RFC 8037 appendix A.4: signed by the second key, but the payload is no JSON.
    EXPECT_THROW(
        keys.verify(
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1P"
            "POt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            "i", "a", 0),
        Error);
}

TEST(Base64, BothAlphabets) {
    EXPECT_EQ(decode_base64_text("aGk="), "hi");
    EXPECT_EQ(decode_base64_text("-_-_"), decode_base64_text("+/+/"));
    EXPECT_EQ(encode_base64_url("\xfb\xff\xbf"), "-_-_");
    EXPECT_FALSE(decode_base64_text("a"));
    EXPECT_FALSE(decode_base64_text("a b="));
}

TEST(Options, SizesAndTimes) {
    EXPECT_EQ(parse_bytes("10"), 10U);
    EXPECT_EQ(parse_bytes("4m"), 4U << 20);
    EXPECT_EQ(parse_bytes("2GB"), 2ULL << 30);
    EXPECT_EQ(parse_duration_s("90"), 90);
    EXPECT_EQ(parse_duration_s("2d"), 2 * 86400);
    for (const char* bad : {"", "m", "x", "-1", "1.5m", "99999999999t"})
        EXPECT_THROW(parse_bytes(bad), Error) << bad;
    EXPECT_THROW(parse_duration_s("1w"), Error);
    const std::string wrong[][2] = {{"--nonsense", ""}, {"--tls-cert", "x"}, {"--client-ca", "x"}};
    for (const auto& arguments : wrong) EXPECT_THROW(parse_options(arguments), Error);
}

TEST(AccessLog, OneLineOfJson) {
    const std::string line = AccessLog::format({.time_ns = 0,
                                                .duration_ns = 1'500'000,
                                                .peer = "127.0.0.1:1",
                                                .method = "GET",
                                                .path = "/v2/\"\n",
                                                .status = 404});
    EXPECT_EQ(
        line,
        "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"remote\":\"127.0.0.1:1\","
        "\"method\":\"GET\",\"path\":\"/v2/\\\"\\n\",\"status\":404,\"received\":0,\"sent\":0,"
        "\"ms\":1.5}\n");
}

}  // namespace hull::registry
