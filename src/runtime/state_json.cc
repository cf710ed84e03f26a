#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "linux/cgroup.hh"
#include "runtime/state.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace hull::runtime {
namespace {

json::Value to_json(const ContainerRecord& record) {
    json::Object object;
    object.append("id", record.id);
    object.append("bundle", record.bundle);
    object.append("pid", record.pid);
    object.append("startTime", record.start_time);
    object.append("cgroupPath", record.cgroup_path);
    object.append("systemdUnit", record.systemd_unit);
    object.append("created", record.created_ns);
    object.append("ociVersion", record.oci_version);
    object.append("annotations", record.annotations);
    object.append("rootfs", record.rootfs);
    object.append("owner", record.owner);
    return object;
}

ContainerRecord parse_record(const json::Value& value) {
    ContainerRecord record;
    record.id = value["id"].as_string();
    record.bundle = value["bundle"].as_string();
    record.pid = static_cast<pid_t>(value["pid"].as_int());
    record.start_time = value["startTime"].as_uint();
    record.cgroup_path = value["cgroupPath"].as_string();
    if (!value["systemdUnit"].is_null()) record.systemd_unit = value["systemdUnit"].as_string();
    record.created_ns = value["created"].as_int();
    record.oci_version = value["ociVersion"].as_string();
    record.annotations = value["annotations"].as_string_map();
    record.rootfs = value["rootfs"].as_string();
    record.owner = value["owner"].as_string();
    return record;
}

void check_id(const std::string& id) {
    auto is_good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '+' || c == '-' || c == '.';
    };
    if (id.empty() || id.size() > 1024 || id == "." || id == ".." ||
        !std::all_of(id.begin(), id.end(), is_good))
        throw Error(ErrorKind::invalid_argument, "invalid container ID format: \"{}\"", id);
}

}  // namespace

std::string_view to_string(ContainerState state) {
    switch (state) {
        case ContainerState::created: return "created";
        case ContainerState::running: return "running";
        case ContainerState::paused: return "paused";
        case ContainerState::stopped: return "stopped";
    }
    return "";
}

bool is_alive(const ContainerRecord& record) {
    const std::optional<char> state = find_process_state(record.pid);
    return state && *state != 'Z' && *state != 'X' &&
           find_start_time(record.pid) == record.start_time;
}

Path StateDirectory::directory(const std::string& id) const { return join(root_, id); }

void StateDirectory::reserve(const std::string& id) {
    check_id(id);
    sys::mkdir_all(root_, 0711);
    if (::mkdir(directory(id).c_str(), 0711) != 0) {
        if (errno == EEXIST)
            throw Error(ErrorKind::conflict, "container with given ID already exists");
        throw_errno(errno, "mkdir {}", directory(id));
    }
}

void StateDirectory::save(const ContainerRecord& record) {
    Path path = join(directory(record.id), "state.json");
    write_file(path + ".new", json::dump(to_json(record)), 0600);
    sys::rename(path + ".new", path);
}

void StateDirectory::save_spec(const std::string& id, const oci::Spec& spec) {
    write_file(join(directory(id), "config.json"), json::dump(oci::to_json(spec)), 0600);
}

oci::Spec StateDirectory::load_spec(const std::string& id) const {
    return oci::parse_spec(std::string_view(read_file(join(directory(id), "config.json"))));
}

ContainerRecord StateDirectory::load(const std::string& id) const {
    check_id(id);
    std::optional<std::string> text = find_file(join(directory(id), "state.json"));
    if (!text) throw Error(ErrorKind::not_found, "container does not exist");
    return parse_record(json::parse(*text));
}

std::vector<ContainerRecord> StateDirectory::list() const {
    std::vector<ContainerRecord> result;
    if (!sys::find_stat(root_)) return result;
    for (const std::string& id : sys::list_directory(root_))
        if (std::optional<std::string> text = find_file(join(directory(id), "state.json")))
            result.push_back(parse_record(json::parse(*text)));
    return result;
}

void StateDirectory::remove(const std::string& id) {
    check_id(id);
    sys::remove_tree(directory(id));
}

Path StateDirectory::start_socket(const std::string& id) const {
    return join(directory(id), "start.sock");
}

ContainerState StateDirectory::state_of(const ContainerRecord& record) const {
    if (!is_alive(record)) return ContainerState::stopped;
    if (sys::find_stat(start_socket(record.id))) return ContainerState::created;
    const std::optional<linux_::Cgroup> cgroup = find_cgroup(record);
    return cgroup && cgroup->is_frozen() ? ContainerState::paused : ContainerState::running;
}

std::optional<linux_::Cgroup> find_cgroup(const ContainerRecord& record) {
    if (record.cgroup_path.empty()) return std::nullopt;
    return linux_::Cgroup::open(linux_::detect_cgroups(), record.cgroup_path);
}

linux_::Cgroup get_cgroup(const ContainerRecord& record) {
    if (auto cgroup = find_cgroup(record)) return std::move(*cgroup);
    throw Error(ErrorKind::unsupported,
                "container {} has no cgroup of its own: it was started without root, and no cgroup "
                "was delegated",
                record.id);
}

Path default_state_root() {
    if (::geteuid() == 0) return "/run/hull-runtime";
    const char* runtime = ::getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime) return join(runtime, "hull-runtime");
    return fmt::format("/tmp/hull-runtime-{}", ::geteuid());
}

}  // namespace hull::runtime
