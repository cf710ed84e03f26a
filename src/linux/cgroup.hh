#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::linux_ {

enum class CgroupMode { v1, hybrid, v2 };

/// One mounted hierarchy.
struct CgroupHierarchy {
    Path mount_point;
    std::vector<std::string> controllers;  ///< v1: memory or cpu,cpuacct; v2: cgroup.controllers
    std::string name;                      ///< v1 named hierarchy ("systemd"), else empty
    bool is_v2 = false;
    std::string own_path;  ///< where this process is in it, "/" at the top
    bool has(std::string_view controller) const;
};

struct CgroupLayout {
    CgroupMode mode = CgroupMode::v1;
    std::vector<CgroupHierarchy> hierarchies;

    /// The hierarchy a controller lives in, nullptr when it is in none.
    const CgroupHierarchy* find(std::string_view controller) const;
    const CgroupHierarchy* find_v2() const;
};
/// From /proc/self/mountinfo and /proc/self/cgroup.
CgroupLayout detect_cgroups();
CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view self_cgroup);

// Limits, member for member the runtime-spec's `linux.resources`.

struct DeviceRule {
    bool allow = false;
    char type = 'a';                           ///< a, b or c
    std::optional<std::int64_t> major, minor;  ///< none (or -1): any
    std::string access = "rwm";
};

struct MemoryLimits {
    std::optional<std::int64_t> limit, reservation, swap, kernel, kernel_tcp;  ///< bytes, -1 none
    std::optional<std::uint64_t> swappiness;
    std::optional<bool> disable_oom_killer, check_before_update;
};

struct CpuLimits {
    std::optional<std::uint64_t> shares, period, burst, realtime_period;  ///< microseconds
    std::optional<std::int64_t> quota, realtime_runtime, idle;
    std::string cpus, mems;
};

struct WeightDevice {
    std::int64_t major = 0, minor = 0;
    std::optional<std::uint16_t> weight, leaf_weight;
};

struct ThrottleDevice {
    std::int64_t major = 0, minor = 0;
    std::uint64_t rate = 0;
};

struct BlockIoLimits {
    std::optional<std::uint16_t> weight, leaf_weight;
    std::vector<WeightDevice> weight_device;
    std::vector<ThrottleDevice> throttle_read_bps, throttle_write_bps, throttle_read_iops,
        throttle_write_iops;
};

struct HugepageLimit {
    std::string page_size;
    std::uint64_t limit = 0;
};

struct RdmaLimit {
    std::optional<std::uint32_t> hca_handles, hca_objects;
};

struct Resources {
    /// In order, the last that fits decides; what none fits is denied. None at all: device access
    /// is not touched.
    std::vector<DeviceRule> devices;
    MemoryLimits memory;
    CpuLimits cpu;
    std::optional<std::int64_t> pids_limit;  ///< 0 or less: none
    BlockIoLimits block_io;
    std::vector<HugepageLimit> hugepage_limits;
    std::optional<std::uint32_t> network_class_id;
    std::vector<std::pair<std::string, std::uint32_t>> network_priorities;
    std::map<std::string, RdmaLimit> rdma;
    std::map<std::string, std::string> unified;  ///< v2 files by name
};

struct MemoryStats {
    /// Bytes. No limit is UINT64_MAX on v2 and the kernel's huge number on v1.
    std::uint64_t usage = 0, peak = 0, limit = 0, failcnt = 0, swap_usage = 0;
    std::map<std::string, std::uint64_t> stat;  ///< memory.stat as it is
};
struct CpuStats {
    std::uint64_t usage_ns = 0, user_ns = 0, system_ns = 0;
    std::uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
    std::vector<std::uint64_t> per_cpu_ns;  ///< v1 only
};
struct PidsStats {
    std::uint64_t current = 0, limit = 0;  ///< limit 0: none
};
struct HugetlbStats {
    std::uint64_t usage = 0, peak = 0, failcnt = 0;  ///< bytes, bytes, times
};
struct RdmaEntry {
    std::string device;
    std::optional<std::uint64_t> hca_handles, hca_objects;  ///< absent: no limit ("max")
};
struct RdmaStats {
    std::vector<RdmaEntry> current, limit;
};
/// One line of a *.pressure file. Source: Documentation/accounting/psi.rst.
struct PressureLine {
    double average_10s = 0, average_60s = 0, average_300s = 0;  ///< percent of the time
    std::uint64_t total_us = 0;
};
struct PressureStats {
    PressureLine some, full;
};
struct BlockIoEntry {
    std::uint64_t major = 0, minor = 0;
    std::string op;  ///< v1: Read, Write, Sync, Async, Discard, Total; v2: read, write, discard
    std::uint64_t value = 0;
};
struct CgroupStats {
    std::optional<MemoryStats> memory;  ///< absent without the controller
    std::optional<CpuStats> cpu;
    std::optional<PidsStats> pids;
    std::vector<BlockIoEntry> io_service_bytes, io_serviced;
    std::map<std::string, HugetlbStats> hugetlb;  ///< by page size, as the kernel writes it: "2MB"
    std::optional<RdmaStats> rdma;
    /// v2 only, and only where the kernel counts it.
    std::optional<PressureStats> cpu_pressure, memory_pressure, io_pressure;
};

/// One directory per hierarchy. Not removed by the destructor: it outlives the process that made
/// it; `remove()` does that.
class Cgroup {
public:
    /// Makes the directories (parents too). `path` is absolute below each mount point, or relative
    /// to our own cgroup. On v2 the controllers are enabled in the parents; on v1 cpuset is
    /// filled from the parent. Existing directories are reused.
    /// A systemd path (`system.slice:hull:ID`) is the directory of its scope; the scope itself is
    /// SystemdScope's to start, before.
    static Cgroup create(const CgroupLayout& layout, std::string_view path);
    /// `create` in three: names the directories, then makes them. The v2 one is needed for the
    /// clone; the v1 ones, which take longer, can be made while the child goes on.
    static Cgroup plan(const CgroupLayout& layout, std::string_view path);
    void make_v2();
    void make_v1();
    /// The same without making anything; hierarchies it is missing in are left out.
    static Cgroup open(const CgroupLayout& layout, std::string_view path);
    /// Of a running process, from /proc/PID/cgroup: for exec.
    static Cgroup of_process(const CgroupLayout& layout, pid_t pid);

    /// Writes the limits. A limit whose controller or file is missing is left out and reported in
    /// the result as one line ("memory limit: this machine has no memory cgroup controller");
    /// a refused write throws.
    std::vector<std::string> set(const Resources& resources);

    /// Lets `owner` make cgroups below this one on v2: the directory and the files that the kernel
    /// says may be given away become theirs, nothing else. Nothing on v1 and hybrid.
    /// Source: runtime-spec config-linux.md, "Cgroup ownership"; cgroups(7).
    void delegate(uid_t owner);

    /// Opened `tasks` files of the v1 hierarchies, to be handed to the child, which calls `join`
    /// itself: 38 times cheaper than a pid written by the parent. `below` names an existing child.
    std::vector<Fd> open_join_files(const Path& below = "") const;
    /// Writes 0 to each: the calling thread joins. Single-threaded callers only.
    static void join(std::span<const Fd> join_files);
    /// Directory of the v2 hierarchy for CLONE_INTO_CGROUP; empty where there is none. Writing to
    /// its cgroup.procs instead costs an RCU grace period, 4 to 15 ms, on hybrid machines too.
    Fd open_clone_directory(const Path& below = "") const;
    /// Moves a process from outside (slow on v1).
    void add_process(pid_t pid);

    void freeze();  ///< blocks until frozen; throws unavailable after 10 s
    void thaw();
    bool is_frozen() const;

    std::vector<pid_t> list_pids() const;  ///< nested cgroups included, sorted
    /// Sends a signal to all; SIGKILL uses cgroup.kill where there is one and thaws first.
    void signal_all(int signal_number);
    bool is_empty() const { return list_pids().empty(); }

    CgroupStats stats() const;
    std::uint64_t oom_kills() const;  ///< processes the OOM killer took, so far
    /// Readable after an OOM event (v1 eventfd; v2 inotify on memory.events). nullopt without a
    /// memory controller. Read it, then ask `oom_kills()`.
    std::optional<Fd> open_oom_event() const;

    /// Removes nested cgroups and the directories; waits for the last processes to leave, at most
    /// `timeout_ms`. Throws unavailable naming the directory that stays busy. Gone ones are fine.
    void remove(int timeout_ms = 2000);

    /// Directory in the hierarchy of this controller, nullopt when it is in none.
    std::optional<Path> find_directory(std::string_view controller) const;
    struct Directory {
        CgroupHierarchy hierarchy;
        Path path;
    };
    const std::vector<Directory>& directories() const { return directories_; }
    CgroupMode mode() const { return mode_; }

private:
    Cgroup() = default;
    void make(bool is_v2);
    CgroupMode mode_ = CgroupMode::v1;
    std::string path_;  ///< as it was asked for
    std::vector<Directory> directories_;
};

/// What every container may use whatever its rules say: making nodes, and the devices that the
/// runtime puts in /dev (runtime-spec config-linux.md, "Default Devices").
std::vector<DeviceRule> default_device_rules();

/// cpu.shares (2…262144) to cpu.weight (1…10000), as runc 1.5 and crun 1.23 convert it.
std::uint64_t cpu_weight_of_shares(std::uint64_t shares);
/// blkio.weight (10…1000) to io.weight (1…10000).
std::uint64_t io_weight_of_blkio(std::uint64_t weight);

}  // namespace hull::linux_
