#include "oci/seccomp_profile.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

#include <algorithm>

namespace hull::oci {
namespace {

constexpr KernelVersion kernel{6, 1};

Seccomp expand(std::string_view text, std::vector<std::string> capabilities = {},
               std::string_view architecture = "amd64", KernelVersion version = kernel) {
    return expand_docker_profile(text, capabilities, architecture, version);
}

bool names(const Seccomp& seccomp, const std::string& name) {
    return std::ranges::any_of(seccomp.syscalls, [&](const SeccompRule& rule) {
        return std::ranges::count(rule.names, name) > 0;
    });
}

TEST(SeccompProfile, TheDefaultFollowsCapabilitiesArchitectureAndKernel) {
    const Seccomp plain = expand(default_seccomp_profile());
    EXPECT_EQ(plain.default_action, "SCMP_ACT_ERRNO");
    EXPECT_EQ(plain.architectures,
              (std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}));
    EXPECT_TRUE(names(plain, "read"));
    EXPECT_TRUE(names(plain, "arch_prctl"));
    EXPECT_TRUE(names(plain, "ptrace"));
    EXPECT_FALSE(names(plain, "mount"));
    EXPECT_FALSE(names(plain, "riscv_flush_icache"));
    const auto clone3 =
        std::ranges::find(plain.syscalls, std::vector<std::string>{"clone3"}, &SeccompRule::names);
    ASSERT_NE(clone3, plain.syscalls.end());
    EXPECT_EQ(clone3->errno_return, 38U);
    EXPECT_TRUE(names(expand(default_seccomp_profile(), {"CAP_SYS_ADMIN"}), "mount"));
    EXPECT_FALSE(names(expand(default_seccomp_profile(), {}, "amd64", {4, 7}), "ptrace"));
    EXPECT_FALSE(names(expand(default_seccomp_profile(), {}, "arm64"), "arch_prctl"));
}

TEST(SeccompProfile, APlainProfilePassesUnchanged) {
    const Seccomp seccomp = expand(
        R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"reboot","action":"SCMP_ACT_KILL"}]})");
    EXPECT_TRUE(names(seccomp, "reboot"));
    EXPECT_TRUE(seccomp.architectures.empty());
}

TEST(SeccompProfile, ContradictionsAreRefused) {
    for (
        const char* text :
        {"[]", "{", "{}",
         R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"NO"}]})",
         R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]})",
         R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_KILL"}]})",
         R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["b"],"action":"SCMP_ACT_KILL","includes":{"minKernel":"x"}}]})"})
        EXPECT_THROW(expand(text), Error) << text;
}

}  // namespace
}  // namespace hull::oci
