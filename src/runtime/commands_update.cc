#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "linux/cgroup.hh"
#include "linux/systemd.hh"
#include "runtime/commands.hh"
#include "runtime/convert.hh"

#include <unistd.h>

#include <array>
#include <charconv>

namespace hull::runtime {
namespace {

template <typename Number>
void take(std::optional<Number>& target, const Options& options, std::string_view flag) {
    auto text = options.find(flag);
    if (!text) return;
    Number value = 0;
    auto result = std::from_chars(text->data(), text->data() + text->size(), value);
    if (result.ec != std::errc() || result.ptr != text->data() + text->size())
        throw Error(ErrorKind::invalid_argument, "invalid value for {}: {}", flag, *text);
    target = value;
}

std::string read_input() {
    std::string text;
    std::array<std::byte, 65536> buffer;
    while (std::size_t count = sys::read(STDIN_FILENO, buffer))
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    return text;
}

oci::Resources make_resources(const Options& options) {
    if (auto file = options.find("resources"))
        return oci::parse_resources(json::parse(*file == "-" ? read_input() : read_file(*file)));
    oci::Resources resources;
    take(resources.block_io.weight, options, "blkio-weight");
    take(resources.cpu.period, options, "cpu-period");
    take(resources.cpu.quota, options, "cpu-quota");
    take(resources.cpu.burst, options, "cpu-burst");
    take(resources.cpu.shares, options, "cpu-share");
    take(resources.cpu.realtime_period, options, "cpu-rt-period");
    take(resources.cpu.realtime_runtime, options, "cpu-rt-runtime");
    take(resources.cpu.idle, options, "cpu-idle");
    resources.cpu.cpus = options.get("cpuset-cpus", "");
    resources.cpu.mems = options.get("cpuset-mems", "");
    take(resources.memory.kernel, options, "kernel-memory");
    take(resources.memory.kernel_tcp, options, "kernel-memory-tcp");
    take(resources.memory.limit, options, "memory");
    take(resources.memory.reservation, options, "memory-reservation");
    take(resources.memory.swap, options, "memory-swap");
    take(resources.pids_limit, options, "pids-limit");
    return resources;
}

}  // namespace

int run_update(GlobalOptions& global, const Options& options) {
    ContainerRecord record = global.states.load(options.positional(0, "the container ID"));
    if (global.states.state_of(record) == ContainerState::stopped)
        throw Error(ErrorKind::conflict, "container not running");
    oci::Resources resources = make_resources(options);
    resources.devices.clear();  // they are decided at create
    const linux_::Resources limits = to_resources(resources);
    for (const std::string& warning : get_cgroup(record).set(limits)) log::warning("{}", warning);
    if (!record.systemd_unit.empty()) linux_::set_scope_limits(record.systemd_unit, limits);
    return 0;
}

}  // namespace hull::runtime
