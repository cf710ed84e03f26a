#include "runtime/stats.hh"

#include <map>

namespace hull::runtime {
namespace {

json::Object make_cpu(const linux_::CpuStats& cpu) {
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

json::Object make_memory(const linux_::MemoryStats& memory) {
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

json::Value make_pressure_line(const linux_::PressureLine& line) {
    return json::Object{{"avg10", line.average_10s},
                        {"avg60", line.average_60s},
                        {"avg300", line.average_300s},
                        {"total", line.total_us}};
}

void append_pressure(json::Object& to, const std::optional<linux_::PressureStats>& pressure) {
    if (pressure)
        to.append("psi", json::Object{{"some", make_pressure_line(pressure->some)},
                                      {"full", make_pressure_line(pressure->full)}});
}

json::Value make_hugetlb(const std::map<std::string, linux_::HugetlbStats>& sizes) {
    json::Object result;
    for (const auto& [size, stats] : sizes)
        result.append(
            size,
            json::Object{{"usage", stats.usage}, {"max", stats.peak}, {"failcnt", stats.failcnt}});
    return result;
}

json::Value make_rdma(const std::vector<linux_::RdmaEntry>& entries) {
    json::Array result;
    for (const linux_::RdmaEntry& entry : entries) {
        json::Object object{{"device", entry.device}};
        if (entry.hca_handles) object.append("hcaHandles", *entry.hca_handles);
        if (entry.hca_objects) object.append("hcaObjects", *entry.hca_objects);
        result.push_back(std::move(object));
    }
    return result;
}

}  // namespace

json::Value make_stats_event(const std::string& id, const linux_::CgroupStats& stats) {
    json::Object data;
    if (stats.cpu) {
        json::Object cpu = make_cpu(*stats.cpu);
        append_pressure(cpu, stats.cpu_pressure);
        data.append("cpu", std::move(cpu));
    }
    if (stats.memory) {
        json::Object memory = make_memory(*stats.memory);
        append_pressure(memory, stats.memory_pressure);
        data.append("memory", std::move(memory));
    }
    if (stats.pids)
        data.append("pids",
                    json::Object{{"current", stats.pids->current}, {"limit", stats.pids->limit}});
    json::Object block_io{{"ioServiceBytesRecursive", make_io(stats.io_service_bytes)},
                          {"ioServicedRecursive", make_io(stats.io_serviced)}};
    append_pressure(block_io, stats.io_pressure);
    data.append("blkio", std::move(block_io));
    if (!stats.hugetlb.empty()) data.append("hugetlb", make_hugetlb(stats.hugetlb));
    if (stats.rdma)
        data.append("rdma", json::Object{{"current", make_rdma(stats.rdma->current)},
                                         {"limit", make_rdma(stats.rdma->limit)}});
    return json::Object{{"type", "stats"}, {"id", id}, {"data", data}};
}

}  // namespace hull::runtime
