#include "registry/metrics.hh"

#include <fmt/core.h>

#include <algorithm>

namespace hull::registry {

namespace {

/// What clients make up must not become names without end.
std::string_view known_method(std::string_view method) {
    for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
        if (method == known) return known;
    return "other";
}

}  // namespace

void Metrics::count_request(std::string_view method, int status, std::int64_t duration_ns) {
    const double seconds = static_cast<double>(duration_ns) / 1e9;
    const auto bucket = std::lower_bound(bounds_s.begin(), bounds_s.end(), seconds);
    auto requests = requests_.lock();
    requests->by_method_and_status[{std::string(known_method(method)), status}]++;
    requests->durations[static_cast<std::size_t>(bucket - bounds_s.begin())]++;
    requests->sum_s += seconds;
}

std::string Metrics::text(std::size_t uploads) {
    std::string text;
    const auto add =
        [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
        text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
    };
    {
        auto requests = requests_.lock();
        text +=
            "# HELP hull_registry_requests_total Requests answered.\n"
            "# TYPE hull_registry_requests_total counter\n";
        for (const auto& [key, count] : requests->by_method_and_status)
            text += fmt::format("hull_registry_requests_total{{method=\"{}\",status=\"{}\"}} {}\n",
                                key.first, key.second, count);
        text +=
            "# HELP hull_registry_request_seconds Time from a request's header to its reply.\n"
            "# TYPE hull_registry_request_seconds histogram\n";
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < bounds_s.size(); i++) {
            total += requests->durations[i];
            text += fmt::format("hull_registry_request_seconds_bucket{{le=\"{}\"}} {}\n",
                                bounds_s[i], total);
        }
        total += requests->durations.back();
        text += fmt::format(
            "hull_registry_request_seconds_bucket{{le=\"+Inf\"}} {0}\n"
            "hull_registry_request_seconds_sum {1}\n"
            "hull_registry_request_seconds_count {0}\n",
            total, requests->sum_s);
    }
    add("hull_registry_requests_running", "gauge", "Requests not yet answered.",
        requests_running.load());
    add("hull_registry_uploads", "gauge", "Unfinished uploads.", uploads);
    const struct {
        const char *name, *help;
        const std::atomic<std::uint64_t>& value;
    } counters[] = {
        {"received_bytes", "Bytes of request bodies.", received_bytes},
        {"sent_bytes", "Bytes of reply bodies.", sent_bytes},
        {"manifest_pushes", "Manifests received.", manifest_pushes},
        {"blob_pushes", "Blobs received.", blob_pushes},
        {"blob_mounts", "Blobs mounted from other repositories.", blob_mounts},
        {"proxied_blobs", "Blobs fetched from upstream.", proxied_blobs},
        {"proxied_bytes", "Bytes fetched from upstream.", proxied_bytes},
        {"upstream_errors", "Requests that upstream did not answer well.", upstream_errors},
        {"collections", "Garbage collections.", collections},
        {"collected_blobs", "Blobs removed by garbage collections.", collected_blobs},
        {"collected_bytes", "Bytes removed by garbage collections.", collected_bytes},
    };
    for (const auto& [name, help, value] : counters)
        add(fmt::format("hull_registry_{}_total", name), "counter", help, value.load());
    return text;
}

}  // namespace hull::registry
