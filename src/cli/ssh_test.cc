#include "cli/ssh.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

std::string words_before_command(std::string_view host) {
    std::string text;
    for (const std::string& word : ssh_arguments(host)) {
        text += (text.empty() ? "" : " ") + word;
        if (text.find(" -- ") != std::string::npos) break;
    }
    return text;
}

TEST(Ssh, AddressesBecomeArguments) {
    struct {
        std::string_view host, words;
    } const cases[] = {
        {"ssh://far", "-o ConnectTimeout=30 -T -- far"},
        {"ssh://me@far", "-o ConnectTimeout=30 -T -l me -- far"},
        {"ssh://me@far:2222", "-o ConnectTimeout=30 -T -l me -p 2222 -- far"},
        {"ssh://[fd00::1]:22", "-o ConnectTimeout=30 -T -p 22 -- fd00::1"},
    };
    for (const auto& [host, words] : cases) EXPECT_EQ(words_before_command(host), words) << host;
}

TEST(Ssh, ASocketIsOneWordOfTheShellThere) {
    EXPECT_NE(ssh_arguments("ssh://far/run/it's").back().find("-H 'unix:///run/it'\\''s'"),
              std::string::npos);
    EXPECT_EQ(ssh_arguments("ssh://far/").back().find("-H"), std::string::npos);
}

TEST(Ssh, WhatSshWouldTakeForAnOptionIsRefused) {
    for (const char* host : {"ssh://-oProxyCommand=x", "ssh://-l@far", "ssh://far:-p", "ssh://@far",
                             "ssh://me@", "ssh://:22"})
        EXPECT_THROW(ssh_arguments(host), Error) << host;
}

}  // namespace
}  // namespace hull::cli
