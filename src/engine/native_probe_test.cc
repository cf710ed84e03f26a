#include "engine/native_probe.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::engine {

using Words = std::vector<std::string>;

TEST(NativeProbe, IsReadFromWhatAUserTypes) {
    struct {
        Words test, words;
    } const cases[] = {
        {{"HTTP", "http://localhost:8080/healthz"}, {"http", "localhost", "8080", "/healthz"}},
        {{"HTTP", "8080/healthz?full=1"}, {"http", "localhost", "8080", "/healthz?full=1"}},
        {{"HTTP", ":65535"}, {"http", "localhost", "65535", "/"}},
        {{"HTTP", "http://127.0.0.1/"}, {"http", "127.0.0.1", "80", "/"}},
        {{"HTTP", "http://[::1]/x"}, {"http", "::1", "80", "/x"}},
        {{"HTTP", "http://[::1]:90/x"}, {"http", "::1", "90", "/x"}},
        {{"TCP", "5432"}, {"tcp", "localhost", "5432"}},
        {{"TCP", "10.0.0.1:1"}, {"tcp", "10.0.0.1", "1"}},
        {{"FILE", "/run/ready"}, {"file", "/run/ready"}},
    };
    for (const auto& [test, words] : cases) {
        SCOPED_TRACE(test[1]);
        EXPECT_EQ(parse_native_probe(test), words);
    }
}

TEST(NativeProbe, WhatItCannotAskIsRefused) {
    const Words cases[] = {
        {"HTTP"},
        {"HTTP", "80", "81"},
        {"HTTP", ""},
        {"HTTP", "https://localhost/"},
        {"HTTP", "http://example.org/"},
        {"HTTP", "localhost:0/"},
        {"HTTP", "localhost:65536/"},
        {"HTTP", "80/a b"},
        {"HTTP", "80/a\r\nX: y"},
        {"TCP", "http"},
        {"TCP", "-1"},
        {"TCP", "1x"},
        {"FILE", "relative"},
        {"FILE", ""},
        {"FILE", std::string("/a\0b", 4)},
    };
    for (const Words& test : cases) {
        SCOPED_TRACE(test.back());
        EXPECT_THROW(parse_native_probe(test), Error);
    }
}

}  // namespace hull::engine
