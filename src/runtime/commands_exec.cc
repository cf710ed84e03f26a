#include "base/sys.hh"
#include "runtime/commands.hh"
#include "runtime/container.hh"
#include "runtime/foreground.hh"

#include <algorithm>
#include <charconv>

namespace hull::runtime {
namespace {

std::uint32_t parse_id(std::string_view text) {
    std::uint32_t value = 0;
    auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size())
        throw Error(ErrorKind::invalid_argument, "bad id {}", text);
    return value;
}

void add_capability(oci::Process& process, const std::string& name) {
    if (!process.capabilities) process.capabilities.emplace();
    oci::Capabilities& sets = *process.capabilities;
    for (std::vector<std::string>* set : {&sets.bounding, &sets.effective, &sets.permitted})
        if (std::find(set->begin(), set->end(), name) == set->end()) set->push_back(name);
}

/// The container's own process with what the flags change.
oci::Process make_process(const oci::Spec& spec, const Options& options) {
    if (auto file = options.find("process"))
        return oci::parse_process(json::parse(read_file(*file)));
    oci::Process process = *spec.process;
    process.args.assign(options.positional().begin() + 1, options.positional().end());
    process.terminal = options.has("tty");
    process.console_size.reset();
    if (auto cwd = options.find("cwd")) process.cwd = *cwd;
    for (const std::string& variable : options.all("env")) process.env.push_back(variable);
    if (auto user = options.find("user")) {
        std::size_t colon = user->find(':');
        process.user.uid = parse_id(user->substr(0, colon));
        if (colon != std::string::npos) process.user.gid = parse_id(user->substr(colon + 1));
    }
    for (const std::string& gid : options.all("additional-gids"))
        process.user.additional_gids.push_back(parse_id(gid));
    for (const std::string& name : options.all("cap")) add_capability(process, name);
    if (auto label = options.find("process-label")) process.selinux_label = *label;
    if (auto profile = options.find("apparmor")) process.apparmor_profile = *profile;
    if (options.find("no-new-privs")) process.no_new_privileges = options.has("no-new-privs");
    return process;
}

}  // namespace

int run_exec(GlobalOptions& global, const Options& options) {
    const std::string& id = options.positional(0, "the container ID");
    ContainerRecord record = global.states.load(id);
    if (global.states.state_of(record) == ContainerState::stopped)
        throw Error(ErrorKind::conflict, "cannot exec in a stopped container");
    oci::Spec spec = global.states.load_spec(id);
    ExecOptions exec_options;
    exec_options.id = id;
    exec_options.bundle = record.bundle;
    exec_options.init = record.pid;
    exec_options.process = make_process(spec, options);
    exec_options.seccomp = spec.linux_.seccomp;
    exec_options.sub_cgroup = options.get("cgroup", "");
    exec_options.preserve_descriptors =
        static_cast<int>(parse_id(options.get("preserve-fds", "0")));
    exec_options.ignore_paused = options.has("ignore-paused");
    bool is_detached = options.has("detach");
    auto console_socket = options.find("console-socket");
    if (exec_options.process.terminal && is_detached && !console_socket)
        throw Error(ErrorKind::invalid_argument,
                    "cannot allocate tty if runc will detach without setting console socket");
    std::optional<Foreground> foreground;
    if (!is_detached) foreground.emplace();
    Executed executed = exec(exec_options);
    if (executed.terminal && console_socket) {
        send_terminal(*console_socket, executed.terminal.get());
        executed.terminal.reset();
    }
    if (auto pid_file = options.find("pid-file"))
        write_file_atomic(*pid_file, std::to_string(executed.pid));
    if (is_detached) return 0;
    return foreground->wait(executed.pid, std::move(executed.terminal)).docker_code();
}

}  // namespace hull::runtime
