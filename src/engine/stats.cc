#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/text.hh"
#include "linux/cgroup.hh"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

namespace hull::engine {

namespace {

constexpr int interval_ms = 1000;
constexpr std::int64_t second_ns = 1'000'000'000;

std::uint64_t to_count(const std::string& text) {
    return static_cast<std::uint64_t>(find_integer(text).value_or(0));
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words = split(text, ' ');
    std::erase(words, "");
    return words;
}

/// Processor time of the whole machine in ns: the first seven columns of /proc/stat (proc(5)), the
/// idle ones included; guests are counted in `user` already.
std::uint64_t machine_cpu_ns() {
    const std::string text = find_file("/proc/stat").value_or("");
    const std::vector<std::string> words =
        words_of(std::string_view(text).substr(0, text.find('\n')));
    std::uint64_t ticks = 0;
    for (std::size_t i = 1; i < std::min<std::size_t>(words.size(), 8); ++i)
        ticks += to_count(words[i]);
    return ticks * static_cast<std::uint64_t>(second_ns / ::sysconf(_SC_CLK_TCK));
}

/// Counters of the network interfaces that `pid` sees, except the loopback.
std::map<std::string, api::InterfaceStats> interfaces_of(pid_t pid) {
    std::map<std::string, api::InterfaceStats> interfaces;
    const std::string text = find_file(fmt::format("/proc/{}/net/dev", pid)).value_or("");
    for (const std::string& line : split(text, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) continue;
        const std::string name = words_of(line.substr(0, colon)).at(0);
        const std::vector<std::string> counts = words_of(std::string_view(line).substr(colon + 1));
        if (name == "lo" || counts.size() < 16) continue;
        interfaces[name] = {to_count(counts[0]),  to_count(counts[1]), to_count(counts[2]),
                            to_count(counts[3]),  to_count(counts[8]), to_count(counts[9]),
                            to_count(counts[10]), to_count(counts[11])};
    }
    return interfaces;
}

api::CpuStats cpu_view(const std::optional<linux_::CpuStats>& cpu, const Host& host) {
    api::CpuStats view;
    view.system_cpu_usage = machine_cpu_ns();
    view.online_cpus = host.cpus;
    if (!cpu) return view;
    view.cpu_usage = {cpu->usage_ns, cpu->system_ns, cpu->user_ns, cpu->per_cpu_ns};
    view.throttling_data = {cpu->periods, cpu->throttled_periods, cpu->throttled_ns};
    return view;
}

api::MemoryStats memory_view(const linux_::MemoryStats& memory, const Host& host) {
    api::MemoryStats view;
    view.usage = memory.usage;
    view.stats = memory.stat;
    view.limit = std::min(memory.limit, host.memory_bytes);
    if (!host.is_cgroup_v2()) {
        view.max_usage = memory.peak;
        view.failcnt = memory.failcnt;
    }
    return view;
}

api::Nullable<std::vector<api::BlkioEntry>> block_io_view(
    const std::vector<linux_::BlockIoEntry>& entries) {
    std::vector<api::BlkioEntry> view;
    for (const linux_::BlockIoEntry& entry : entries)
        view.push_back({entry.major, entry.minor, entry.op, entry.value});
    return view;
}

}  // namespace

/// Files of the kernel only: neither the container nor its shim is asked, so that none can be
/// waited for. What does not run answers zeros.
api::ContainerStats Engine::Implementation::sample_stats(const Record& record) {
    api::ContainerStats stats;
    stats.id = record.id();
    stats.name = "/" + record.name;
    stats.read = stats.preread = zero_time;
    if (!record.state.is_running()) return stats;
    const linux_::CgroupStats used = running_cgroup(*record.definition).stats();
    stats.read = format_rfc3339(now_ns());
    stats.cpu_stats = cpu_view(used.cpu, host_);
    if (used.memory) stats.memory_stats = memory_view(*used.memory, host_);
    if (used.pids) {
        stats.pids_stats = {used.pids->current, used.pids->limit};
        if (host_.is_cgroup_v2() && used.pids->limit == 0) stats.pids_stats.limit = UINT64_MAX;
    }
    stats.blkio_stats.io_service_bytes_recursive = block_io_view(used.io_service_bytes);
    stats.blkio_stats.io_serviced_recursive = block_io_view(used.io_serviced);
    if (record.definition->host.network_mode != "host")
        stats.networks = interfaces_of(record.state.pid);
    return stats;
}

void Engine::Implementation::stats(const std::string& name, const StatsQuery& query,
                                   const std::function<void()>& begin,
                                   const std::function<bool(const api::ContainerStats&)>& sink,
                                   StopEvent& stop) {
    if (query.stream && query.one_shot)
        throw Error(ErrorKind::invalid_argument, "cannot have stream=true and one-shot=true");
    ContainerPointer container = table_.get(name);
    const auto is_removed = [&] {
        std::lock_guard lock(container->mutex);
        return container->removed;
    };
    api::ContainerStats before = sample_stats(*container->snapshot());
    begin();
    const bool is_stopped = before.read == zero_time;
    if (query.stream || query.one_shot || is_stopped) {
        if (!sink(before) || !query.stream) return;
    }
    // A container that ended goes on with zeros until it is removed, as with Docker.
    while (!sys::poll_one(stop.fd(), POLLIN, interval_ms) && !is_removed()) {
        api::ContainerStats next = sample_stats(*container->snapshot());
        if (before.read != zero_time && next.read != zero_time) {
            next.preread = before.read;
            next.precpu_stats = before.cpu_stats;
        }
        if (!sink(next) || !query.stream) return;
        before = std::move(next);
    }
}

}  // namespace hull::engine
