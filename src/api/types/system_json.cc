#include "api/types/network_json.hh"
#include "api/types/system.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<ComponentVersion> auto& value) {
    visit("Name", value.name);
    visit("Version", value.version);
    visit.omit_empty("Details", value.details);
}

/// What a version reply has behind Platform.
template <typename Visitor>
void version_fields(Visitor& visit, Of<SystemVersion> auto& value) {
    visit("Components", value.components);
    visit("Version", value.version);
    visit("ApiVersion", value.api_version);
    visit("MinAPIVersion", value.min_api_version);
    visit("GitCommit", value.git_commit);
    visit("GoVersion", value.go_version);
    visit("Os", value.os);
    visit("Arch", value.arch);
    visit("KernelVersion", value.kernel_version);
    visit.omit_empty("Experimental", value.experimental);
    visit("BuildTime", value.build_time);
}

template <typename Visitor>
void count_fields(Visitor& visit, Of<SystemInfo> auto& value) {
    visit("ID", value.id);
    visit("Containers", value.containers);
    visit("ContainersRunning", value.containers_running);
    visit("ContainersPaused", value.containers_paused);
    visit("ContainersStopped", value.containers_stopped);
    visit("Images", value.images);
    visit("Driver", value.driver);
}

template <typename Visitor>
void host_fields(Visitor& visit, Of<SystemInfo> auto& value) {
    visit("MemoryLimit", value.memory_limit);
    visit("SwapLimit", value.swap_limit);
    visit("CpuCfsPeriod", value.cpu_cfs_period);
    visit("CpuCfsQuota", value.cpu_cfs_quota);
    visit("CPUShares", value.cpu_shares);
    visit("CPUSet", value.cpu_set);
    visit("PidsLimit", value.pids_limit);
    visit("IPv4Forwarding", value.ipv4_forwarding);
    visit("Debug", value.debug);
    visit("NFd", value.n_fd);
    visit("OomKillDisable", value.oom_kill_disable);
    visit("NGoroutines", value.n_goroutines);
    visit("SystemTime", value.system_time);
    visit("LoggingDriver", value.logging_driver);
    visit("CgroupDriver", value.cgroup_driver);
    visit.omit_empty("CgroupVersion", value.cgroup_version);
    visit("NEventsListener", value.n_events_listener);
    visit("KernelVersion", value.kernel_version);
    visit("OperatingSystem", value.operating_system);
    visit("OSVersion", value.os_version);
    visit("OSType", value.os_type);
    visit("Architecture", value.architecture);
    visit("NCPU", value.ncpu);
    visit("MemTotal", value.mem_total);
    visit("DockerRootDir", value.docker_root_dir);
    visit("HttpProxy", value.http_proxy);
    visit("HttpsProxy", value.https_proxy);
    visit("NoProxy", value.no_proxy);
    visit("Name", value.name);
    visit("Labels", value.labels);
    visit("ExperimentalBuild", value.experimental_build);
    visit("ServerVersion", value.server_version);
}

template <typename Visitor>
void tail_fields(Visitor& visit, Of<SystemInfo> auto& value) {
    visit("DefaultRuntime", value.default_runtime);
    visit("LiveRestoreEnabled", value.live_restore_enabled);
    visit("InitBinary", value.init_binary);
    visit("SecurityOptions", value.security_options);
    visit("Warnings", value.warnings);
}

static json::Value no_commit() { return json::Object{{"ID", ""}}; }

json::Value to_json(const ComponentVersion& value) { return detail::encode(value); }
void from_json(const json::Value& json, ComponentVersion& value) { detail::decode(json, value); }

json::Value to_json(const SystemVersion& value) {
    detail::Writer writer;
    writer.object.append("Platform", json::Object{{"Name", value.platform_name}});
    version_fields(writer, value);
    return std::move(writer.object);
}

void from_json(const json::Value& json, SystemVersion& value) {
    detail::Reader reader(json.as_object());
    version_fields(reader, value);
    if (json["Platform"]["Name"].is_string())
        value.platform_name = json["Platform"]["Name"].as_string();
}

json::Value to_json(const SystemInfo& value) {
    detail::Writer writer;
    count_fields(writer, value);
    json::Array driver_status;
    for (const auto& [name, text] : value.driver_status)
        driver_status.push_back(json::Array{name, text});
    writer.object.append("DriverStatus", std::move(driver_status));
    writer.object.append("Plugins", json::Object{{"Volume", json::Value(value.volume_plugins)},
                                                 {"Network", json::Value(value.network_plugins)},
                                                 {"Authorization", nullptr},
                                                 {"Log", json::Value(value.log_plugins)}});
    host_fields(writer, value);
    writer.object.append("IndexServerAddress", "https://index.docker.io/v1/");
    writer.object.append("RegistryConfig", json::Object{{"IndexConfigs", json::Object()},
                                                        {"InsecureRegistryCIDRs", json::Array()},
                                                        {"Mirrors", json::Array()}});
    writer.object.append("GenericResources", nullptr);
    json::Object runtimes;
    for (const auto& [name, path] : value.runtimes)
        runtimes.append(name, json::Object{{"path", path}});
    writer.object.append("Runtimes", std::move(runtimes));
    writer.object.append("Swarm", json::Object{{"NodeID", ""},
                                               {"NodeAddr", ""},
                                               {"LocalNodeState", "inactive"},
                                               {"ControlAvailable", false},
                                               {"Error", ""},
                                               {"RemoteManagers", nullptr}});
    writer.object.append("Isolation", "");
    writer.object.append("ContainerdCommit", no_commit());
    writer.object.append("RuncCommit", no_commit());
    writer.object.append("InitCommit", no_commit());
    writer.object.append("CDISpecDirs", json::Array());
    tail_fields(writer, value);
    return std::move(writer.object);
}

void from_json(const json::Value& json, SystemInfo& value) {
    detail::Reader reader(json.as_object());
    count_fields(reader, value);
    host_fields(reader, value);
    tail_fields(reader, value);
    if (json["DriverStatus"].is_array()) {
        for (const json::Value& row : json["DriverStatus"].as_array()) {
            const std::vector<std::string> pair = row.as_strings();
            if (pair.size() == 2) value.driver_status.emplace_back(pair[0], pair[1]);
        }
    }
    value.volume_plugins = json["Plugins"]["Volume"].as_strings();
    value.network_plugins = json["Plugins"]["Network"].as_strings();
    value.log_plugins = json["Plugins"]["Log"].as_strings();
    if (json["Runtimes"].is_object()) {
        for (const auto& [name, runtime] : json["Runtimes"].as_object())
            value.runtimes[name] = runtime["path"].is_string() ? runtime["path"].as_string() : "";
    }
}

json::Value to_json(const EventMessage& value) {
    json::Object object;
    if (value.type == "container" || value.type == "image") {
        object.append("status", value.action);
        object.append("id", value.actor.id);
        const auto image = value.actor.attributes.find("image");
        if (value.type == "container" && image != value.actor.attributes.end())
            object.append("from", image->second);
    }
    object.append("Type", value.type);
    object.append("Action", value.action);
    object.append("Actor", json::Object{{"ID", value.actor.id},
                                        {"Attributes", json::Value(value.actor.attributes)}});
    object.append("scope", value.scope);
    object.append("time", value.time_ns / 1'000'000'000);
    object.append("timeNano", value.time_ns);
    if (value.sequence != 0) object.append("sequence", value.sequence);
    return object;
}

void from_json(const json::Value& json, EventMessage& value) {
    detail::Reader reader(json.as_object());
    reader("Type", value.type);
    reader("Action", value.action);
    reader("scope", value.scope);
    reader("timeNano", value.time_ns);
    reader("sequence", value.sequence);
    if (json["Actor"].is_object()) {
        detail::Reader actor(json["Actor"].as_object());
        actor("ID", value.actor.id);
        actor("Attributes", value.actor.attributes);
    }
}

json::Value to_json(const ProgressMessage& value) {
    detail::Writer writer;
    writer.omit_empty("stream", value.stream);
    writer.omit_empty("status", value.status);
    if (value.progress) {
        detail::Writer detail;
        detail.omit_empty("current", value.progress->first);
        detail.omit_empty("total", value.progress->second);
        writer.object.append("progressDetail", std::move(detail.object));
    }
    writer.omit_empty("id", value.id);
    if (!value.error.empty()) {
        detail::Writer detail;
        detail.omit_empty("code", value.error_code);
        detail("message", value.error);
        writer.object.append("errorDetail", std::move(detail.object));
        writer("error", value.error);
    }
    writer.omit_empty("aux", value.aux);
    return std::move(writer.object);
}

void from_json(const json::Value& json, ProgressMessage& value) {
    detail::Reader reader(json.as_object());
    reader("stream", value.stream);
    reader("status", value.status);
    reader("id", value.id);
    reader("error", value.error);
    reader("aux", value.aux);
    if (json["progressDetail"].is_object()) {
        detail::Reader detail(json["progressDetail"].as_object());
        std::pair<std::int64_t, std::int64_t> progress{};
        detail("current", progress.first);
        detail("total", progress.second);
        if (progress.first || progress.second) value.progress = progress;
    }
    if (json["errorDetail"].is_object()) {
        detail::Reader detail(json["errorDetail"].as_object());
        detail("code", value.error_code);
        if (value.error.empty()) detail("message", value.error);
    }
}

}  // namespace hull::api
