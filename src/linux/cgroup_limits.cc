#include "base/error.hh"
#include "base/sys.hh"
#include "linux/cgroup.hh"
#include "linux/device_program.hh"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hull::linux_ {

std::uint64_t cpu_weight_of_shares(std::uint64_t shares) {
    constexpr std::uint64_t lowest = 2, highest = 262144;
    if (shares <= lowest) return 1;
    if (shares >= highest) return 10000;
    // Goes through (2, 1), (1024, 100) and (262144, 10000).
    const double l = std::log2(static_cast<double>(shares));
    const double exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
    return static_cast<std::uint64_t>(std::ceil(std::pow(10, exponent)));
}

std::uint64_t io_weight_of_blkio(std::uint64_t weight) {
    return weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

std::vector<DeviceRule> default_device_rules() {
    const auto node = [](std::int64_t major, std::optional<std::int64_t> minor) {
        return DeviceRule{true, 'c', major, minor, "rwm"};
    };
    return {{true, 'c', std::nullopt, std::nullopt, "m"},
            {true, 'b', std::nullopt, std::nullopt, "m"},
            node(1, 3),               // null
            node(1, 8),               // random
            node(1, 7),               // full
            node(5, 0),               // tty
            node(1, 5),               // zero
            node(1, 9),               // urandom
            node(136, std::nullopt),  // pts
            node(5, 2)};              // ptmx
}

namespace {

/// -1 is written as it is on v1.
std::string max_or(std::int64_t value) { return value < 0 ? "max" : std::to_string(value); }

std::uint64_t parse_number(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// Writes the limits of one set() call and collects what cannot be limited here.
class LimitWriter {
public:
    explicit LimitWriter(const std::vector<Cgroup::Directory>& directories)
        : directories_(directories) {}

    std::vector<std::string> write(const Resources& resources) {
        write_memory(resources.memory);
        write_cpu(resources.cpu);
        write_pids(resources.pids_limit);
        write_block_io(resources.block_io);
        for (const HugepageLimit& limit : resources.hugepage_limits) write_hugepages(limit);
        write_network(resources);
        for (const auto& [device, limit] : resources.rdma) write_rdma(device, limit);
        if (!resources.devices.empty()) write_devices(resources.devices);
        write_unified(resources.unified);
        return std::move(warnings_);
    }

private:
    struct Limit {
        std::string_view what, controller;
    };

    const Cgroup::Directory* find(std::string_view controller) const {
        for (const Cgroup::Directory& directory : directories_)
            if (directory.hierarchy.has(controller)) return &directory;
        return nullptr;
    }
    /// The same, with a warning when there is none.
    const Cgroup::Directory* need(const Limit& limit) {
        const Cgroup::Directory* directory = find(limit.controller);
        if (!directory)
            warn("{}: this machine has no {} cgroup controller", limit.what, limit.controller);
        return directory;
    }

    template <typename... Args>
    void warn(fmt::format_string<Args...> text, Args&&... args) {
        warnings_.push_back(fmt::format(text, std::forward<Args>(args)...));
    }

    /// 0, or why the kernel refused. nullopt: there is no such file, which is a warning.
    std::optional<int> try_write(const Limit& limit, const Path& directory, std::string_view name,
                                 std::string_view value) {
        const Path path = join(directory, name);
        if (path != file_path_) {  // device rules are many values for one file
            const int opened = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
            const int error = errno;
            file_ = Fd(opened);
            file_path_ = file_ ? path : Path();
            errno = error;
        }
        if (!file_) {
            if (errno != ENOENT) throw_errno(errno, "setting the {}: opening {}", limit.what, path);
            warn("{}: this kernel has no {}", limit.what, name);
            return std::nullopt;
        }
        // One write: the kernel takes each for a whole value.
        const auto written = ::pwrite(file_.get(), value.data(), value.size(), 0);
        return written == static_cast<ssize_t>(value.size()) ? 0 : errno;
    }
    void write_to(const Limit& limit, const Path& directory, std::string_view name,
                  std::string_view value) {
        const int error = try_write(limit, directory, name, value).value_or(0);
        if (error != 0)
            throw_errno(error, "setting the {}: writing {:?} to {}", limit.what, value,
                        join(directory, name));
    }
    /// The first of the files that is there.
    void write_to_either(const Limit& limit, const Path& directory, std::string_view first,
                         std::string_view second, std::string_view value) {
        const bool has_first = sys::find_stat(join(directory, first)).has_value();
        write_to(limit, directory, has_first ? first : second, value);
    }

    std::uint64_t read_number(const Path& directory, std::string_view name) const {
        return parse_number(find_file(join(directory, name)).value_or("0"));
    }

    // --- memory ---

    void write_memory(const MemoryLimits& memory) {
        const bool is_asked = memory.limit || memory.reservation || memory.swap || memory.kernel ||
                              memory.kernel_tcp || memory.swappiness || memory.disable_oom_killer;
        const Cgroup::Directory* directory = is_asked ? need({"memory limit", "memory"}) : nullptr;
        if (!directory) return;
        check_usage(memory, *directory);
        if (directory->hierarchy.is_v2)
            write_memory_v2(memory, directory->path);
        else
            write_memory_v1(memory, directory->path);
    }

    void check_usage(const MemoryLimits& memory, const Cgroup::Directory& directory) const {
        if (!memory.check_before_update.value_or(false) || !memory.limit || *memory.limit <= 0)
            return;
        const std::uint64_t usage = read_number(
            directory.path, directory.hierarchy.is_v2 ? "memory.current" : "memory.usage_in_bytes");
        if (usage > static_cast<std::uint64_t>(*memory.limit))
            throw Error(ErrorKind::conflict, "rejecting memory limit {}: current usage is {}",
                        *memory.limit, usage);
    }

    void write_memory_limit_v1(const Path& path, std::int64_t value) {
        const auto error = try_write({"memory limit", "memory"}, path, "memory.limit_in_bytes",
                                     std::to_string(value));
        if (error == EBUSY)
            throw Error(ErrorKind::conflict,
                        "unable to set memory limit to {} (current usage: {}, peak usage: {})",
                        value, read_number(path, "memory.usage_in_bytes"),
                        read_number(path, "memory.max_usage_in_bytes"));
        if (error.value_or(0) != 0)
            throw_errno(*error, "setting the memory limit: writing {} to {}", value,
                        join(path, "memory.limit_in_bytes"));
    }

    void write_memory_v1(const MemoryLimits& memory, const Path& path) {
        std::optional<std::int64_t> limit = memory.limit, swap = memory.swap;
        if (limit == 0) limit.reset();  // Docker's "not set"
        if (swap == 0) swap.reset();
        const bool has_swap = sys::find_stat(join(path, "memory.memsw.limit_in_bytes")).has_value();
        // Without a memory limit there is none for memory and swap together either.
        if (limit == -1 && !swap && has_swap) swap = -1;
        const auto write_swap = [&] {
            if (swap)
                write_to({"swap limit", "memory"}, path, "memory.memsw.limit_in_bytes",
                         std::to_string(*swap));
        };
        // The sum must never be below the memory limit: when growing it goes first.
        const bool is_growing = limit && swap &&
                                (*swap == -1 || read_number(path, "memory.limit_in_bytes") <
                                                    static_cast<std::uint64_t>(*swap));
        if (is_growing) write_swap();
        if (limit) write_memory_limit_v1(path, *limit);
        if (!is_growing) write_swap();

        if (memory.reservation && *memory.reservation != 0)
            write_to({"memory reservation", "memory"}, path, "memory.soft_limit_in_bytes",
                     std::to_string(*memory.reservation));
        if (memory.kernel && *memory.kernel > 0)
            warn("kernel memory limit: the kernel has given it up, it is not applied");
        if (memory.kernel_tcp && *memory.kernel_tcp != 0)
            write_to({"kernel TCP memory limit", "memory"}, path, "memory.kmem.tcp.limit_in_bytes",
                     std::to_string(*memory.kernel_tcp));
        write_swappiness(memory.swappiness, path);
        if (memory.disable_oom_killer)
            write_to({"OOM killer switch", "memory"}, path, "memory.oom_control",
                     *memory.disable_oom_killer ? "1" : "0");
    }

    void write_swappiness(std::optional<std::uint64_t> swappiness, const Path& path) {
        if (!swappiness || *swappiness == UINT64_MAX) return;  // -1 is Docker's "not set"
        if (*swappiness > 100)
            throw Error(ErrorKind::invalid_argument,
                        "invalid memory swappiness value: {} (valid range is 0-100)", *swappiness);
        write_to({"memory swappiness", "memory"}, path, "memory.swappiness",
                 std::to_string(*swappiness));
    }

    void write_memory_v2(const MemoryLimits& memory, const Path& path) {
        if (memory.swap && *memory.swap != 0) {
            const std::int64_t limit = memory.limit.value_or(0);
            if (*memory.swap > 0 && limit <= 0 && limit != -1)
                throw Error(ErrorKind::invalid_argument,
                            "a limit of memory and swap needs a memory limit");
            if (*memory.swap > 0 && *memory.swap < limit)
                throw Error(ErrorKind::invalid_argument,
                            "memory+swap limit should be >= memory limit");
            const std::int64_t alone = *memory.swap < 0 || limit == -1 ? -1 : *memory.swap - limit;
            write_to({"swap limit", "memory"}, path, "memory.swap.max", max_or(alone));
        } else if (memory.limit == -1 && sys::find_stat(join(path, "memory.swap.max"))) {
            write_to({"swap limit", "memory"}, path, "memory.swap.max", "max");
        }
        if (memory.limit && *memory.limit != 0)
            write_to({"memory limit", "memory"}, path, "memory.max", max_or(*memory.limit));
        if (memory.reservation && *memory.reservation != 0)
            write_to({"memory reservation", "memory"}, path, "memory.low",
                     max_or(*memory.reservation));
        if (memory.kernel.value_or(0) > 0 || memory.kernel_tcp.value_or(0) > 0)
            warn("kernel memory limit: cgroup v2 has none");
        if (memory.swappiness && *memory.swappiness != UINT64_MAX)
            warn("memory swappiness: cgroup v2 has none");
        if (memory.disable_oom_killer.value_or(false))
            warn("OOM killer switch: cgroup v2 has none");
    }

    // --- cpu ---

    void write_cpu(const CpuLimits& cpu) {
        const bool has_time = cpu.shares.value_or(0) || cpu.period.value_or(0) ||
                              cpu.quota.value_or(0) || cpu.burst || cpu.idle ||
                              cpu.realtime_period.value_or(0) || cpu.realtime_runtime.value_or(0);
        if (const auto* directory = has_time ? need({"CPU limit", "cpu"}) : nullptr) {
            if (directory->hierarchy.is_v2)
                write_cpu_v2(cpu, directory->path);
            else
                write_cpu_v1(cpu, directory->path);
        }
        const bool has_sets = !cpu.cpus.empty() || !cpu.mems.empty();
        if (const auto* directory = has_sets ? need({"CPU set", "cpuset"}) : nullptr) {
            if (!cpu.cpus.empty())
                write_to({"CPU set", "cpuset"}, directory->path, "cpuset.cpus", cpu.cpus);
            if (!cpu.mems.empty())
                write_to({"memory node set", "cpuset"}, directory->path, "cpuset.mems", cpu.mems);
        }
    }

    void write_cpu_v1(const CpuLimits& cpu, const Path& path) {
        if (cpu.shares.value_or(0))
            write_to({"CPU shares", "cpu"}, path, "cpu.shares", std::to_string(*cpu.shares));
        if (cpu.idle) write_to({"CPU idle", "cpu"}, path, "cpu.idle", std::to_string(*cpu.idle));
        if (cpu.realtime_period.value_or(0))
            write_to({"CPU real-time period", "cpu"}, path, "cpu.rt_period_us",
                     std::to_string(*cpu.realtime_period));
        if (cpu.realtime_runtime.value_or(0))
            write_to({"CPU real-time runtime", "cpu"}, path, "cpu.rt_runtime_us",
                     std::to_string(*cpu.realtime_runtime));
        const auto write_period = [&] {
            return try_write({"CPU period", "cpu"}, path, "cpu.cfs_period_us",
                             std::to_string(*cpu.period));
        };
        const bool has_period = cpu.period.value_or(0) != 0;
        std::optional<int> period_error = has_period ? write_period() : 0;
        if (cpu.quota.value_or(0)) {
            if (cpu.burst) write_burst("0", path);  // a smaller quota than the burst is refused
            write_to({"CPU quota", "cpu"}, path, "cpu.cfs_quota_us", std::to_string(*cpu.quota));
        }
        // A period can be refused because of the old quota; with the new one it fits.
        if (period_error == EINVAL) period_error = write_period();
        if (period_error.value_or(0) != 0)
            throw_errno(*period_error, "setting the CPU period: writing {} to {}", *cpu.period,
                        join(path, "cpu.cfs_period_us"));
        if (cpu.burst) write_burst(std::to_string(*cpu.burst), path);
    }
    void write_burst(std::string_view value, const Path& path) {
        if (value == "0" && !sys::find_stat(join(path, "cpu.cfs_burst_us"))) return;
        write_to({"CPU burst", "cpu"}, path, "cpu.cfs_burst_us", value);
    }

    void write_cpu_v2(const CpuLimits& cpu, const Path& path) {
        if (cpu.idle) write_to({"CPU idle", "cpu"}, path, "cpu.idle", std::to_string(*cpu.idle));
        if (cpu.shares.value_or(0) && cpu.idle.value_or(0) == 0)
            write_to({"CPU shares", "cpu"}, path, "cpu.weight",
                     std::to_string(cpu_weight_of_shares(*cpu.shares)));
        if (cpu.quota.value_or(0) || cpu.period.value_or(0)) {
            // Without a quota the one that is there stays; a new cgroup has none.
            std::string quota = "max";
            if (cpu.quota.value_or(0) > 0) quota = std::to_string(*cpu.quota);
            if (cpu.quota.value_or(0) == 0)
                if (const auto now = find_file(join(path, "cpu.max")); now && !now->empty())
                    quota = now->substr(0, now->find_first_of(" \n"));
            std::string value = quota;
            if (cpu.period.value_or(0)) value += " " + std::to_string(*cpu.period);
            write_to({"CPU quota", "cpu"}, path, "cpu.max", value);
        }
        if (cpu.burst)
            write_to({"CPU burst", "cpu"}, path, "cpu.max.burst", std::to_string(*cpu.burst));
        if (cpu.realtime_period.value_or(0) || cpu.realtime_runtime.value_or(0))
            warn("CPU real-time limit: cgroup v2 has none");
    }

    // --- the others ---

    void write_pids(std::optional<std::int64_t> limit) {
        if (!limit) return;
        if (const auto* directory = need({"pids limit", "pids"}))
            write_to({"pids limit", "pids"}, directory->path, "pids.max",
                     *limit <= 0 ? "max" : std::to_string(*limit));
    }

    void write_block_io(const BlockIoLimits& block_io) {
        const bool is_asked =
            block_io.weight.value_or(0) || block_io.leaf_weight.value_or(0) ||
            !block_io.weight_device.empty() || !block_io.throttle_read_bps.empty() ||
            !block_io.throttle_write_bps.empty() || !block_io.throttle_read_iops.empty() ||
            !block_io.throttle_write_iops.empty();
        if (!is_asked) return;
        const Cgroup::Directory* v1 = find("blkio");
        const Cgroup::Directory* v2 = find("io");
        if (v1)
            write_block_io_v1(block_io, v1->path);
        else if (v2)
            write_block_io_v2(block_io, v2->path);
        else
            warn("block I/O limit: this machine has no blkio cgroup controller");
    }

    static std::string device_value(std::int64_t major, std::int64_t minor, std::string_view key,
                                    std::uint64_t value) {
        return fmt::format("{}:{} {}{}", major, minor, key, value);
    }

    void write_block_io_v1(const BlockIoLimits& block_io, const Path& path) {
        const Limit weight{"block I/O weight", "blkio"}, rate{"block I/O rate", "blkio"};
        if (block_io.weight.value_or(0))
            write_to_either(weight, path, "blkio.bfq.weight", "blkio.weight",
                            std::to_string(*block_io.weight));
        if (block_io.leaf_weight.value_or(0))
            write_to({"block I/O leaf weight", "blkio"}, path, "blkio.leaf_weight",
                     std::to_string(*block_io.leaf_weight));
        for (const WeightDevice& device : block_io.weight_device) {
            if (device.weight.value_or(0))
                write_to_either(weight, path, "blkio.bfq.weight_device", "blkio.weight_device",
                                device_value(device.major, device.minor, "", *device.weight));
            if (device.leaf_weight.value_or(0))
                write_to({"block I/O leaf weight", "blkio"}, path, "blkio.leaf_weight_device",
                         device_value(device.major, device.minor, "", *device.leaf_weight));
        }
        const auto throttle =
            [&](const std::vector<ThrottleDevice>& devices, std::string_view name) {
            for (const ThrottleDevice& device : devices)
                write_to(rate, path, name,
                         device_value(device.major, device.minor, "", device.rate));
        };
        throttle(block_io.throttle_read_bps, "blkio.throttle.read_bps_device");
        throttle(block_io.throttle_write_bps, "blkio.throttle.write_bps_device");
        throttle(block_io.throttle_read_iops, "blkio.throttle.read_iops_device");
        throttle(block_io.throttle_write_iops, "blkio.throttle.write_iops_device");
    }

    void write_block_io_v2(const BlockIoLimits& block_io, const Path& path) {
        const Limit weight{"block I/O weight", "io"}, rate{"block I/O rate", "io"};
        const bool has_bfq = sys::find_stat(join(path, "io.bfq.weight")).has_value();
        const auto convert = [&](std::uint64_t value) {
            return has_bfq ? value : io_weight_of_blkio(value);
        };
        const std::string_view weight_file = has_bfq ? "io.bfq.weight" : "io.weight";
        if (block_io.weight.value_or(0))
            write_to(weight, path, weight_file, std::to_string(convert(*block_io.weight)));
        for (const WeightDevice& device : block_io.weight_device)
            if (device.weight.value_or(0))
                write_to(weight, path, weight_file,
                         device_value(device.major, device.minor, "", convert(*device.weight)));
        if (block_io.leaf_weight.value_or(0)) warn("block I/O leaf weight: cgroup v2 has none");
        const auto throttle =
            [&](const std::vector<ThrottleDevice>& devices, std::string_view key) {
            for (const ThrottleDevice& device : devices) {
                // 0 means no limit to Docker, and is refused by io.max.
                const std::string value =
                    device.rate == 0 ? fmt::format("{}:{} {}max", device.major, device.minor, key)
                                     : device_value(device.major, device.minor, key, device.rate);
                write_to(rate, path, "io.max", value);
            }
        };
        throttle(block_io.throttle_read_bps, "rbps=");
        throttle(block_io.throttle_write_bps, "wbps=");
        throttle(block_io.throttle_read_iops, "riops=");
        throttle(block_io.throttle_write_iops, "wiops=");
    }

    void write_hugepages(const HugepageLimit& limit) {
        const auto* directory = need({"huge page limit", "hugetlb"});
        if (!directory) return;
        const char* suffix = directory->hierarchy.is_v2 ? "max" : "limit_in_bytes";
        const std::string value = std::to_string(limit.limit);
        write_to({"huge page limit", "hugetlb"}, directory->path,
                 fmt::format("hugetlb.{}.{}", limit.page_size, suffix), value);
        // Reservations are counted apart since Linux 5.7.
        const std::string reserved = fmt::format("hugetlb.{}.rsvd.{}", limit.page_size, suffix);
        if (sys::find_stat(join(directory->path, reserved)))
            write_to({"huge page limit", "hugetlb"}, directory->path, reserved, value);
    }

    void write_network(const Resources& resources) {
        if (resources.network_class_id)
            if (const auto* directory = need({"network class", "net_cls"}))
                write_to({"network class", "net_cls"}, directory->path, "net_cls.classid",
                         std::to_string(*resources.network_class_id));
        if (resources.network_priorities.empty()) return;
        if (const auto* directory = need({"network priority", "net_prio"}))
            for (const auto& [name, priority] : resources.network_priorities)
                write_to({"network priority", "net_prio"}, directory->path, "net_prio.ifpriomap",
                         fmt::format("{} {}", name, priority));
    }

    void write_rdma(const std::string& device, const RdmaLimit& limit) {
        const auto* directory = need({"RDMA limit", "rdma"});
        if (!directory) return;
        std::string value = device;
        if (limit.hca_handles) value += fmt::format(" hca_handle={}", *limit.hca_handles);
        if (limit.hca_objects) value += fmt::format(" hca_object={}", *limit.hca_objects);
        write_to({"RDMA limit", "rdma"}, directory->path, "rdma.max", value);
    }

    void write_devices(const std::vector<DeviceRule>& rules) {
        if (const Cgroup::Directory* v1 = find("devices")) {
            write_devices_v1(rules, v1->path);
            return;
        }
        for (const Cgroup::Directory& directory : directories_)
            if (directory.hierarchy.is_v2) {
                const Fd opened = sys::open(directory.path, O_RDONLY | O_DIRECTORY);
                with_context([&] { attach_device_program(opened.get(), rules); },
                             "setting the device rules of {}", directory.path);
                return;
            }
        warn("device rules: this machine has no devices cgroup controller");
    }

    static bool is_for_all(const DeviceRule& rule) {
        return rule.type == 'a' && rule.major.value_or(-1) < 0 && rule.minor.value_or(-1) < 0 &&
               rule.access.find_first_not_of("rwm") == std::string::npos && rule.access.size() == 3;
    }

    void write_devices_v1(const std::vector<DeviceRule>& rules, const Path& path) {
        const Limit limit{"device rules", "devices"};
        // Nothing before the last rule for all devices has an effect.
        const auto last = std::find_if(rules.rbegin(), rules.rend(), is_for_all);
        const bool starts_allowed = last != rules.rend() && last->allow;
        write_to(limit, path, starts_allowed ? "devices.allow" : "devices.deny", "a");
        for (auto rule = last.base(); rule != rules.end(); ++rule) {
            const auto number = [](const std::optional<std::int64_t>& value) {
                return value.value_or(-1) < 0 ? std::string("*") : std::to_string(*value);
            };
            const std::string_view types = rule->type == 'a' ? "cb" : rule->type == 'b' ? "b" : "c";
            for (const char type : types)
                write_to(limit, path, rule->allow ? "devices.allow" : "devices.deny",
                         fmt::format("{} {}:{} {}", type, number(rule->major), number(rule->minor),
                                     rule->access));
        }
    }

    void write_unified(const std::map<std::string, std::string>& unified) {
        if (unified.empty()) return;
        const Cgroup::Directory* v2 = nullptr;
        bool has_v1 = false;
        for (const Cgroup::Directory& directory : directories_) {
            if (directory.hierarchy.is_v2) v2 = &directory;
            has_v1 |= !directory.hierarchy.is_v2;
        }
        if (!v2 || has_v1)
            throw Error(ErrorKind::unsupported, "unified limits need cgroup v2 alone");
        for (const auto& [name, value] : unified) {
            if (name.find('/') != std::string::npos || name.find('.') == std::string::npos)
                throw Error(ErrorKind::invalid_argument,
                            "unified limit {:?} is no file of a cgroup", name);
            if (!sys::find_stat(join(v2->path, name)))
                throw Error(ErrorKind::invalid_argument,
                            "unified limit {:?}: there is no such file", name);
            write_to({"unified limit", "unified"}, v2->path, name, value);
        }
    }

    const std::vector<Cgroup::Directory>& directories_;
    std::vector<std::string> warnings_;
    Path file_path_;  ///< of `file_`, the last one written
    Fd file_;
};

}  // namespace

std::vector<std::string> Cgroup::set(const Resources& resources) {
    return LimitWriter(directories_).write(resources);
}

}  // namespace hull::linux_
