#pragma once
#include "api/types/container.hh"

#include <cstdint>
#include <string>
#include <vector>

namespace hull::engine {

/// What one run of a health check gave.
struct ProbeResult {
    std::int64_t started_ns = 0, ended_ns = 0;  ///< since 1970
    int exit_code = -1;                         ///< -1: it could not run, or not in time
    std::string output;                         ///< its first 4 KiB
};

/// How a container with a health check is; part of its run state.
struct Health {
    enum class Status { none, starting, healthy, unhealthy };
    Status status = Status::none;  ///< none: it was never started
    int failing_streak = 0;
    std::vector<ProbeResult> log;  ///< the last five
};
std::string_view to_string(Health::Status status);  ///< Docker's word
/// Throws data_loss.
Health::Status parse_health_status(std::string_view text);

/// A health check with its defaults filled in. Durations are nanoseconds.
struct HealthCheck {
    std::vector<std::string> command;  ///< of an exec, or:
    std::vector<std::string> native;   ///< for hull-probe; both empty: there is nothing to check
    std::string action;                ///< when it turns unhealthy: "", "restart", "stop", "kill"
    std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
    int retries = 0;

    bool is_set() const { return !command.empty() || !native.empty(); }
};
/// Of a container's config, merged with its image's.
HealthCheck make_health_check(const api::ContainerConfig& config);

/// Docker's rules: a success makes healthy; `retries` failures in a row make unhealthy, where those
/// in the start period of a container that was never healthy do not count.
Health after_probe(Health health, const HealthCheck& check, std::int64_t container_started_ns,
                   ProbeResult result);
/// From the end of a probe, or the start of the container, to the next probe.
std::int64_t next_probe_delay_ns(const Health& health, const HealthCheck& check,
                                 std::int64_t container_age_ns);

/// As Go writes a duration: "1m30s", "1.5s", "200ms".
std::string go_duration(std::int64_t ns);

}  // namespace hull::engine
