#include "linux/capabilities.hh"

#include "base/error.hh"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hull::linux_ {
namespace {

constexpr CapabilitySet bit(int number) { return CapabilitySet{1} << number; }

TEST(Capabilities, NamesAndNumbersAgree) {
    EXPECT_EQ(find_capability("CAP_CHOWN"), 0);
    EXPECT_EQ(find_capability("sys_admin"), 21);
    EXPECT_EQ(find_capability("cap_checkpoint_restore"), 40);
    EXPECT_EQ(find_capability("CAP_FLY"), std::nullopt);
    for (int number = 0; number <= 40; ++number)
        EXPECT_EQ(find_capability(capability_name(number)), number);
    EXPECT_EQ(capability_name(41), "CAP_41");
}

TEST(Capabilities, UnknownNamesAreReported) {
    const std::vector<std::string> names = {"CAP_KILL", "CAP_FLY"};
    const auto parsed = parse_capabilities(names);
    EXPECT_EQ(parsed.set, bit(5));
    EXPECT_EQ(parsed.unknown, std::vector<std::string>{"CAP_FLY"});
}

TEST(Capabilities, DockersDefaultIsTheKnownMask) {
    const std::vector<std::string> names(docker_default_capabilities.begin(),
                                         docker_default_capabilities.end());
    EXPECT_EQ(parse_capabilities(names).set, 0xa80425fbU);
}

TEST(Capabilities, AUserKeepsExactlyWhatItWasGiven) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const CapabilitySet kept = bit(0) | bit(5) | bit(10);
    const CapabilitySets wanted{.bounding = kept,
                                .effective = kept,
                                .permitted = kept,
                                .inheritable = kept,
                                .ambient = bit(5)};
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            drop_bounding_set(wanted.bounding);
            keep_capabilities(true);
            if (::setgid(4711) != 0 || ::setuid(4711) != 0) ::_exit(3);
            apply_capabilities(wanted);
            ::_exit(read_capabilities() == wanted ? 0 : 1);
        } catch (const std::exception&) {
            ::_exit(2);
        }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace hull::linux_
