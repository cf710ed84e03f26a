#include "linux/apparmor.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <gtest/gtest.h>

namespace hull::linux_ {
namespace {

TEST(AppArmor, TheProfileNamesItself) {
    const std::string text = make_apparmor_profile("mine");
    EXPECT_NE(text.find("profile mine flags="), std::string::npos);
    EXPECT_NE(text.find("signal (send, receive) peer=mine,"), std::string::npos);
    EXPECT_NE(text.find("deny mount,"), std::string::npos);
    EXPECT_EQ(text.find("NAME"), std::string::npos);
}

TEST(AppArmor, TheProfileCompiles) {
    const auto parser = find_apparmor_parser();
    if (!parser) GTEST_SKIP() << "needs apparmor_parser";
    const Path file = "/tmp/hull-apparmor-test-" + random_hex(6);
    write_file(file, make_apparmor_profile("hull-test"));
    Command command;
    command.arguments = {*parser, "--skip-kernel-load", "--skip-cache", file};
    EXPECT_EQ(Process::spawn(command).wait().docker_code(), 0);
    sys::unlink(file);
}

TEST(AppArmor, LoadingSaysWhatIsMissing) {
    if (find_apparmor_parser()) GTEST_SKIP() << "apparmor_parser is installed";
    try {
        load_default_apparmor_profile();
        FAIL() << "nothing thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::unsupported);
        EXPECT_NE(error.message().find("apparmor_parser is not installed"), std::string::npos);
    }
}

}  // namespace
}  // namespace hull::linux_
