#include "base/error.hh"
#include "base/sys.hh"
#include "linux/cgroup.hh"

#include <algorithm>
#include <charconv>

namespace hull::linux_ {

namespace {

/// 0 when there is no such file; "max" is UINT64_MAX.
std::uint64_t read_number(const Path& directory, std::string_view name) {
    const auto text = find_file(join(directory, name));
    if (!text) return 0;
    if (text->starts_with("max")) return UINT64_MAX;
    std::uint64_t number = 0;
    std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
}

std::vector<std::string_view> words(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> result;
    for (;;) {
        const auto begin = text.find_first_not_of(separators);
        if (begin == text.npos) return result;
        text.remove_prefix(begin);
        const auto end = text.find_first_of(separators);
        result.push_back(text.substr(0, end));
        if (end == text.npos) return result;
        text.remove_prefix(end);
    }
}

std::uint64_t to_number(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// A file of lines "key number".
std::map<std::string, std::uint64_t> read_table(const Path& directory, std::string_view name) {
    std::map<std::string, std::uint64_t> table;
    const std::string text = find_file(join(directory, name)).value_or("");
    for (const std::string_view line : words(text, "\n"))
        if (const auto cells = words(line, " "); cells.size() == 2)
            table.emplace(cells[0], to_number(cells[1]));
    return table;
}

std::uint64_t value_of(const std::map<std::string, std::uint64_t>& table, const char* key) {
    const auto found = table.find(key);
    return found == table.end() ? 0 : found->second;
}

MemoryStats read_memory_v1(const Path& path) {
    MemoryStats stats;
    stats.usage = read_number(path, "memory.usage_in_bytes");
    stats.peak = read_number(path, "memory.max_usage_in_bytes");
    stats.limit = read_number(path, "memory.limit_in_bytes");
    stats.failcnt = read_number(path, "memory.failcnt");
    const std::uint64_t both = read_number(path, "memory.memsw.usage_in_bytes");
    stats.swap_usage = both > stats.usage ? both - stats.usage : 0;
    stats.stat = read_table(path, "memory.stat");
    return stats;
}

MemoryStats read_memory_v2(const Path& path) {
    MemoryStats stats;
    stats.usage = read_number(path, "memory.current");
    stats.peak = read_number(path, "memory.peak");
    stats.limit = read_number(path, "memory.max");
    stats.failcnt = value_of(read_table(path, "memory.events"), "max");
    stats.swap_usage = read_number(path, "memory.swap.current");
    stats.stat = read_table(path, "memory.stat");
    return stats;
}

void read_cpuacct(CpuStats& stats, const Path& path) {
    stats.usage_ns = read_number(path, "cpuacct.usage");
    stats.user_ns = read_number(path, "cpuacct.usage_user");
    stats.system_ns = read_number(path, "cpuacct.usage_sys");
    const std::string per_cpu = find_file(join(path, "cpuacct.usage_percpu")).value_or("");
    for (const std::string_view cell : words(per_cpu, " \n"))
        stats.per_cpu_ns.push_back(to_number(cell));
}

CpuStats read_cpu_v2(const Path& path) {
    const auto table = read_table(path, "cpu.stat");
    constexpr std::uint64_t ns_per_us = 1000;
    CpuStats stats;
    stats.usage_ns = value_of(table, "usage_usec") * ns_per_us;
    stats.user_ns = value_of(table, "user_usec") * ns_per_us;
    stats.system_ns = value_of(table, "system_usec") * ns_per_us;
    stats.periods = value_of(table, "nr_periods");
    stats.throttled_periods = value_of(table, "nr_throttled");
    stats.throttled_ns = value_of(table, "throttled_usec") * ns_per_us;
    return stats;
}

void read_throttling_v1(CpuStats& stats, const Path& path) {
    const auto table = read_table(path, "cpu.stat");
    stats.periods = value_of(table, "nr_periods");
    stats.throttled_periods = value_of(table, "nr_throttled");
    stats.throttled_ns = value_of(table, "throttled_time");
}

struct DeviceNumber {
    std::uint64_t major, minor;
};
std::optional<DeviceNumber> parse_device(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == text.npos) return std::nullopt;
    return DeviceNumber{to_number(text.substr(0, colon)), to_number(text.substr(colon + 1))};
}

/// Lines "8:0 Read 4096" and a last "Total 4096" over all devices, which is left out.
std::vector<BlockIoEntry> read_blkio(const Path& path, std::string_view name) {
    std::vector<BlockIoEntry> entries;
    const std::string text = find_file(join(path, name)).value_or("");
    for (const std::string_view line : words(text, "\n")) {
        const auto cells = words(line, " ");
        if (cells.size() != 3) continue;
        if (const auto device = parse_device(cells[0]))
            entries.push_back(
                {device->major, device->minor, std::string(cells[1]), to_number(cells[2])});
    }
    return entries;
}

/// Lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
void read_io_v2(CgroupStats& stats, const Path& path) {
    const std::string text = find_file(join(path, "io.stat")).value_or("");
    for (const std::string_view line : words(text, "\n")) {
        const auto cells = words(line, " ");
        const auto device = cells.empty() ? std::nullopt : parse_device(cells[0]);
        if (!device) continue;
        for (const std::string_view cell : std::span(cells).subspan(1)) {
            const auto equal = cell.find('=');
            if (equal == cell.npos) continue;
            const std::string_view key = cell.substr(0, equal);
            const char* op = key.starts_with('r')   ? "read"
                             : key.starts_with('w') ? "write"
                             : key.starts_with('d') ? "discard"
                                                    : nullptr;
            if (!op) continue;
            BlockIoEntry entry{device->major, device->minor, op, to_number(cell.substr(equal + 1))};
            if (key.ends_with("bytes")) stats.io_service_bytes.push_back(entry);
            if (key.ends_with("ios")) stats.io_serviced.push_back(entry);
        }
    }
}

/// "hugetlb.2MB.current" and its like, one file per page size and number.
std::map<std::string, HugetlbStats> read_hugetlb(const Path& path, bool is_v2) {
    std::map<std::string, HugetlbStats> sizes;
    const std::string_view prefix = "hugetlb.", suffix = is_v2 ? ".current" : ".usage_in_bytes";
    for (const std::string& name : sys::list_directory(path)) {
        if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
        const std::string size =
            name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
        if (size.find('.') != size.npos) continue;  // "2MB.rsvd": reservations
        const std::string base = std::string(prefix) + size;
        HugetlbStats& stats = sizes[size];
        stats.usage = read_number(path, name);
        if (is_v2) {
            stats.failcnt = value_of(read_table(path, base + ".events"), "max");
        } else {
            stats.peak = read_number(path, base + ".max_usage_in_bytes");
            stats.failcnt = read_number(path, base + ".failcnt");
        }
    }
    return sizes;
}

/// Lines "mlx4_0 hca_handle=2 hca_object=max".
std::vector<RdmaEntry> read_rdma(const Path& path, std::string_view name) {
    std::vector<RdmaEntry> entries;
    const std::string text = find_file(join(path, name)).value_or("");
    for (const std::string_view line : words(text, "\n")) {
        const auto cells = words(line, " ");
        if (cells.empty()) continue;
        RdmaEntry entry{std::string(cells[0]), std::nullopt, std::nullopt};
        for (const std::string_view cell : std::span(cells).subspan(1)) {
            const auto equal = cell.find('=');
            if (equal == cell.npos || cell.substr(equal + 1) == "max") continue;
            const std::uint64_t number = to_number(cell.substr(equal + 1));
            if (cell.starts_with("hca_handle")) entry.hca_handles = number;
            if (cell.starts_with("hca_object")) entry.hca_objects = number;
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

/// Lines "some avg10=0.12 avg60=0.34 avg300=0.56 total=789". A kernel that does not count refuses
/// the read.
std::optional<PressureStats> read_pressure(const Path& path, std::string_view name) {
    std::string text;
    try {
        text = find_file(join(path, name)).value_or("");
    } catch (const Error&) {
    }
    if (text.empty()) return std::nullopt;
    PressureStats stats;
    for (const std::string_view line : words(text, "\n")) {
        const auto cells = words(line, " ");
        PressureLine& into = cells[0] == "full" ? stats.full : stats.some;
        for (const std::string_view cell : std::span(cells).subspan(1)) {
            const auto equal = std::min(cell.find('='), cell.size() - 1);
            const std::string_view key = cell.substr(0, equal), value = cell.substr(equal + 1);
            double average = 0;
            std::from_chars(value.data(), value.data() + value.size(), average);
            if (key == "avg10") into.average_10s = average;
            if (key == "avg60") into.average_60s = average;
            if (key == "avg300") into.average_300s = average;
            if (key == "total") into.total_us = to_number(value);
        }
    }
    return stats;
}

}  // namespace

CgroupStats Cgroup::stats() const {
    CgroupStats stats;
    for (const Directory& directory : directories_) {
        const CgroupHierarchy& hierarchy = directory.hierarchy;
        const Path& path = directory.path;
        if (hierarchy.has("memory"))
            stats.memory = hierarchy.is_v2 ? read_memory_v2(path) : read_memory_v1(path);
        if (hierarchy.is_v2 && mode_ == CgroupMode::v2) stats.cpu = read_cpu_v2(path);
        if (!hierarchy.is_v2 && (hierarchy.has("cpu") || hierarchy.has("cpuacct"))) {
            if (!stats.cpu) stats.cpu.emplace();
            if (hierarchy.has("cpuacct")) read_cpuacct(*stats.cpu, path);
            if (hierarchy.has("cpu")) read_throttling_v1(*stats.cpu, path);
        }
        if (hierarchy.has("pids")) {
            const std::uint64_t limit = read_number(path, "pids.max");
            stats.pids =
                PidsStats{read_number(path, "pids.current"), limit == UINT64_MAX ? 0 : limit};
        }
        if (hierarchy.has("blkio")) {
            stats.io_service_bytes = read_blkio(path, "blkio.throttle.io_service_bytes_recursive");
            stats.io_serviced = read_blkio(path, "blkio.throttle.io_serviced_recursive");
        }
        if (hierarchy.has("io")) read_io_v2(stats, path);
        if (hierarchy.has("hugetlb")) stats.hugetlb = read_hugetlb(path, hierarchy.is_v2);
        if (hierarchy.has("rdma"))
            stats.rdma = RdmaStats{read_rdma(path, "rdma.current"), read_rdma(path, "rdma.max")};
        if (hierarchy.is_v2 && mode_ == CgroupMode::v2) {
            stats.cpu_pressure = read_pressure(path, "cpu.pressure");
            stats.memory_pressure = read_pressure(path, "memory.pressure");
            stats.io_pressure = read_pressure(path, "io.pressure");
        }
    }
    return stats;
}

}  // namespace hull::linux_
