#include "linux/cgroup.hh"

#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "linux/device_program.hh"
#include "linux/namespaces.hh"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace hull::linux_ {
namespace {

TEST(CgroupLayout, IsReadFromMountinfo) {
    const auto hybrid = parse_cgroup_layout(
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup "
        "rw,cpu,cpuacct\n"
        "35 31 0:32 /docker/1 /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "4:memory:/docker/1/x\n2:cpu,cpuacct:/a\n1:name=systemd:/s\n0::/u\n");
    EXPECT_EQ(hybrid.mode, CgroupMode::hybrid);
    ASSERT_EQ(hybrid.hierarchies.size(), 4U);
    EXPECT_EQ(hybrid.find("cpuacct")->own_path, "/a");
    EXPECT_EQ(hybrid.find("memory")->mount_point, "/sys/fs/cgroup/mem ory");
    EXPECT_EQ(hybrid.find("memory")->own_path, "/x");
    EXPECT_EQ(hybrid.hierarchies[2].name, "systemd");
    EXPECT_EQ(hybrid.find_v2()->own_path, "/u");
    EXPECT_EQ(hybrid.find("pids"), nullptr);
    const auto unified =
        parse_cgroup_layout("24 22 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n");
    EXPECT_EQ(unified.mode, CgroupMode::v2);
}

TEST(Cgroup, ConversionsToV2AreThoseOfRunc) {
    EXPECT_EQ(cpu_weight_of_shares(2), 1U);
    EXPECT_EQ(cpu_weight_of_shares(1024), 100U);
    EXPECT_EQ(cpu_weight_of_shares(262144), 10000U);
    EXPECT_EQ(io_weight_of_blkio(10), 1U);
    EXPECT_EQ(io_weight_of_blkio(1000), 10000U);
}

/// A v2 cgroup made of plain files, to see what is written where.
class FakeCgroup : public testing::Test {
protected:
    void SetUp() override {
        sys::mkdir_all(root_ + "/hull-test", 0755);
        for (const char* name : {"memory.max", "memory.low", "memory.swap.max", "cpu.weight",
                                 "cpu.max", "pids.max", "io.max", "io.weight", "cpuset.cpus"})
            write_file(root_ + "/hull-test/" + name, "");
        CgroupHierarchy hierarchy;
        hierarchy.mount_point = root_;
        hierarchy.is_v2 = true;
        hierarchy.own_path = "/";
        hierarchy.controllers = {"memory", "cpu", "cpuset", "io", "pids"};
        layout_.mode = CgroupMode::v2;
        layout_.hierarchies = {hierarchy};
    }
    void TearDown() override { sys::remove_tree(root_); }
    std::string content(const std::string& name) { return read_file(root_ + "/hull-test/" + name); }

    const Path root_ = "/tmp/hull-cgroup-" + random_hex(6);
    CgroupLayout layout_;
};

TEST_F(FakeCgroup, V2LimitsAreConverted) {
    Resources resources;
    resources.memory.limit = 1000;
    resources.memory.swap = 1500;
    resources.memory.reservation = 500;
    resources.cpu.shares = 1024;
    resources.cpu.quota = 50000;
    resources.cpu.period = 100000;
    resources.cpu.cpus = "0-1";
    resources.pids_limit = -1;
    resources.block_io.weight = 1000;
    resources.block_io.throttle_read_bps = {{8, 0, 4096}};
    const auto warnings = Cgroup::open(layout_, "/hull-test").set(resources);
    EXPECT_TRUE(warnings.empty()) << warnings.front();
    EXPECT_EQ(content("memory.max"), "1000");
    EXPECT_EQ(content("memory.swap.max"), "500");
    EXPECT_EQ(content("memory.low"), "500");
    EXPECT_EQ(content("cpu.weight"), "100");
    EXPECT_EQ(content("cpu.max"), "50000 100000");
    EXPECT_EQ(content("cpuset.cpus"), "0-1");
    EXPECT_EQ(content("pids.max"), "max");
    EXPECT_EQ(content("io.weight"), "10000");
    EXPECT_EQ(content("io.max"), "8:0 rbps=4096");
}

TEST_F(FakeCgroup, HugePagesRdmaAndPressureAreRead) {
    const auto put = [&](const std::string& name, std::string_view text) {
        write_file(root_ + "/hull-test/" + name, text);
    };
    layout_.hierarchies[0].controllers = {"hugetlb", "rdma"};
    put("hugetlb.2MB.current", "4194304\n");
    put("hugetlb.2MB.events", "max 3\n");
    put("hugetlb.2MB.rsvd.current", "9\n");
    put("rdma.current", "mlx4_0 hca_handle=2 hca_object=2000\n");
    put("rdma.max", "mlx4_0 hca_handle=max hca_object=3000\n");
    put("memory.pressure",
        "some avg10=1.50 avg60=0.25 avg300=0.00 total=789\n"
        "full avg10=0.75 avg60=0.00 avg300=0.00 total=12\n");
    const CgroupStats stats = Cgroup::open(layout_, "/hull-test").stats();
    ASSERT_EQ(stats.hugetlb.size(), 1U);
    EXPECT_EQ(stats.hugetlb.at("2MB").usage, 4194304U);
    EXPECT_EQ(stats.hugetlb.at("2MB").failcnt, 3U);
    ASSERT_TRUE(stats.rdma);
    EXPECT_EQ(stats.rdma->current.at(0).device, "mlx4_0");
    EXPECT_EQ(stats.rdma->current.at(0).hca_objects, 2000U);
    EXPECT_FALSE(stats.rdma->limit.at(0).hca_handles);
    EXPECT_EQ(stats.rdma->limit.at(0).hca_objects, 3000U);
    ASSERT_TRUE(stats.memory_pressure);
    EXPECT_EQ(stats.memory_pressure->some.average_10s, 1.5);
    EXPECT_EQ(stats.memory_pressure->some.total_us, 789U);
    EXPECT_EQ(stats.memory_pressure->full.average_10s, 0.75);
    EXPECT_FALSE(stats.io_pressure);
}

TEST_F(FakeCgroup, OnlyTheFilesOfDelegationAreGivenAway) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    write_file(root_ + "/hull-test/cgroup.procs", "");
    Cgroup::open(layout_, "/hull-test").delegate(12345);
    const auto owner = [&](const char* name) { return sys::find_stat(join(root_, name))->st_uid; };
    EXPECT_EQ(owner("hull-test"), 12345U);
    EXPECT_EQ(owner("hull-test/cgroup.procs"), 12345U);
    EXPECT_EQ(owner("hull-test/memory.max"), 0U);
}

TEST_F(FakeCgroup, WhatCannotBeLimitedIsAWarning) {
    Resources resources;
    resources.memory.swappiness = 10;
    resources.hugepage_limits = {{"2MB", 1}};
    resources.cpu.burst = 5;
    const auto warnings = Cgroup::open(layout_, "/hull-test").set(resources);
    EXPECT_EQ(warnings, (std::vector<std::string>{
                            "memory swappiness: cgroup v2 has none",
                            "CPU burst: this kernel has no cpu.max.burst",
                            "huge page limit: this machine has no hugetlb cgroup controller"}));
}

TEST(Cgroup, BadPathsAreRefused) {
    const CgroupLayout layout;
    EXPECT_THROW(Cgroup::create(layout, "/a/../b"), Error);
    EXPECT_THROW(Cgroup::create(layout, "/"), Error);
    EXPECT_THROW(Cgroup::create(layout, "no-slice:hull:1"), Error);
}

/// A cgroup of this machine and, on demand, a process in it.
class RealCgroup : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        layout_ = detect_cgroups();
        cgroup_.emplace(Cgroup::create(layout_, path_));
    }
    void TearDown() override {
        if (!cgroup_) return;
        cgroup_->signal_all(SIGKILL);
        while (child_ > 0 && ::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
        cgroup_->remove();
        for (const auto& directory : cgroup_->directories())
            EXPECT_FALSE(sys::find_stat(directory.path)) << directory.path;
    }
    /// Runs `body` in the cgroup; its result is the exit code.
    template <typename Body>
    void run(Body body) {
        const auto files = cgroup_->open_join_files();
        const Fd directory = cgroup_->open_clone_directory();
        child_ = clone_process(0, directory.get()).pid;
        if (child_ != 0) return;
        try {
            Cgroup::join(files);
            ::_exit(body());
        } catch (const std::exception&) {
            ::_exit(99);
        }
    }
    int wait() {
        int status = 0;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    /// The child joins one hierarchy after the other.
    void wait_until_joined() {
        const auto has_joined = [&] {
            const Cgroup now = Cgroup::of_process(layout_, child_);
            return std::ranges::all_of(now.directories(), [&](const Cgroup::Directory& directory) {
                return directory.path.ends_with(path_);
            });
        };
        while (!has_joined()) ::poll(nullptr, 0, 1);
    }

    const std::string path_ = "/hull-test-" + random_hex(6);
    CgroupLayout layout_;
    std::optional<Cgroup> cgroup_;
    pid_t child_ = -1;
};

int wait_for_signal() {
    for (;;) ::pause();
}

TEST_F(RealCgroup, AChildJoinsAndIsFoundAgain) {
    run(wait_for_signal);
    wait_until_joined();
    EXPECT_EQ(cgroup_->list_pids(), std::vector<pid_t>{child_});
    const Cgroup found = Cgroup::of_process(layout_, child_);
    EXPECT_EQ(found.directories().size(), cgroup_->directories().size());
    cgroup_->signal_all(SIGTERM);
    EXPECT_EQ(wait(), 128 + SIGTERM);
    EXPECT_TRUE(cgroup_->is_empty());
}

TEST_F(RealCgroup, FrozenProcessesThawAndCanBeKilled) {
    run(wait_for_signal);
    wait_until_joined();
    EXPECT_FALSE(cgroup_->is_frozen());
    cgroup_->freeze();
    EXPECT_TRUE(cgroup_->is_frozen());
    cgroup_->thaw();
    EXPECT_FALSE(cgroup_->is_frozen());
    cgroup_->freeze();
    cgroup_->signal_all(SIGKILL);
    EXPECT_EQ(wait(), 128 + SIGKILL);
}

TEST_F(RealCgroup, LimitsAreSetAndRead) {
    Resources resources;
    resources.memory.limit = 64 << 20;
    resources.memory.swap = 64 << 20;
    resources.pids_limit = 7;
    resources.cpu.shares = 512;
    resources.cpu.quota = 50000;
    resources.cpu.period = 100000;
    cgroup_->set(resources);
    const auto stats = cgroup_->stats();
    if (!stats.memory || !stats.pids) GTEST_SKIP() << "no memory or pids controller";
    EXPECT_EQ(stats.memory->limit, 64U << 20);
    EXPECT_EQ(stats.pids->limit, 7U);
    resources.memory.limit = 128 << 20;  // growing and shrinking again needs both orders
    resources.memory.swap = 256 << 20;
    cgroup_->set(resources);
    resources.memory.limit = 32 << 20;
    resources.memory.swap = 32 << 20;
    cgroup_->set(resources);
    EXPECT_EQ(cgroup_->stats().memory->limit, 32U << 20);
}

TEST_F(RealCgroup, AnOomKillIsCountedAndSignalled) {
    if (!cgroup_->find_directory("memory")) GTEST_SKIP() << "no memory controller";
    Resources resources;
    resources.memory.limit = resources.memory.swap = 16 << 20;
    cgroup_->set(resources);
    const auto event = cgroup_->open_oom_event();
    run([] {
        constexpr std::size_t size = 64 << 20;
        void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        for (std::size_t at = 0; at < size; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
        return 0;
    });
    EXPECT_EQ(wait(), 128 + SIGKILL);
    ASSERT_TRUE(event);
    EXPECT_TRUE(sys::poll_one(event->get(), POLLIN, 2000));
    EXPECT_EQ(cgroup_->oom_kills(), 1U);
}

/// Whether the node can be opened for reading: 0, or 1 when it is denied.
int try_open(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return 0;
    return errno == EPERM ? 1 : 2;
}

TEST_F(RealCgroup, DeviceRulesDecide) {
    Resources resources;
    resources.devices = default_device_rules();
    resources.devices.push_back({false, 'c', 1, 5, "r"});  // zero
    cgroup_->set(resources);
    run([] { return try_open("/dev/null") * 10 + try_open("/dev/zero"); });
    EXPECT_EQ(wait(), 1);
    resources.devices = {{true, 'a', std::nullopt, std::nullopt, "rwm"}};
    cgroup_->set(resources);
    run([] { return try_open("/dev/zero"); });
    EXPECT_EQ(wait(), 0);
}

TEST_F(RealCgroup, NestedCgroupsAreRemovedToo) {
    for (const auto& directory : cgroup_->directories())
        sys::mkdir_all(directory.path + "/a/b", 0755);
}

TEST_F(RealCgroup, TheDeviceProgramDecidesAsTheV1RulesDo) {
    const auto* v2 = layout_.find_v2();
    if (!v2) GTEST_SKIP() << "no cgroup2 mount";
    const Fd directory = sys::open(join(v2->mount_point, path_), O_RDONLY | O_DIRECTORY);
    std::vector<DeviceRule> rules = default_device_rules();
    rules.push_back({false, 'c', 1, 5, "w"});  // zero: read only
    attach_device_program(directory.get(), rules);
    const auto check = [] {
        const int zero = ::open("/dev/zero", O_RDWR | O_CLOEXEC) < 0 && errno == EPERM ? 1 : 0;
        return try_open("/dev/null") * 100 + try_open("/dev/zero") * 10 + zero;
    };
    run(check);
    EXPECT_EQ(wait(), 1);
    attach_device_program(directory.get(),
                          std::vector<DeviceRule>{{true, 'a', std::nullopt, std::nullopt, "rwm"}});
    run(check);
    EXPECT_EQ(wait(), 0);
}

}  // namespace
}  // namespace hull::linux_
