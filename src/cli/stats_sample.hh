#pragma once
#include "base/json.hh"

#include <cstdint>
#include <string>

namespace hull::cli {

/// What one message of GET /containers/{id}/stats says, in the units people read.
struct StatsSample {
    std::string id, name;  ///< "" when the daemon does not say
    double cpu_percent = 0;
    double memory = 0, memory_limit = 0;  ///< bytes, without the page cache that can go at once
    double memory_percent = 0;
    double network_received = 0, network_sent = 0;  ///< bytes, all interfaces
    double block_read = 0, block_written = 0;       ///< bytes, all devices
    std::uint64_t pids = 0;
};

/// Source: Engine API, ContainerStats: CPU time is what was used since `precpu_stats` of what all
/// online CPUs could give.
StatsSample make_stats_sample(const json::Value& message);

}  // namespace hull::cli
