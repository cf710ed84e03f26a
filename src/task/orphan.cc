#include "task/orphan.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "linux/cgroup.hh"
#include "oci/runtime_spec.hh"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <cstdint>

namespace hull::task {

namespace {

// <linux/pidfd.h> of 6.15; Debian 12's headers are older.
struct PidfdInfo {
    std::uint64_t mask = 0, cgroup_id = 0;
    std::uint32_t pid = 0, tgid = 0, ppid = 0, ids[8] = {};
    std::int32_t exit_code = 0;
};
constexpr std::uint64_t pidfd_info_exit = 1 << 3;
constexpr unsigned long pidfd_get_info = _IOWR(0xFF, 11, PidfdInfo);

/// Status in the form of wait(2). It is there once somebody has reaped the process.
std::optional<int> find_wait_status(int pidfd) {
    pollfd reaped{pidfd, 0, 0};
    ::poll(&reaped, 1, 500);  // POLLHUP
    PidfdInfo info;
    info.mask = pidfd_info_exit;
    if (::ioctl(pidfd, pidfd_get_info, &info) != 0 || !(info.mask & pidfd_info_exit))
        return std::nullopt;
    return info.exit_code;
}

void end_cgroup(const std::string& path) {
    linux_::Cgroup cgroup = linux_::Cgroup::open(linux_::detect_cgroups(), path);
    const std::int64_t deadline = monotonic_ns() + 2'000'000'000;
    while (!cgroup.is_empty() && monotonic_ns() < deadline) {
        cgroup.signal_all(SIGKILL);
        ::poll(nullptr, 0, 2);
    }
    cgroup.remove();
}

}  // namespace

Fd open_process(pid_t pid, unsigned long long start_time) {
    if (pid <= 0) return {};
    Fd pidfd = find_pidfd(pid);
    if (!pidfd || find_start_time(pid) != start_time) return {};
    if (sys::poll_one(pidfd.get(), POLLIN, 0)) return {};  // a zombie
    return pidfd;
}

std::string cgroup_of(const shim::LaunchConfig& config) {
    if (const auto state = find_file(join(config.runtime_directory, "shim.json")))
        return json::parse(*state)["cgroup"].as_string();
    const std::string text = read_file(join(config.bundle, "config.json"));
    const std::string path = oci::parse_spec(std::string_view(text)).linux_.cgroups_path;
    return path.empty() ? "/" + config.id : path;
}

std::optional<shim::ExitRecord> find_exit_record(const shim::LaunchConfig& config) {
    auto text = find_file(config.exit_file);
    if (!text) text = find_file(shim::second_exit_file(config));
    if (!text) return std::nullopt;
    return shim::parse_exit_record(*text);
}

std::optional<RecordedInit> find_recorded_init(const Path& runtime_directory) {
    const Path file = join(runtime_directory, "shim.json");
    const auto text = find_file(file);
    const auto status = sys::find_stat(file);
    if (!text || !status) return std::nullopt;
    const json::Value state = json::parse(*text);
    const auto is_there = [&](const char* pid, const char* start_time) {
        const std::int64_t number = state[pid].as_int();
        return number > 0 && find_start_time(static_cast<pid_t>(number)) ==
                                 static_cast<unsigned long long>(state[start_time].as_int());
    };
    if (!is_there("initPid", "initStartTime") && !is_there("pid", "startTime")) return std::nullopt;
    return RecordedInit{
        .pid = static_cast<pid_t>(state["initPid"].as_int()),
        .start_time = static_cast<unsigned long long>(state["initStartTime"].as_int()),
        .started_ns = status->st_mtim.tv_sec * 1'000'000'000LL + status->st_mtim.tv_nsec};
}

shim::ExitRecord bury(const shim::LaunchConfig& config, const Fd& pidfd, std::string reason) {
    shim::ExitRecord record{
        .code = 255, .oom_killed = false, .exited_at_ns = now_ns(), .reason = std::move(reason)};
    if (pidfd) {
        if (const auto status = find_wait_status(pidfd.get())) {
            record.code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
            record.reason = WIFEXITED(*status) ? "" : fmt::format("signal {}", WTERMSIG(*status));
        }
    }
    try {
        const std::string cgroup = cgroup_of(config);
        record.oom_killed = linux_::Cgroup::open(linux_::detect_cgroups(), cgroup).oom_kills() > 0;
        end_cgroup(cgroup);
    } catch (const Error& error) {
        log::warning("ending container {}: {}", config.id, error.message());
    }
    try {
        write_file_atomic(config.exit_file, shim::dump(record), 0600);
        sys::unlink(join(config.runtime_directory, "shim.sock"));
        sys::unlink(join(config.runtime_directory, "shim.json"));
    } catch (const Error& error) {
        log::warning("recording the end of container {}: {}", config.id, error.message());
    }
    return record;
}

}  // namespace hull::task
