#include "api/server/rights.hh"

#include "api/server/buildkit_gate.hh"
#include "api/server/call.hh"
#include "api/types/container.hh"
#include "api/types/exec.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "engine/engine.hh"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace hull::server {

namespace {

struct Grant {
    std::string_view method, pattern;
    Rights rights;
};

/// The least right that a route needs; what is not here needs all of them.
constexpr Grant grants[] = {
    {"GET", "/_ping", Rights::read},
    {"HEAD", "/_ping", Rights::read},
    {"GET", "/version", Rights::read},
    {"GET", "/info", Rights::read},
    {"GET", "/events", Rights::read},
    {"GET", "/system/df", Rights::read},
    {"GET", "/containers/json", Rights::read},
    {"GET", "/containers/{id}/json", Rights::read},
    {"GET", "/containers/{id}/top", Rights::read},
    {"GET", "/containers/{id}/stats", Rights::read},
    {"GET", "/containers/{id}/changes", Rights::read},
    {"POST", "/containers/{id}/wait", Rights::read},
    {"GET", "/images/json", Rights::read},
    {"GET", "/images/{name...}/json", Rights::read},
    {"GET", "/images/{name...}/history", Rights::read},
    {"GET", "/networks", Rights::read},
    {"GET", "/networks/{id}", Rights::read},
    {"GET", "/volumes", Rights::read},
    {"GET", "/volumes/{name}", Rights::read},
    {"GET", "/exec/{id}/json", Rights::read},
    {"GET", "/containers/{id}/logs", Rights::logs},
    {"POST", "/containers/{id}/start", Rights::lifecycle},
    {"POST", "/containers/{id}/stop", Rights::lifecycle},
    {"POST", "/containers/{id}/drain", Rights::lifecycle},
    {"POST", "/containers/{id}/restart", Rights::lifecycle},
    {"POST", "/containers/{id}/kill", Rights::lifecycle},
    {"POST", "/containers/{id}/pause", Rights::lifecycle},
    {"POST", "/containers/{id}/unpause", Rights::lifecycle},
    {"POST", "/containers/create", Rights::own},
    {"DELETE", "/containers/{id}", Rights::own},
    {"POST", "/containers/{id}/rename", Rights::own},
    {"POST", "/containers/{id}/resize", Rights::own},
    {"POST", "/containers/{id}/update", Rights::own},
    {"POST", "/containers/{id}/attach", Rights::own},
    {"GET", "/containers/{id}/attach/ws", Rights::own},
    {"POST", "/containers/{id}/exec", Rights::own},
    {"POST", "/exec/{id}/start", Rights::own},
    {"POST", "/exec/{id}/resize", Rights::own},
    {"HEAD", "/containers/{id}/archive", Rights::own},
    {"GET", "/containers/{id}/archive", Rights::own},
    {"PUT", "/containers/{id}/archive", Rights::own},
    {"GET", "/containers/{id}/export", Rights::own},
};

/// All that may be asked for by `build`.
constexpr std::pair<std::string_view, std::string_view> build_grants[] = {
    {"POST", "/build"},
    {"POST", "/build/prune"},
    {"GET", "/build/history"},
    {"POST", "/build/history/{id}/cache"},
    {"GET", "/system/df"},
    {"GET", "/images/{name...}/json"},
    {"GET", "/images/{name...}/rootfs"},
    {"POST", "/images/create"},
    {"POST", "/images/{name...}/push"},
    {"POST", "/images/{name...}/tag"},
    {"DELETE", "/images/{name...}"},
};

const Door* find_door(const Call& call) {
    const auto index = static_cast<std::size_t>(call.exchange.door);
    return index == 0 ? nullptr : &call.services.doors.at(index - 1);
}

std::string owner_of(const Call& call) { return std::to_string(call.exchange.peer_uid); }

/// What others own does not exist, so that nobody learns of it.
void require_own(const Call& call, const std::string& id) {
    const auto labels = call.engine.inspect_container(id, false).config.labels;
    const auto owner = labels.find(owner_label);
    if (owner == labels.end() || owner->second != owner_of(call))
        throw Error(ErrorKind::not_found, "No such container: {}", id);
}

[[noreturn]] void refuse(std::string_view what) {
    throw Error(
        ErrorKind::forbidden,
        "{} is refused: it leads out of the container, and this socket is for containers of "
        "one's own; leave it away, or ask on the daemon's main socket",
        what);
}

bool leads_out(const std::string& mode) {
    return mode == "host" || mode.starts_with("container:") || mode.starts_with("ns:");
}

void check_mounts(const api::HostConfig& host) {
    for (const std::string& bind : host.binds)
        if (bind.find(':') != std::string::npos) refuse("HostConfig.Binds " + bind);
    for (const api::Mount& mount : host.mounts)
        if (mount.type != "tmpfs") refuse("a mount of type " + mount.type);
    if (!host.volumes_from.empty()) refuse("HostConfig.VolumesFrom");
    if (!host.volume_driver.empty()) refuse("HostConfig.VolumeDriver");
    if (!host.secrets.empty()) refuse("HostConfig.Secrets");
}

void check_devices(const api::HostConfig& host) {
    if (!host.devices.empty()) refuse("HostConfig.Devices");
    if (!host.device_requests.empty()) refuse("HostConfig.DeviceRequests");
    if (!host.device_cgroup_rules.empty()) refuse("HostConfig.DeviceCgroupRules");
    for (const auto* list : {&host.blkio_device_read_bps, &host.blkio_device_write_bps,
                             &host.blkio_device_read_iops, &host.blkio_device_write_iops})
        if (!list->empty()) refuse("a limit of a device");
}

void check_namespaces(const api::HostConfig& host) {
    const std::pair<const char*, const std::string&> modes[] = {
        {"PidMode", host.pid_mode},         {"IpcMode", host.ipc_mode},
        {"NetworkMode", host.network_mode}, {"UTSMode", host.uts_mode},
        {"UsernsMode", host.userns_mode},   {"CgroupnsMode", host.cgroupns_mode}};
    for (const auto& [name, mode] : modes)
        if (leads_out(mode)) refuse(fmt::format("HostConfig.{} {}", name, mode));
    if (!host.links.empty()) refuse("HostConfig.Links");
    if (!host.cgroup.empty()) refuse("HostConfig.Cgroup");
    if (!host.cgroup_parent.empty()) refuse("HostConfig.CgroupParent");
}

void check_privileges(const api::HostConfig& host) {
    if (host.privileged) refuse("HostConfig.Privileged");
    if (!host.cap_add.empty()) refuse("HostConfig.CapAdd");
    for (const std::string& option : host.security_opt)
        if (!option.starts_with("no-new-privileges")) refuse("HostConfig.SecurityOpt " + option);
    if (!host.masked_paths.is_null()) refuse("HostConfig.MaskedPaths");
    if (!host.readonly_paths.is_null()) refuse("HostConfig.ReadonlyPaths");
    if (!host.sysctls.empty()) refuse("HostConfig.Sysctls");
    if (host.oom_score_adj < 0) refuse("a negative HostConfig.OomScoreAdj");
    if (host.oom_kill_disable.value_or(false)) refuse("HostConfig.OomKillDisable");
    if (!host.runtime.empty()) refuse("HostConfig.Runtime");
    if (!host.annotations.empty()) refuse("HostConfig.Annotations");
    const std::string& log = host.log_config.type;
    if (!log.empty() && log != "local" && log != "json-file" && log != "none")
        refuse("the log driver " + log);
}

}  // namespace

std::string_view to_string(Rights rights) {
    switch (rights) {
        case Rights::all: return "all";
        case Rights::read: return "read";
        case Rights::logs: return "logs";
        case Rights::lifecycle: return "lifecycle";
        case Rights::own: return "own";
        case Rights::build: return "build";
    }
    return "";
}

Door parse_door(std::string_view text) {
    Door door;
    bool has_rights = false;
    for (const std::string& field : split(text, ',')) {
        const std::size_t equals = std::min(field.find('='), field.size());
        const std::string name = field.substr(0, equals);
        const std::string value = field.substr(std::min(equals + 1, field.size()));
        if (name == "path") {
            door.path = value;
        } else if (name == "rights") {
            has_rights = false;
            for (const Rights known : {Rights::read, Rights::logs, Rights::lifecycle, Rights::own})
                if (to_string(known) == value) door.rights = known, has_rights = true;
        } else if (name == "uid") {
            uid_t uid = 0;
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), uid);
            if (error != std::errc() || end != value.data() + value.size())
                throw Error(ErrorKind::invalid_argument, "--socket: {} is no user id", value);
            door.uids.push_back(uid);
        } else {
            throw Error(ErrorKind::invalid_argument, "--socket: unknown key {}", name);
        }
    }
    if (!door.path.starts_with('/') || !has_rights)
        throw Error(ErrorKind::invalid_argument,
                    "--socket {}: use path=/PATH,rights=read|logs|lifecycle|own[,uid=N]", text);
    return door;
}

void check_rights(const Call& call, std::string_view pattern) {
    const Door* const door = find_door(call);
    if (!door) return;
    const std::int64_t uid = call.exchange.peer_uid;
    if (!door->uids.empty() && std::none_of(door->uids.begin(), door->uids.end(),
                                            [&](uid_t known) { return known == uid; }))
        throw Error(ErrorKind::forbidden,
                    "user {} may not use {}: add uid={} to its --socket of hulld", uid, door->path,
                    uid);
    const std::string_view method = call.exchange.method;
    if (door->rights == Rights::build) {
        const std::pair asked(method, pattern);
        if (std::find(std::begin(build_grants), std::end(build_grants), asked) ==
            std::end(build_grants))
            throw Error(ErrorKind::forbidden, "{} {} is no part of a build", method,
                        call.exchange.path);
        return;
    }
    const auto grant = std::find_if(std::begin(grants), std::end(grants), [&](const Grant& known) {
        return known.method == method && known.pattern == pattern;
    });
    if (grant == std::end(grants) || grant->rights > door->rights)
        throw Error(ErrorKind::forbidden,
                    "{} {} is more than {} allows, which is {}{}: ask on the daemon's main socket",
                    method, call.exchange.path, door->path, to_string(door->rights),
                    grant == std::end(grants)
                        ? ""
                        : fmt::format(" (it needs {})", to_string(grant->rights)));
    if (door->rights != Rights::own) return;
    for (const std::string_view shared : {"/system/df", "/networks/{id}", "/volumes"})
        if (pattern.starts_with(shared))
            throw Error(ErrorKind::forbidden,
                        "{} shows what belongs to others: ask on the daemon's "
                        "main socket",
                        call.exchange.path);
    const auto id = call.path_parameters.find("id");
    if (id == call.path_parameters.end()) return;
    require_own(call, pattern.starts_with("/exec/")
                          ? call.engine.inspect_exec(id->second).container_id
                          : id->second);
}

void confine(const Call& call, api::CreateRequest& request) {
    const Door* const door = find_door(call);
    if (!door || door->rights != Rights::own) return;
    check_mounts(request.host_config);
    check_devices(request.host_config);
    check_namespaces(request.host_config);
    check_privileges(request.host_config);
    request.config.labels[owner_label] = owner_of(call);
}

void confine(const Call& call, const api::ExecCreateRequest& request) {
    const Door* const door = find_door(call);
    if (door && door->rights == Rights::own && request.privileged) refuse("Privileged");
}

void confine_build(const Call& call, const json::Value& extra) {
    const Door* const door = find_door(call);
    if (!door || door->rights != Rights::build) return;
    std::vector<std::string> paths;
    if (extra["context"].is_string()) paths.push_back(extra["context"].as_string());
    for (const auto& [id, socket] : extra["ssh"].as_string_map()) paths.push_back(socket);
    if (extra["contexts"].is_object())
        for (const auto& [name, value] : extra["contexts"].as_object())
            if (value["directory"].is_string()) paths.push_back(value["directory"].as_string());
    for (const std::string& path : paths)
        if (!call.services.buildkit->is_own(path))
            throw Error(ErrorKind::forbidden, "{} is no part of a build", path);
}

std::string owner_filter(const Call& call) {
    const Door* const door = find_door(call);
    if (!door || door->rights != Rights::own) return "";
    return fmt::format("{}={}", owner_label, owner_of(call));
}

AuditLog::AuditLog(const Path& path)
    : file_(sys::open(path, O_WRONLY | O_CREAT | O_APPEND, 0600)) {}

void AuditLog::note(const Call& call, int status) {
    const http::Exchange& exchange = call.exchange;
    if (exchange.method == "GET" || exchange.method == "HEAD") return;
    const Door* const door = find_door(call);
    const std::string line =
        json::dump(json::Object{{"time", format_rfc3339(now_ns())},
                                {"uid", exchange.peer_uid},
                                {"pid", exchange.peer_pid},
                                {"socket", door ? door->path : std::string("main")},
                                {"method", exchange.method},
                                {"path", exchange.target},
                                {"status", status}}) +
        "\n";
    const std::lock_guard lock(mutex_);
    try {
        sys::write_all(file_.get(), line);
    } catch (const Error& error) {
        log::error("audit log: {}", error.message());
    }
}

}  // namespace hull::server
