#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/networking.hh"
#include "engine/patterns.hh"
#include "engine/text.hh"
#include "linux/cgroup.hh"

#include <pwd.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace hull::engine {

namespace {

const std::set<std::string_view> list_filters = {
    "ancestor", "before", "expose",  "exited",  "health", "id",     "isolation", "is-task",
    "label",    "name",   "network", "publish", "since",  "status", "volume"};

/// " (healthy)", " (health: starting)"; "" without a check.
std::string health_text(const RunState& state) {
    if (!state.health || state.health->status == Health::Status::none) return "";
    if (state.health->status == Health::Status::starting) return " (health: starting)";
    return fmt::format(" ({})", to_string(state.health->status));
}

api::Health health_view(const Health& health) {
    api::Health view;
    view.status = to_string(health.status);
    view.failing_streak = health.failing_streak;
    view.log = std::vector<api::HealthcheckResult>();
    for (const ProbeResult& result : health.log)
        view.log.push_back({format_rfc3339(result.started_ns), format_rfc3339(result.ended_ns),
                            result.exit_code, result.output});
    return view;
}

/// "Up 5 minutes (Paused)", "Exited (1) 2 hours ago", …
std::string status_text(const RunState& state, std::int64_t now) {
    const std::string since_end = human_duration(now - state.finished_ns);
    switch (state.phase) {
        case Phase::created: return "Created";
        case Phase::running:
            return "Up " + human_duration(now - state.started_ns) + health_text(state);
        case Phase::paused: return "Up " + human_duration(now - state.started_ns) + " (Paused)";
        case Phase::restarting:
            return fmt::format("Restarting ({}) {} ago", state.exit_code, since_end);
        case Phase::removing: return "Removal In Progress";
        case Phase::dead: return "Dead";
        case Phase::exited: break;
    }
    if (state.finished_ns == 0) return "";
    return fmt::format("Exited ({}) {} ago", state.exit_code, since_end);
}

std::string command_text(const Definition& definition) {
    std::string text = definition.path;
    for (const std::string& argument : definition.args) {
        const bool quoted = argument.find(' ') != std::string::npos;
        text += quoted ? " '" + argument + "'" : " " + argument;
    }
    return text;
}

bool volume_fits(const Definition& definition, const std::string& wanted) {
    return std::any_of(definition.mounts.begin(), definition.mounts.end(),
                       [&](const api::MountPoint& mount) {
        return mount.destination == wanted || mount.name == wanted || mount.source == wanted;
    });
}

/// "80", "80/tcp", "8000-8010/udp": any of these ports.
bool port_fits(std::int64_t number, const std::string& protocol, const std::string& wanted) {
    const std::size_t slash = wanted.find('/');
    if (protocol != (slash == std::string::npos ? "tcp" : wanted.substr(slash + 1))) return false;
    const std::string range = wanted.substr(0, slash);
    const std::size_t dash = range.find('-');
    const auto first = find_integer(range.substr(0, dash));
    const auto last = dash == std::string::npos ? first : find_integer(range.substr(dash + 1));
    return first && last && *first <= number && number <= *last;
}

bool exposed_fits(const Definition& definition, const std::string& wanted) {
    return std::any_of(definition.config.exposed_ports.begin(),
                       definition.config.exposed_ports.end(), [&](const std::string& exposed) {
                           const auto port = find_container_port(exposed);
                           return port && port_fits(port->number, port->protocol, wanted);
                       });
}

bool published_fits(const network::Sandbox* sandbox, const std::string& wanted) {
    return sandbox && std::any_of(sandbox->ports.begin(), sandbox->ports.end(),
                                  [&](const network::PublishedPort& port) {
        return port_fits(port.host_port, port.protocol, wanted);
           });
}

/// By name or id of any network it has.
bool network_fits(const Definition& definition, const network::Sandbox* sandbox,
                  network::Networks& networks, const std::string& wanted) {
    if (!sandbox) return definition.host.network_mode == wanted;
    return std::any_of(sandbox->endpoints.begin(), sandbox->endpoints.end(),
                       [&](const network::Endpoint& endpoint) {
        const std::string& id = endpoint.config.network_id;
        if (id.starts_with(wanted)) return true;
        const network::NetworkPointer network = networks.find_network(id);
        return network && network->name == wanted;
    });
}

struct ListContext {
    std::set<std::string> ancestor_ids;
    std::int64_t before_ns = 0, since_ns = 0;  ///< 0: no bound
    network::Networks* networks = nullptr;
};

bool value_fits(const std::string& filter, const std::string& wanted, const Record& record,
                const ListContext& context) {
    const Definition& definition = *record.definition;
    const auto sandbox = [&] { return context.networks->find_sandbox(definition.id); };
    if (filter == "id") return matches_pattern(definition.id, wanted);
    if (filter == "name")
        return matches_pattern(record.name, wanted) || matches_pattern("/" + record.name, wanted);
    if (filter == "status") return to_string(record.state.phase) == wanted;
    if (filter == "exited")
        return record.state.phase == Phase::exited &&
               std::to_string(record.state.exit_code) == wanted;
    if (filter == "volume") return volume_fits(definition, wanted);
    if (filter == "network")
        return network_fits(definition, sandbox().get(), *context.networks, wanted);
    if (filter == "ancestor") return context.ancestor_ids.contains(definition.image_id);
    if (filter == "health")
        return wanted == (record.state.health ? to_string(record.state.health->status) : "none");
    if (filter == "expose") return exposed_fits(definition, wanted);
    if (filter == "publish") return published_fits(sandbox().get(), wanted);
    if (filter == "is-task") return wanted == "false";
    return true;
}

bool fits(const Record& record, const Filters& filters, const ListContext& context) {
    if (context.before_ns && record.definition->created_ns >= context.before_ns) return false;
    if (context.since_ns && record.definition->created_ns <= context.since_ns) return false;
    return std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
        const auto& [name, values] = filter;
        if (name == "before" || name == "since" || values.empty()) return true;
        if (name == "label") return has_labels(record.definition->config.labels, values);
        return std::any_of(values.begin(), values.end(),
                           [&, &name = name](const std::string& wanted) {
            return value_fits(name, wanted, record, context);
        });
    });
}

void check_list_filters(const Filters& filters) {
    static const std::set<std::string_view> statuses = {
        "created", "running", "paused", "restarting", "removing", "exited", "dead"};
    for (const auto& [name, values] : filters) {
        if (!list_filters.contains(name))
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
        for (const std::string& value : values) {
            if (name == "status" && !statuses.contains(value))
                throw Error(ErrorKind::invalid_argument, "invalid filter 'status={}'", value);
            if (name == "health" && value != "none" && value != "starting" && value != "healthy" &&
                value != "unhealthy")
                throw Error(ErrorKind::invalid_argument, "Unrecognised filter value for health: {}",
                            value);
            if (name == "expose" || name == "publish") parse_port_range(value);
            if (name == "exited" && !find_integer(value))
                throw Error(ErrorKind::invalid_argument, "invalid filter 'exited={}'", value);
        }
    }
}

bool shows_stopped(const ListOptions& options) {
    if (options.all || options.limit > 0) return true;
    for (const char* name : {"status", "exited", "before", "since"})
        if (auto filter = options.filters.find(name);
            filter != options.filters.end() && !filter->second.empty())
            return true;
    return false;
}

std::string first_line(const Path& path) {
    std::string text = find_file(path).value_or("");
    return text.substr(0, text.find('\n'));
}

std::string operating_system() {
    const std::string text = find_file("/etc/os-release").value_or("");
    for (const std::string& line : split(text, '\n'))
        if (line.starts_with("PRETTY_NAME=")) {
            std::string name = line.substr(12);
            std::erase(name, '"');
            return name;
        }
    return "Linux";
}

}  // namespace

std::vector<api::ContainerSummary> Engine::Implementation::list(const ListOptions& options) {
    check_list_filters(options.filters);
    ListContext context;
    context.networks = &networks_;
    for (const auto& [name, values] : options.filters)
        for (const std::string& value : values) {
            if (name == "ancestor") {
                if (image::ImagePointer image = images_.find_image(value))
                    context.ancestor_ids.insert(image->id);
            } else if (name == "before") {
                context.before_ns = table_.get(value)->snapshot()->definition->created_ns;
            } else if (name == "since") {
                context.since_ns = table_.get(value)->snapshot()->definition->created_ns;
            }
        }
    const bool all = shows_stopped(options);
    std::vector<RecordPointer> records;
    for (const ContainerPointer& container : table_.list()) {
        RecordPointer record = container->snapshot();
        if (!all && !record->state.is_running() && record->state.phase != Phase::restarting)
            continue;
        if (fits(*record, options.filters, context)) records.push_back(std::move(record));
    }
    std::sort(records.begin(), records.end(), [](const RecordPointer& a, const RecordPointer& b) {
        return a->definition->created_ns > b->definition->created_ns;
    });
    if (options.limit > 0 && records.size() > static_cast<std::size_t>(options.limit))
        records.resize(static_cast<std::size_t>(options.limit));

    std::map<std::string, std::string> id_of_image;  // each name is looked up once per list
    const std::int64_t now = now_ns();
    std::vector<api::ContainerSummary> summaries;
    summaries.reserve(records.size());
    for (const RecordPointer& record : records) {
        const Definition& definition = *record->definition;
        const std::string& image_name = definition.config.image;
        auto [known, is_new] = id_of_image.try_emplace(image_name);
        if (is_new)
            if (image::ImagePointer image = images_.find_image(image_name))
                known->second = image->id;
        api::ContainerSummary& summary = summaries.emplace_back();
        summary.id = definition.id;
        summary.names = {"/" + record->name};
        // The name may mean another image by now.
        summary.image = known->second == definition.image_id ? image_name : definition.image_id;
        summary.image_id = definition.image_id;
        summary.command = command_text(definition);
        summary.created = definition.created_ns / 1'000'000'000;
        summary.state = to_string(record->state.phase);
        summary.status = status_text(record->state, now);
        const network::SandboxPointer sandbox = networks_.find_sandbox(definition.id);
        const bool is_running = record->state.is_running();
        summary.ports = make_port_list(definition, is_running, sandbox.get());
        if (!options.brief) {
            summary.labels = definition.config.labels;
            summary.network_mode = definition.host.network_mode;
            summary.annotations = definition.host.annotations;
            summary.networks = make_network_settings(definition, is_running, record->state.pid,
                                                     sandbox.get(), networks_)
                                   .networks;
            summary.mounts = definition.mounts;
        }
        summary.labels.null_when_empty = false;
        if (options.size) {
            summary.size_rw = static_cast<std::int64_t>(tree_bytes(paths(definition.id).upper));
            summary.size_root_fs = *summary.size_rw;
            if (image::ImagePointer image = images_.find_image(definition.image_id))
                *summary.size_root_fs += static_cast<std::int64_t>(image->size_bytes);
        }
    }
    return summaries;
}

api::ContainerInspect Engine::Implementation::inspect(const std::string& name, bool size) {
    ContainerPointer container = table_.get(name);
    std::set<std::string> exec_ids;
    {
        std::lock_guard lock(container->mutex);
        exec_ids = container->exec_ids;
    }
    RecordPointer record = container->snapshot();
    const Definition& definition = *record->definition;
    const RunState& state = record->state;
    const ContainerPaths where = paths(definition.id);
    auto time_text = [](std::int64_t ns) {
        return ns == 0 ? std::string(zero_time) : format_rfc3339(ns);
    };

    api::ContainerInspect view;
    view.id = definition.id;
    view.created = format_rfc3339(definition.created_ns);
    view.path = definition.path;
    view.args = definition.args;
    view.state.status = to_string(state.phase);
    view.state.running = state.is_running() || state.phase == Phase::restarting;
    view.state.paused = state.phase == Phase::paused;
    view.state.restarting = state.phase == Phase::restarting;
    view.state.oom_killed = state.oom_killed;
    view.state.dead = state.phase == Phase::dead;
    view.state.pid = state.pid;
    view.state.exit_code = state.exit_code;
    view.state.error = state.error;
    if (!state.is_running()) view.state.reason = state.reason;
    view.state.started_at = time_text(state.started_ns);
    view.state.finished_at = time_text(state.finished_ns);
    if (state.health) view.state.health = health_view(*state.health);
    view.image = definition.image_id;
    view.resolv_conf_path = where.resolv_conf;
    view.hostname_path = where.hostname;
    view.hosts_path = where.hosts;
    if (definition.host.log_config.type == "json-file")
        view.log_path = join(where.logs, definition.id + "-json.log");
    view.name = "/" + record->name;
    view.restart_count = state.restart_count;
    view.driver = "overlay2";
    view.platform = "linux";
    view.app_armor_profile = apparmor_profile(definition, host_, {default_apparmor_.is_loaded, ""});
    if (!exec_ids.empty())
        view.exec_ids = std::vector<std::string>(exec_ids.begin(), exec_ids.end());
    view.host_config = definition.host;
    for (std::string& link : view.host_config.links)
        link = shown_link(link, definition.host.network_mode, view.name);
    // Clients take this for "its logs can be read" (docker-py): ADR 11.
    if (definition.has_default_log && definition.host.log_config.type == "local")
        view.host_config.log_config = {"json-file", {}};
    view.graph_driver.name = view.driver;
    view.graph_driver.data = std::map<std::string, std::string>{
        {"UpperDir", where.upper}, {"WorkDir", where.work}, {"MergedDir", where.rootfs}};
    if (size) {
        view.size_rw = static_cast<std::int64_t>(tree_bytes(where.upper));
        view.size_root_fs = *view.size_rw;
        if (image::ImagePointer image = images_.find_image(definition.image_id))
            *view.size_root_fs += static_cast<std::int64_t>(image->size_bytes);
    }
    view.mounts = definition.mounts;
    view.config = definition.config;
    view.network_settings =
        make_network_settings(definition, state.is_running(), state.pid,
                              networks_.find_sandbox(definition.id).get(), networks_);
    return view;
}

// ---------------------------------------------------------------- top

namespace {

std::string user_name(uid_t uid) {
    static const std::map<uid_t, std::string> names = [] {
        std::map<uid_t, std::string> result;
        for (const std::string& line : split(find_file("/etc/passwd").value_or(""), '\n')) {
            std::vector<std::string> fields = split(line, ':');
            if (fields.size() < 3) continue;
            if (auto number = find_integer(fields[2]))
                result.emplace(static_cast<uid_t>(*number), fields[0]);
        }
        return result;
    }();
    auto found = names.find(uid);
    return found == names.end() ? std::to_string(uid) : found->second;
}

std::string clock_text(std::int64_t unix_seconds) {
    struct tm parts {};
    const time_t moment = unix_seconds;
    ::localtime_r(&moment, &parts);
    return fmt::format("{:02}:{:02}", parts.tm_hour, parts.tm_min);
}

/// The row of `ps -ef` for one process; empty when it is gone.
std::vector<std::string> process_row(pid_t pid, std::int64_t boot_seconds) {
    const Path directory = fmt::format("/proc/{}", pid);
    auto info = sys::find_stat(directory);
    std::string stat = find_file(directory + "/stat").value_or("");
    const std::size_t name_end = stat.rfind(')');
    if (!info || name_end == std::string::npos) return {};
    const std::string name = stat.substr(stat.find('(') + 1, name_end - stat.find('(') - 1);
    std::vector<std::string> fields = split(std::string_view(stat).substr(name_end + 2), ' ');
    if (fields.size() < 20) return {};
    const std::int64_t ticks = ::sysconf(_SC_CLK_TCK);
    const std::int64_t cpu_s =
        (find_integer(fields[11]).value_or(0) + find_integer(fields[12]).value_or(0)) / ticks;
    const std::int64_t started_s = boot_seconds + find_integer(fields[19]).value_or(0) / ticks;
    const int terminal = static_cast<int>(find_integer(fields[4]).value_or(0));
    std::string command = find_file(directory + "/cmdline").value_or("");
    while (command.ends_with('\0')) command.pop_back();
    std::replace(command.begin(), command.end(), '\0', ' ');
    if (command.empty()) command = "[" + name + "]";
    return {user_name(info->st_uid),
            std::to_string(pid),
            fields[1],
            "0",
            clock_text(started_s),
            terminal == 0 ? "?" : fmt::format("pts/{}", terminal & 0xff),
            fmt::format("{:02}:{:02}:{:02}", cpu_s / 3600, cpu_s / 60 % 60, cpu_s % 60),
            command};
}

}  // namespace

api::TopResponse Engine::Implementation::top(const std::string& name,
                                             const std::string& ps_arguments) {
    ContainerPointer container = table_.get(name);
    RecordPointer record = container->snapshot();
    if (!record->state.is_running())
        throw Error(ErrorKind::conflict, "Container {} is not running", container->id);
    if (!ps_arguments.empty() && ps_arguments != "-ef")
        throw Error(ErrorKind::unsupported, "ps arguments other than -ef are not supported yet");
    const std::int64_t boot_seconds = now_ns() / 1'000'000'000 - static_cast<std::int64_t>([] {
                                          struct timespec time {};
                                          ::clock_gettime(CLOCK_BOOTTIME, &time);
                                          return time.tv_sec;
                                      }());
    api::TopResponse response;
    response.titles = {"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"};
    auto cgroup = linux_::Cgroup::open(host_.cgroups, cgroup_path(*record->definition, options_));
    for (pid_t pid : cgroup.list_pids())
        if (auto row = process_row(pid, boot_seconds); !row.empty())
            response.processes.push_back(std::move(row));
    return response;
}

std::vector<Engine::ImageUse> Engine::Implementation::image_users(const std::string& image_id) {
    std::vector<ImageUse> users;
    for (const ContainerPointer& container : table_.list()) {
        RecordPointer record = container->snapshot();
        if (record->definition->image_id == image_id)
            users.push_back({record->id(), record->state.is_running()});
    }
    std::stable_partition(users.begin(), users.end(),
                          [](const ImageUse& use) { return use.running; });
    return users;
}

// ---------------------------------------------------------------- the daemon

api::SystemInfo Engine::Implementation::info() {
    api::SystemInfo info;
    info.id = daemon_id_;
    for (const ContainerPointer& container : table_.list()) {
        const Phase phase = container->snapshot()->state.phase;
        ++info.containers;
        if (phase == Phase::running || phase == Phase::restarting)
            ++info.containers_running;
        else if (phase == Phase::paused)
            ++info.containers_paused;
        else
            ++info.containers_stopped;
    }
    info.images = static_cast<std::int64_t>(images_.list().size());
    info.driver = "overlay2";
    info.driver_status = {{"Layers", std::string(store_.snapshotter_name())},
                          {"Native Overlay Diff", "true"}};
    info.log_plugins = {"fluentd", "gelf", "journald", "json-file", "local", "none", "syslog"};
    info.network_plugins = {"bridge", "host", "ipvlan", "macvlan", "null"};
    info.volume_plugins = volumes.volumes().list_drivers();
    info.memory_limit = host_.has_memory_cgroup;
    info.swap_limit = host_.has_swap_limit;
    info.cpu_cfs_period = info.cpu_cfs_quota = info.cpu_shares = host_.has_cpu_cgroup;
    info.cpu_set = host_.has_cpuset_cgroup;
    info.pids_limit = host_.has_pids_cgroup;
    info.oom_kill_disable = host_.has_memory_cgroup && !host_.is_cgroup_v2();
    info.ipv4_forwarding = first_line("/proc/sys/net/ipv4/ip_forward") == "1";
    info.n_fd = static_cast<std::int64_t>(sys::list_directory("/proc/self/fd").size());
    info.n_events_listener = events.listeners();
    info.system_time = format_rfc3339(now_ns());
    info.logging_driver = options_.default_log_driver;
    {
        const auto reloaded = reloaded_.lock();
        info.debug = reloaded->debug;
        info.labels = reloaded->labels;
    }
    info.cgroup_driver = options_.systemd_cgroups ? "systemd" : "cgroupfs";
    info.cgroup_version = host_.is_cgroup_v2() ? "2" : "1";
    info.kernel_version = host_.kernel_release;
    info.operating_system = operating_system();
    info.os_type = "linux";
    info.architecture = host_.machine;
    info.ncpu = host_.cpus;
    info.mem_total = static_cast<std::int64_t>(host_.memory_bytes);
    info.docker_root_dir = options_.data_root;
    info.name = host_.name;
    info.server_version = HULL_VERSION;
    info.runtimes = {{"hull", join(options_.programs, "hull-runtime")}};
    info.default_runtime = "hull";
    info.live_restore_enabled = options_.live;
    info.init_binary = "hull-init";
    if (host_.has_apparmor && default_apparmor_.is_loaded)
        info.security_options.push_back("name=apparmor");
    info.security_options.push_back("name=seccomp,profile=builtin");
    if (networks_.options().publish_through_input)
        info.security_options.push_back("name=publish-through-input");
    if (!host_.has_memory_cgroup)
        info.warnings.push_back("WARNING: No memory limit support");
    else if (!host_.has_swap_limit)
        info.warnings.push_back("WARNING: No swap limit support");
    for (const std::string& obstacle : network::Networks::list_obstacles())
        info.warnings.push_back(
            fmt::format("WARNING: {} drops forwarded packets: containers reach the world, and are "
                        "reached, only as far as its rules accept (docs/networks.md)",
                        obstacle));
    return info;
}

api::SystemVersion Engine::Implementation::version() {
    api::SystemVersion version;
    version.platform_name = "Hull";
    version.version = HULL_VERSION;
    version.api_version = "1.50";
    version.min_api_version = "1.12";
    version.git_commit = "";
    version.os = "linux";
    version.arch = host_.architecture;
    version.kernel_version = host_.kernel_release;
    api::ComponentVersion engine;
    engine.name = "Engine";
    engine.version = HULL_VERSION;
    engine.details = std::map<std::string, std::string>{{"ApiVersion", version.api_version},
                                                        {"Arch", version.arch},
                                                        {"Experimental", "false"},
                                                        {"KernelVersion", version.kernel_version},
                                                        {"MinAPIVersion", version.min_api_version},
                                                        {"Os", version.os}};
    version.components.push_back(std::move(engine));
    return version;
}

}  // namespace hull::engine
