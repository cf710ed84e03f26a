#pragma once
#include "base/locked.hh"

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace hull::registry {

/// Counters since the worker's start, for Prometheus.
class Metrics {
public:
    std::atomic<std::uint64_t> received_bytes = 0, sent_bytes = 0;
    std::atomic<std::uint64_t> manifest_pushes = 0, blob_pushes = 0, blob_mounts = 0;
    std::atomic<std::uint64_t> proxied_blobs = 0, proxied_bytes = 0, upstream_errors = 0;
    std::atomic<std::uint64_t> collections = 0, collected_blobs = 0, collected_bytes = 0;
    std::atomic<std::int64_t> requests_running = 0;

    void count_request(std::string_view method, int status, std::int64_t duration_ns);
    /// Prometheus text format 0.0.4. `uploads`: unfinished ones.
    std::string text(std::size_t uploads);

private:
    static constexpr std::array<double, 10> bounds_s = {0.001, 0.005, 0.01, 0.05, 0.1,
                                                        0.5,   1,     5,    10,   60};
    struct Requests {
        std::map<std::pair<std::string, int>, std::uint64_t> by_method_and_status;
        std::array<std::uint64_t, bounds_s.size() + 1> durations{};
        double sum_s = 0;
    };
    Locked<Requests> requests_;
};

}  // namespace hull::registry
