#pragma once
#include "api/types/nullable.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// GET /containers/{id}/stats. Members that are absent are left out of the JSON; what they are
/// absent for is said beside them.
namespace hull::api {

/// Nanoseconds of processor time.
struct CpuUsage {
    std::uint64_t total_usage = 0, usage_in_kernelmode = 0, usage_in_usermode = 0;
    std::vector<std::uint64_t> percpu_usage;  ///< cgroup v1 only
};

struct ThrottlingData {
    std::uint64_t periods = 0, throttled_periods = 0;
    std::uint64_t throttled_time = 0;  ///< ns
};

struct CpuStats {
    CpuUsage cpu_usage;
    std::uint64_t system_cpu_usage = 0;  ///< ns, of the whole machine; absent: no sample
    std::int64_t online_cpus = 0;        ///< absent: no sample
    ThrottlingData throttling_data;
};

struct PidsStats {
    std::uint64_t current = 0;
    std::uint64_t limit = 0;  ///< absent: none (cgroup v1)
};

/// Bytes.
struct MemoryStats {
    std::uint64_t usage = 0;
    std::uint64_t max_usage = 0;  ///< cgroup v1 only
    std::map<std::string, std::uint64_t> stats;
    std::uint64_t failcnt = 0;  ///< cgroup v1 only
    std::uint64_t limit = 0;    ///< the machine's memory when the container has none
};

struct BlkioEntry {
    std::uint64_t major = 0, minor = 0;
    std::string op;
    std::uint64_t value = 0;
};

/// The kernel tells the first two; Docker's clients look for the others as well.
struct BlkioStats {
    Nullable<std::vector<BlkioEntry>> io_service_bytes_recursive, io_serviced_recursive;
};

struct InterfaceStats {
    std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
    std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

struct ContainerStats {
    std::string name;  ///< with the leading slash
    std::string id;
    std::string read, preread;  ///< RFC 3339, hull::zero_time: no sample
    PidsStats pids_stats;
    BlkioStats blkio_stats;
    CpuStats cpu_stats, precpu_stats;
    MemoryStats memory_stats;
    std::map<std::string, InterfaceStats> networks;  ///< by interface; absent: none of its own
};

json::Value to_json(const ContainerStats&);
void from_json(const json::Value&, ContainerStats&);

}  // namespace hull::api
