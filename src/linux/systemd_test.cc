#include "linux/systemd.hh"

#include "base/error.hh"
#include "linux/dbus.hh"

#include <gtest/gtest.h>

namespace hull::linux_ {
namespace {

using namespace std::string_literals;

TEST(Systemd, SlicesLieInTheSlicesTheirNamesSay) {
    EXPECT_EQ(expand_slice("system.slice"), "/system.slice");
    EXPECT_EQ(expand_slice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
    EXPECT_EQ(expand_slice("-.slice"), "/");
    for (const char* bad : {"system", "/system.slice", "a//b.slice", ".slice", "-a.slice",
                            "a-.slice", "a--b.slice", "../x.slice"})
        EXPECT_THROW(expand_slice(bad), Error) << bad;
}

TEST(Systemd, CgroupPathsOfItsForm) {
    const auto found = find_systemd_path("machine.slice:libpod:abc");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->slice, "machine.slice");
    EXPECT_EQ(found->unit, "libpod-abc.scope");
    EXPECT_EQ(found->cgroup_path(), "/machine.slice/libpod-abc.scope");
    EXPECT_EQ(find_systemd_path("::abc")->cgroup_path(), "/system.slice/abc.scope");
    for (const char* other : {"", "/a/b", "a", "a:b", "/a:b:c", "a:b:c:d"})
        EXPECT_FALSE(find_systemd_path(other)) << other;
    EXPECT_THROW(find_systemd_path("nonsense:a:b"), Error);
    EXPECT_THROW(find_systemd_path("system.slice:a:"), Error);
    EXPECT_THROW(parse_systemd_path("/a/b", "id"), Error);
    EXPECT_EQ(parse_systemd_path("", "id").unit, "hull-id.scope");
}

TEST(Systemd, CpuMasks) {
    EXPECT_EQ(make_cpu_mask("0"), "\1"s);
    EXPECT_EQ(make_cpu_mask("0-2,5"), "\x27"s);
    EXPECT_EQ(make_cpu_mask("9"), "\0\2"s);
    EXPECT_EQ(make_cpu_mask(""), ""s);
    for (const char* bad : {"a", "3-1", "1,,2", "1;2", "99999"})
        EXPECT_THROW(make_cpu_mask(bad), Error) << bad;
}

std::string read_property(const std::string& bytes, std::string_view name) {
    const std::size_t at = bytes.find(name);
    return at == bytes.npos ? "absent" : bytes.substr(at + name.size() + 1, 3);
}

TEST(Systemd, LimitsBecomeProperties) {
    Resources resources;
    resources.memory.limit = 1 << 20;
    resources.memory.swap = -1;
    resources.cpu.quota = 12'345;
    resources.pids_limit = 7;
    const std::string bytes = encode_scope_limits(resources);
    for (const char* name : {"MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec", "TasksMax"})
        EXPECT_EQ(read_property(bytes, name), "\1t\0"s) << name;
    for (const char* name : {"MemoryLow", "CPUWeight", "AllowedCPUs", "IOWeight"})
        EXPECT_EQ(read_property(bytes, name), "absent") << name;
    DBusReader reader(bytes);
    EXPECT_EQ(reader.read_u32(), bytes.size() - 8) << "the array's length does not count padding";
}

}  // namespace
}  // namespace hull::linux_
