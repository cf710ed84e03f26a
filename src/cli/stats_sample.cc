#include "cli/stats_sample.hh"

namespace hull::cli {
namespace {

double number(const json::Value& value) { return value.is_number() ? value.as_double() : 0; }

double cpu_percent(const json::Value& now, const json::Value& before) {
    const double used =
        number(now["cpu_usage"]["total_usage"]) - number(before["cpu_usage"]["total_usage"]);
    const double passed = number(now["system_cpu_usage"]) - number(before["system_cpu_usage"]);
    if (used <= 0 || passed <= 0) return 0;
    double cpus = number(now["online_cpus"]);
    const json::Value& each = now["cpu_usage"]["percpu_usage"];
    if (cpus == 0 && each.is_array()) cpus = static_cast<double>(each.as_array().size());
    return used / passed * cpus * 100;
}

/// What could be given back at once is not counted; cgroup v1 and v2 name it differently.
double memory_used(const json::Value& memory) {
    const double usage = number(memory["usage"]);
    for (const char* name : {"total_inactive_file", "inactive_file"}) {
        const json::Value& cache = memory["stats"][name];
        if (cache.is_number() && number(cache) < usage) return usage - number(cache);
    }
    return usage;
}

}  // namespace

StatsSample make_stats_sample(const json::Value& message) {
    StatsSample sample;
    if (message["id"].is_string()) sample.id = message["id"].as_string();
    if (message["name"].is_string()) sample.name = message["name"].as_string();
    if (sample.name.starts_with('/')) sample.name.erase(0, 1);
    sample.cpu_percent = cpu_percent(message["cpu_stats"], message["precpu_stats"]);
    sample.memory = memory_used(message["memory_stats"]);
    sample.memory_limit = number(message["memory_stats"]["limit"]);
    if (sample.memory_limit > 0) sample.memory_percent = sample.memory / sample.memory_limit * 100;
    if (message["networks"].is_object()) {
        for (const auto& [name, network] : message["networks"].as_object()) {
            sample.network_received += number(network["rx_bytes"]);
            sample.network_sent += number(network["tx_bytes"]);
        }
    }
    const json::Value& blocks = message["blkio_stats"]["io_service_bytes_recursive"];
    if (blocks.is_array()) {
        for (const json::Value& entry : blocks.as_array()) {
            if (!entry["op"].is_string() || entry["op"].as_string().empty()) continue;
            const char letter = entry["op"].as_string()[0];
            if (letter == 'r' || letter == 'R') sample.block_read += number(entry["value"]);
            if (letter == 'w' || letter == 'W') sample.block_written += number(entry["value"]);
        }
    }
    if (message["pids_stats"]["current"].is_number())
        sample.pids = message["pids_stats"]["current"].as_uint();
    return sample;
}

}  // namespace hull::cli
