#include "api/types/container_json.hh"

#include "api/types/host_config_json.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<CreateRequest> auto& value) {
    fields(visit, value.config);
    visit("HostConfig", value.host_config);
    visit("NetworkingConfig", value.networking_config);
}

template <typename Visitor>
void fields(Visitor& visit, Of<CreateResponse> auto& value) {
    visit("Id", value.id);
    visit("Warnings", value.warnings);
}

template <typename Visitor>
void fields(Visitor& visit, Of<HealthcheckResult> auto& value) {
    visit("Start", value.start);
    visit("End", value.end);
    visit("ExitCode", value.exit_code);
    visit("Output", value.output);
}

template <typename Visitor>
void fields(Visitor& visit, Of<Health> auto& value) {
    visit("Status", value.status);
    visit("FailingStreak", value.failing_streak);
    visit("Log", value.log);
}

template <typename Visitor>
void fields(Visitor& visit, Of<State> auto& value) {
    visit("Status", value.status);
    visit("Running", value.running);
    visit("Paused", value.paused);
    visit("Restarting", value.restarting);
    visit("OOMKilled", value.oom_killed);
    visit("Dead", value.dead);
    visit("Pid", value.pid);
    visit("ExitCode", value.exit_code);
    visit("Error", value.error);
    visit("StartedAt", value.started_at);
    visit("FinishedAt", value.finished_at);
    visit.omit_empty("Health", value.health);
    visit.omit_empty("Reason", value.reason);
}

template <typename Visitor>
void fields(Visitor& visit, Of<MountPoint> auto& value) {
    visit.omit_empty("Type", value.type);
    visit.omit_empty("Name", value.name);
    visit("Source", value.source);
    visit("Destination", value.destination);
    visit.omit_empty("Driver", value.driver);
    visit("Mode", value.mode);
    visit("RW", value.rw);
    visit("Propagation", value.propagation);
}

template <typename Visitor>
void fields(Visitor& visit, Of<PortSummary> auto& value) {
    visit.omit_empty("IP", value.ip);
    visit("PrivatePort", value.private_port);
    visit.omit_empty("PublicPort", value.public_port);
    visit("Type", value.type);
}

template <typename Visitor>
void fields(Visitor& visit, Of<TopResponse> auto& value) {
    visit("Titles", value.titles);
    visit("Processes", value.processes);
}

/// What an inspect has in front of NetworkSettings.
template <typename Visitor>
void inspect_fields(Visitor& visit, Of<ContainerInspect> auto& value) {
    visit("Id", value.id);
    visit("Created", value.created);
    visit("Path", value.path);
    visit("Args", value.args);
    visit("State", value.state);
    visit("Image", value.image);
    visit("ResolvConfPath", value.resolv_conf_path);
    visit("HostnamePath", value.hostname_path);
    visit("HostsPath", value.hosts_path);
    visit("LogPath", value.log_path);
    visit("Name", value.name);
    visit("RestartCount", value.restart_count);
    visit("Driver", value.driver);
    visit("Platform", value.platform);
    visit("MountLabel", value.mount_label);
    visit("ProcessLabel", value.process_label);
    visit("AppArmorProfile", value.app_armor_profile);
    visit("ExecIDs", value.exec_ids);
    visit("HostConfig", value.host_config);
    visit("GraphDriver", value.graph_driver);
    visit.omit_empty("SizeRw", value.size_rw);
    visit.omit_empty("SizeRootFs", value.size_root_fs);
    visit("Mounts", value.mounts);
    visit("Config", value.config);
}

json::Value to_json(const ContainerConfig& value) { return detail::encode(value); }
void from_json(const json::Value& json, ContainerConfig& value) { detail::decode(json, value); }
json::Value to_json(const CreateRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, CreateRequest& value) { detail::decode(json, value); }
json::Value to_json(const CreateResponse& value) { return detail::encode(value); }
void from_json(const json::Value& json, CreateResponse& value) { detail::decode(json, value); }
json::Value to_json(const State& value) { return detail::encode(value); }
void from_json(const json::Value& json, State& value) { detail::decode(json, value); }
json::Value to_json(const MountPoint& value) { return detail::encode(value); }
void from_json(const json::Value& json, MountPoint& value) { detail::decode(json, value); }
json::Value to_json(const TopResponse& value) { return detail::encode(value); }
void from_json(const json::Value& json, TopResponse& value) { detail::decode(json, value); }

json::Value to_json(const WaitResponse& value) {
    json::Object object{{"StatusCode", value.status_code}};
    if (!value.error.empty()) object.append("Error", json::Object{{"Message", value.error}});
    return object;
}

void from_json(const json::Value& json, WaitResponse& value) {
    value.status_code = json["StatusCode"].as_int();
    const json::Value& message =
        json["Error"].is_object() ? json["Error"]["Message"] : json["Error"];
    if (message.is_string()) value.error = message.as_string();
}

json::Value to_json(const ContainerInspect& value) {
    detail::Writer writer;
    inspect_fields(writer, value);
    writer.object.append("NetworkSettings", to_json(value.network_settings));
    return std::move(writer.object);
}

void from_json(const json::Value& json, ContainerInspect& value) {
    detail::Reader reader(json.as_object());
    inspect_fields(reader, value);
    if (const json::Value& settings = json["NetworkSettings"]; settings.is_object())
        from_json(settings, value.network_settings);
}

json::Value to_json(const ContainerSummary& value) {
    detail::Writer writer;
    writer("Id", value.id);
    writer("Names", value.names);
    writer("Image", value.image);
    writer("ImageID", value.image_id);
    writer("Command", value.command);
    writer("Created", value.created);
    writer("Ports", value.ports);
    writer.omit_empty("SizeRw", value.size_rw);
    writer.omit_empty("SizeRootFs", value.size_root_fs);
    writer("Labels", value.labels);
    writer("State", value.state);
    writer("Status", value.status);
    detail::Writer host_config;
    host_config.omit_empty("NetworkMode", value.network_mode);
    host_config.omit_empty("Annotations", value.annotations);
    writer.object.append("HostConfig", std::move(host_config.object));
    writer.object.append("NetworkSettings",
                         json::Object{{"Networks", detail::encode(value.networks)}});
    writer("Mounts", value.mounts);
    return std::move(writer.object);
}

void from_json(const json::Value& json, ContainerSummary& value) {
    detail::Reader reader(json.as_object());
    reader("Id", value.id);
    reader("Names", value.names);
    reader("Image", value.image);
    reader("ImageID", value.image_id);
    reader("Command", value.command);
    reader("Created", value.created);
    reader("Ports", value.ports);
    reader("SizeRw", value.size_rw);
    reader("SizeRootFs", value.size_root_fs);
    reader("Labels", value.labels);
    reader("State", value.state);
    reader("Status", value.status);
    if (json["HostConfig"].is_object()) {
        detail::Reader host_config(json["HostConfig"].as_object());
        host_config("NetworkMode", value.network_mode);
        host_config("Annotations", value.annotations);
    }
    if (json["NetworkSettings"].is_object()) {
        detail::Reader settings(json["NetworkSettings"].as_object());
        settings("Networks", value.networks);
    }
    reader("Mounts", value.mounts);
}

}  // namespace hull::api
