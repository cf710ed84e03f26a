#include "linux/systemd.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/cpu_list.hh"
#include "linux/dbus.hh"
#include "linux/namespaces.hh"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

namespace hull::linux_ {
namespace {

constexpr int job_timeout_ms = 30'000;
constexpr std::string_view slice_suffix = ".slice";

DBusCall manager_call(std::string member, std::string signature, std::string body) {
    return {.destination = "org.freedesktop.systemd1",
            .path = "/org/freedesktop/systemd1",
            .interface = "org.freedesktop.systemd1.Manager",
            .member = std::move(member),
            .signature = std::move(signature),
            .body = std::move(body)};
}

std::string string_body(std::initializer_list<std::string_view> words) {
    DBusWriter writer;
    for (const std::string_view word : words) writer.add_string(word);
    return writer.bytes();
}

/// A user's manager for everybody but root, as `systemctl --user` does.
Path runtime_directory() {
    const char* given = ::getenv("XDG_RUNTIME_DIR");
    return given && *given ? Path(given) : fmt::format("/run/user/{}", ::geteuid());
}

/// The socket systemctl uses; without it by way of the bus, where signals must be asked for.
DBusConnection connect_manager() {
    const bool is_root = ::geteuid() == 0;
    const Path private_socket =
        is_root ? "/run/systemd/private" : join(runtime_directory(), "systemd/private");
    const Path bus_socket =
        is_root ? "/run/dbus/system_bus_socket" : join(runtime_directory(), "bus");
    if (!sys::find_stat(is_root ? Path("/run/systemd/system") : runtime_directory()))
        throw Error(ErrorKind::unsupported, "systemd is not running here: use cgroupfs");
    try {
        return DBusConnection::open(private_socket);
    } catch (const Error& error) {
        if (!sys::find_stat(bus_socket))
            throw Error(ErrorKind::unsupported,
                        "systemd is not running here: use cgroupfs ({}: {})", private_socket,
                        error.message());
    }
    DBusConnection bus = DBusConnection::open(bus_socket);
    const DBusCall to_bus{.destination = "org.freedesktop.DBus",
                          .path = "/org/freedesktop/DBus",
                          .interface = "org.freedesktop.DBus",
                          .member = "Hello",
                          .signature = {},
                          .body = {}};
    bus.call(to_bus, job_timeout_ms);
    DBusCall match = to_bus;
    match.member = "AddMatch";
    match.signature = "s";
    match.body =
        string_body({"type='signal',sender='org.freedesktop.systemd1',"
                     "interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"});
    bus.call(match, job_timeout_ms);
    bus.call(manager_call("Subscribe", {}, {}), job_timeout_ms);
    return bus;
}

/// One entry of a(sv).
class Properties {
public:
    explicit Properties(DBusWriter& writer) : writer_(writer) {}

    void add(std::string_view name, std::string_view value) {
        begin(name, "s");
        writer_.add_string(value);
    }
    void add(std::string_view name, std::uint64_t value) {
        begin(name, "t");
        writer_.add_u64(value);
    }
    void add_flag(std::string_view name, bool value) {
        begin(name, "b");
        writer_.add_bool(value);
    }
    void add_pid(pid_t pid) {
        begin("PIDs", "au");
        const auto array = writer_.begin_array(4);
        writer_.add_u32(static_cast<std::uint32_t>(pid));
        writer_.end_array(array);
    }
    void add_bytes(std::string_view name, const std::string& value) {
        begin(name, "ay");
        const auto array = writer_.begin_array(1);
        for (const char byte : value) writer_.add_byte(static_cast<std::uint8_t>(byte));
        writer_.end_array(array);
    }

private:
    void begin(std::string_view name, std::string_view type) {
        writer_.begin_struct();
        writer_.add_string(name);
        writer_.add_signature(type);
    }
    DBusWriter& writer_;
};

/// -1 is "no limit" to us and to systemd.
std::uint64_t or_infinity(std::int64_t value) {
    return value < 0 ? UINT64_MAX : static_cast<std::uint64_t>(value);
}

void add_memory(Properties& properties, const MemoryLimits& memory) {
    if (memory.limit.value_or(0) != 0) properties.add("MemoryMax", or_infinity(*memory.limit));
    if (memory.reservation.value_or(0) != 0)
        properties.add("MemoryLow", or_infinity(*memory.reservation));
    const std::int64_t swap = memory.swap.value_or(0);
    if (swap < 0) properties.add("MemorySwapMax", UINT64_MAX);
    if (swap > 0 && memory.limit.value_or(0) > 0 && swap >= *memory.limit)
        properties.add("MemorySwapMax", static_cast<std::uint64_t>(swap - *memory.limit));
}

void add_cpu(Properties& properties, const CpuLimits& cpu) {
    constexpr std::uint64_t us_per_s = 1'000'000, default_period_us = 100'000, step_us = 10'000;
    if (cpu.shares.value_or(0) != 0) properties.add("CPUWeight", cpu_weight_of_shares(*cpu.shares));
    if (cpu.period.value_or(0) != 0) properties.add("CPUQuotaPeriodUSec", *cpu.period);
    if (cpu.quota.value_or(0) != 0) {
        const std::uint64_t period = cpu.period.value_or(0) ? *cpu.period : default_period_us;
        std::uint64_t per_second = UINT64_MAX;
        if (*cpu.quota > 0) {  // systemd keeps whole percents; rounded up, or it may round to none
            per_second = static_cast<std::uint64_t>(*cpu.quota) * us_per_s / period;
            per_second = (per_second + step_us - 1) / step_us * step_us;
        }
        properties.add("CPUQuotaPerSecUSec", per_second);
    }
    if (!cpu.cpus.empty()) properties.add_bytes("AllowedCPUs", make_cpu_mask(cpu.cpus));
    if (!cpu.mems.empty()) properties.add_bytes("AllowedMemoryNodes", make_cpu_mask(cpu.mems));
}

void add_limits(Properties& properties, const Resources& resources) {
    add_memory(properties, resources.memory);
    add_cpu(properties, resources.cpu);
    if (resources.block_io.weight.value_or(0) != 0)
        properties.add("IOWeight", io_weight_of_blkio(*resources.block_io.weight));
    if (resources.pids_limit)
        properties.add("TasksMax", *resources.pids_limit > 0
                                       ? static_cast<std::uint64_t>(*resources.pids_limit)
                                       : UINT64_MAX);
}

/// The path in the line "0::PATH" of /proc/PID/cgroup.
std::string find_v2_path(pid_t pid) {
    const std::string text = read_file(fmt::format("/proc/{}/cgroup", pid));
    const std::size_t line = text.starts_with("0::") ? 0 : text.find("\n0::") + 1;
    const std::size_t begin = line + 3;
    return text.substr(begin, text.find('\n', begin) - begin);
}

void wait_for_job(DBusConnection& systemd, const std::string& job, const std::string& unit) {
    for (;;) {
        const DBusMessage removed = systemd.next_signal("JobRemoved", job_timeout_ms);
        DBusReader reader(removed.body);
        reader.read_u32();
        const std::string path = reader.read_string(), name = reader.read_string(),
                          result = reader.read_string();
        if (path != job) continue;
        if (result == "done") return;
        throw Error(ErrorKind::internal, "systemd could not start {}: its job ended as \"{}\"",
                    unit, result);
    }
}

/// systemd drops a scope a moment after its last process: one of the same name that starts at once
/// meets it.
DBusMessage start_unit(DBusConnection& systemd, const std::string& body, const CgroupLayout& layout,
                       const SystemdPath& path) {
    const DBusCall call = manager_call("StartTransientUnit", "ssa(sv)a(sa(sv))", body);
    for (int tries = 0;; ++tries) {
        try {
            return systemd.call(call, job_timeout_ms);
        } catch (const Error& error) {
            constexpr int most_tries = 5;
            if (error.kind() != ErrorKind::conflict || tries == most_tries ||
                !Cgroup::open(layout, path.cgroup_path()).is_empty())
                throw;
            stop_scope(path.unit);
        }
    }
}

DBusConnection connect_manager_of(const CgroupLayout& layout) {
    DBusConnection systemd = connect_manager();
    if (layout.mode == CgroupMode::v2) return systemd;
    throw Error(ErrorKind::unsupported,
                "the systemd cgroup driver needs cgroup v2 alone, and cgroup v1 is mounted "
                "here: use cgroupfs");
}

pid_t start_holder() {
    const pid_t parent = ::getpid();
    Cloned holder = clone_process(0);
    if (holder.pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() != parent) ::_exit(0);
        for (;;) ::pause();
    }
    return holder.pid;
}

}  // namespace

std::string expand_slice(std::string_view slice) {
    const auto complain = [&]() -> Error {
        return {ErrorKind::invalid_argument,
                "{:?} is not a slice of systemd, like \"system.slice\"", slice};
    };
    if (!slice.ends_with(slice_suffix) || slice.find('/') != slice.npos) throw complain();
    const std::string_view name = slice.substr(0, slice.size() - slice_suffix.size());
    if (name == "-") return "/";
    std::string path;
    for (std::size_t dash = name.find('-');; dash = name.find('-', dash + 1)) {
        const std::string_view part = name.substr(0, dash);
        if (part.empty() || part.ends_with('-')) throw complain();
        path.append("/").append(part).append(slice_suffix);
        if (dash == name.npos) return path;
    }
}

std::string SystemdPath::cgroup_path() const { return join(expand_slice(slice), unit); }

std::optional<SystemdPath> find_systemd_path(std::string_view path) {
    const std::size_t first = path.find(':'), second = path.find(':', first + 1);
    if (first == path.npos || second == path.npos || path.find('/') != path.npos ||
        path.find(':', second + 1) != path.npos)
        return std::nullopt;
    SystemdPath result;
    result.slice = first == 0 ? "system.slice" : std::string(path.substr(0, first));
    const std::string_view prefix = path.substr(first + 1, second - first - 1);
    const std::string name(path.substr(second + 1));
    if (name.empty())
        throw Error(ErrorKind::invalid_argument, "cgroup path {:?} names no unit", path);
    result.unit = prefix.empty() ? name + ".scope" : fmt::format("{}-{}.scope", prefix, name);
    static_cast<void>(expand_slice(result.slice));
    return result;
}

SystemdPath parse_systemd_path(std::string_view path, const std::string& id) {
    const bool is_root = ::geteuid() == 0;
    if (path.empty()) return {is_root ? "system.slice" : "user.slice", "hull-" + id + ".scope"};
    if (auto found = find_systemd_path(path)) return *found;
    throw Error(ErrorKind::invalid_argument,
                "cgroup path {:?}: with the systemd driver it has the form \"SLICE:PREFIX:NAME\"",
                path);
}

SystemdScope::SystemdScope(SystemdScope&& other) noexcept
    : holder_(std::exchange(other.holder_, -1)), cgroup_path_(std::move(other.cgroup_path_)) {}

SystemdScope::~SystemdScope() {
    if (holder_ <= 0) return;
    ::kill(holder_, SIGKILL);
    while (::waitpid(holder_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

SystemdScope SystemdScope::start(const CgroupLayout& layout, const SystemdPath& path,
                                 std::string_view description, const Resources& resources) {
    DBusConnection systemd = connect_manager_of(layout);
    SystemdScope scope(start_holder());
    DBusWriter body;
    body.add_string(path.unit);
    body.add_string("replace");
    const auto list = body.begin_array(8);
    Properties properties(body);
    properties.add("Description", description);
    properties.add("Slice", path.slice);
    properties.add_pid(scope.holder_);
    properties.add_flag("Delegate", true);
    properties.add_flag("DefaultDependencies", false);
    properties.add("CollectMode", std::string_view("inactive-or-failed"));
    add_limits(properties, resources);
    body.end_array(list);
    body.end_array(body.begin_array(8));  // no auxiliary units
    with_context(
        [&] {
        const DBusMessage job = start_unit(systemd, body.bytes(), layout, path);
        wait_for_job(systemd, DBusReader(job.body).read_string(), path.unit);
        },
        "asking systemd for {}", path.unit);
    scope.cgroup_path_ = find_v2_path(scope.holder_);
    return scope;
}

void check_systemd(const CgroupLayout& layout) { connect_manager_of(layout); }

void set_scope_limits(const std::string& unit, const Resources& resources) {
    DBusWriter body;
    body.add_string(unit);
    body.add_bool(true);  // until the scope ends
    const auto list = body.begin_array(8);
    Properties properties(body);
    add_limits(properties, resources);
    body.end_array(list);
    connect_manager().call(manager_call("SetUnitProperties", "sba(sv)", body.bytes()),
                           job_timeout_ms);
}

void stop_scope(const std::string& unit) noexcept {
    for (const char* member : {"StopUnit", "ResetFailedUnit"}) {
        try {
            const bool is_stop = std::string_view(member) == "StopUnit";
            connect_manager().call(
                manager_call(member, is_stop ? "ss" : "s",
                             is_stop ? string_body({unit, "replace"}) : string_body({unit})),
                job_timeout_ms);
        } catch (const std::exception&) {  // it went by itself, as it should
        }
    }
}

std::string encode_scope_limits(const Resources& resources) {
    DBusWriter writer;
    const auto list = writer.begin_array(8);
    Properties properties(writer);
    add_limits(properties, resources);
    writer.end_array(list);
    return writer.bytes();
}

std::string make_cpu_mask(std::string_view list) {
    constexpr unsigned most = 8192;
    std::string mask;
    for (const unsigned cpu : parse_cpu_list(list, most)) {
        if (mask.size() <= cpu / 8) mask.resize(cpu / 8 + 1, '\0');
        mask[cpu / 8] = static_cast<char>(mask[cpu / 8] | 1 << cpu % 8);
    }
    return mask;
}

}  // namespace hull::linux_
