#include "linux/binfmt.hh"

#include "base/file.hh"
#include "base/sys.hh"

#include <gtest/gtest.h>

#include <stdlib.h>

namespace hull::linux_ {
namespace {

TEST(Binfmt, AnEmulatorIsOneWhoseMagicIsOfThatMachine) {
    char path[] = "/tmp/hull-binfmt-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    const std::string directory = path;
    EXPECT_FALSE(can_emulate("riscv64", directory));
    // As qemu-user-static registers them.
    write_file(join(directory, "qemu-riscv64"),
               "enabled\ninterpreter /usr/bin/qemu-riscv64-static\nflags: OCF\noffset 0\nmagic "
               "7f454c460201010000000000000000000200f300\nmask "
               "ffffffffffffff00fffffffffffffffffeffffff\n",
               0644);
    write_file(join(directory, "qemu-s390x"),
               "disabled\ninterpreter /usr/bin/qemu-s390x-static\nflags: \noffset 0\nmagic "
               "7f454c4602020100000000000000000000020016\n",
               0644);
    write_file(join(directory, "python3"), "enabled\ninterpreter /usr/bin/python3\nmagic 2b0e\n",
               0644);
    EXPECT_TRUE(can_emulate("riscv64", directory));
    EXPECT_FALSE(can_emulate("s390x", directory));
    EXPECT_FALSE(can_emulate("loong64", directory));
    EXPECT_FALSE(can_emulate("nonsense", directory));
    write_file(join(directory, "qemu-s390x"),
               "enabled\nmagic 7f454c4602020100000000000000000000020016\n", 0644);
    EXPECT_TRUE(can_emulate("s390x", directory));
    sys::remove_tree(directory);
}

}  // namespace
}  // namespace hull::linux_
