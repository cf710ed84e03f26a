#include "runtime/stats.hh"

#include <map>

namespace hull::runtime {
namespace {

json::Value make_cpu(const linux_::CpuStats& cpu) {
    json::Array per_cpu;
    for (std::uint64_t value : cpu.per_cpu_ns) per_cpu.emplace_back(value);
    json::Object usage{{"total", cpu.usage_ns}, {"kernel", cpu.system_ns}, {"user", cpu.user_ns}};
    if (!per_cpu.empty()) usage.append("percpu", per_cpu);
    json::Object throttling{{"periods", cpu.periods},
                            {"throttledPeriods", cpu.throttled_periods},
                            {"throttledTime", cpu.throttled_ns}};
    return json::Object{{"usage", usage}, {"throttling", throttling}};
}

json::Value make_entry(std::uint64_t usage, std::uint64_t max, std::uint64_t limit,
                       std::uint64_t failures) {
    return json::Object{{"limit", limit}, {"usage", usage}, {"max", max}, {"failcnt", failures}};
}

json::Value make_memory(const linux_::MemoryStats& memory) {
    json::Object raw;
    for (const auto& [name, value] : memory.stat) raw.append(name, value);
    auto cache = memory.stat.find("cache");
    json::Object result;
    if (cache != memory.stat.end()) result.append("cache", cache->second);
    result.append("usage", make_entry(memory.usage, memory.peak, memory.limit, memory.failcnt));
    result.append("swap", make_entry(memory.swap_usage, 0, 0, 0));
    result.append("raw", raw);
    return result;
}

json::Value make_io(const std::vector<linux_::BlockIoEntry>& entries) {
    json::Array result;
    for (const linux_::BlockIoEntry& entry : entries)
        result.push_back(json::Object{{"major", entry.major},
                                      {"minor", entry.minor},
                                      {"op", entry.op},
                                      {"value", entry.value}});
    return result;
}

}  // namespace

json::Value make_stats_event(const std::string& id, const linux_::CgroupStats& stats) {
    json::Object data;
    if (stats.cpu) data.append("cpu", make_cpu(*stats.cpu));
    if (stats.memory) data.append("memory", make_memory(*stats.memory));
    if (stats.pids)
        data.append("pids",
                    json::Object{{"current", stats.pids->current}, {"limit", stats.pids->limit}});
    data.append("blkio", json::Object{{"ioServiceBytesRecursive", make_io(stats.io_service_bytes)},
                                      {"ioServicedRecursive", make_io(stats.io_serviced)}});
    return json::Object{{"type", "stats"}, {"id", id}, {"data", data}};
}

}  // namespace hull::runtime
