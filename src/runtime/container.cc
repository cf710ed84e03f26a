#include "runtime/container.hh"

#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "linux/mount.hh"
#include "linux/namespaces.hh"
#include "linux/systemd.hh"
#include "linux/terminal.hh"
#include "runtime/channel.hh"
#include "runtime/convert.hh"
#include "runtime/hooks.hh"
#include "runtime/init.hh"
#include "runtime/namespace_plan.hh"
#include "runtime/rootless.hh"
#include "runtime/seccomp_listener.hh"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace hull::runtime {

struct Container::State {
    std::string id;
    Path bundle;
    oci::Spec spec;
    pid_t pid = -1;
    Fd pidfd;
    Channel channel;
    Fd terminal;
    std::optional<linux_::Cgroup> cgroup;
    std::string cgroup_path;
    bool is_owned = true;  ///< init ends with us

    ~State() {
        if (!is_owned) return;
        if (pid > 0) {
            ::kill(pid, SIGKILL);
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
        if (cgroup) remove_cgroup();
    }

    void remove_cgroup() noexcept {
        try {
            cgroup->signal_all(SIGKILL);
            cgroup->remove();
        } catch (const std::exception& error) {
            log::warning("cleaning up after {}: {}", id, error.what());
        }
    }

    ContainerStatus status(std::string_view word) const {
        return {spec.oci_version, id, std::string(word), pid, bundle, spec.annotations};
    }
};

namespace {

void check_spec(const oci::Spec& spec) {
    if (!spec.process) throw Error(ErrorKind::invalid_argument, "config.json has no process");
    if (spec.process->args.empty())
        throw Error(ErrorKind::invalid_argument, "process.args is empty: nothing to run");
    const oci::Linux& settings = spec.linux_;
    if (settings.intel_rdt) throw Error(ErrorKind::unsupported, "linux.intelRdt is not supported");
    if (settings.memory_policy)
        throw Error(ErrorKind::unsupported, "linux.memoryPolicy is not supported");
    if (!settings.net_devices.empty())
        throw Error(ErrorKind::unsupported, "linux.netDevices is not supported");
}

void load_filter_into(InitContext& context, const Path& file, const oci::Seccomp* seccomp) {
    if (!file.empty()) {
        context.filter = linux_::read_seccomp_file(file);
        return;
    }
    if (!seccomp || seccomp->default_action.empty()) return;
    check_listener(*seccomp);
    linux_::CompiledSeccomp compiled = linux_::compile_seccomp(to_profile(*seccomp));
    context.seccomp_listener = seccomp->listener_path;
    context.seccomp_metadata = seccomp->listener_metadata;
    for (const std::string& name : compiled.unknown)
        log::debug("seccomp: unknown system call {} is left out", name);
    context.filter = std::move(compiled.instructions);
    context.filter_flags = compiled.flags;
}

/// The outside id of the namespace's root. Ours when it has none: init will say.
std::uint32_t find_root_id(const std::vector<linux_::IdRange>& ranges) {
    for (const linux_::IdRange& range : ranges)
        if (range.inside == 0) return range.outside;
    return 0;
}

void give_to_root(const Path& path, const linux_::IdMaps& maps) {
    if (::lchown(path.c_str(), find_root_id(maps.uids), find_root_id(maps.gids)) != 0)
        throw_errno(errno, "chown {}", path);
}

/// Things that only real root may open, for an init that is going to be root of a user namespace.
void open_sources(InitContext& context, const linux_::IdMaps& maps, Fd user_namespace) {
    auto get_namespace = [&] {
        if (!user_namespace) user_namespace = linux_::make_user_namespace(maps);
        return user_namespace.get();
    };
    const oci::Spec& spec = *context.spec;
    for (std::size_t i = 0; i < spec.mounts.size(); i++) {
        const oci::Mount& mount = spec.mounts[i];
        linux_::MountOptions options = linux_::parse_mount_options(mount.options);
        bool is_bind = options.bind || mount.type == "bind";
        bool is_mapped =
            options.idmap || !mount.uid_mappings.empty() || !mount.gid_mappings.empty();
        if (is_mapped && !is_bind)
            throw Error(ErrorKind::unsupported, "{}: only bind mounts can have ids mapped",
                        mount.destination);
        if (!is_bind || (!context.has_user_namespace && !is_mapped)) continue;
        Path source =
            mount.source.starts_with('/') ? mount.source : join(context.bundle, mount.source);
        Fd tree = linux_::clone_tree(AT_FDCWD, source, options.recursive_bind);
        if (is_mapped && !mount.uid_mappings.empty()) {
            Fd own =
                linux_::make_user_namespace(to_id_maps(mount.uid_mappings, mount.gid_mappings));
            linux_::set_idmap(tree.get(), own.get(), options.recursive_idmap);
        } else if (is_mapped) {
            linux_::set_idmap(tree.get(), get_namespace(), options.recursive_idmap);
        }
        context.sources.emplace(i, std::move(tree));
    }
    if (!context.has_user_namespace) {
        if (context.overlay && context.layers.empty())
            context.layers = linux_::mount_layers(*context.overlay);
        return;
    }
    if (context.overlay && !context.overlay->upper.empty())
        for (const Path& path : {context.overlay->upper, context.overlay->work})
            give_to_root(path, maps);
    context.root_mount =
        context.overlay ? linux_::mount_overlay(*context.overlay, join(context.bundle, "layers"),
                                                get_namespace())
                        : linux_::clone_tree(AT_FDCWD, context.rootfs, true);
}

/// A process of the container must not look into the copy of us that init is (ptrace(2)). Without
/// root init becomes so later, once its id maps, which belong to root then, are written.
void become_undumpable() {
    if (::geteuid() == 0) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void set_oom_score(pid_t pid, const oci::Process& process) {
    if (!process.oom_score_adj) return;
    try {
        Fd file = sys::open(fmt::format("/proc/{}/oom_score_adj", pid), O_WRONLY);
        sys::write_all(file.get(), std::to_string(*process.oom_score_adj));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::forbidden) throw;
        log::warning("oom_score_adj {} needs CAP_SYS_RESOURCE: left as it is",
                     *process.oom_score_adj);
    }
}

/// The spec wants a warning and life to go on when these fail.
void run_tolerated_hooks(const std::vector<oci::Hook>& hooks, std::string_view stage,
                         const ContainerStatus& status) {
    for (const oci::Hook& hook : hooks) {
        try {
            run_hooks({hook}, stage, status);
        } catch (const Error& error) {
            log::warning("{}", error.message());
        }
    }
}

/// Reads what init says until it says `wanted` or, when that is `executing`, until its end of the
/// channel closes in execve.
class Conversation {
public:
    explicit Conversation(const Channel& channel) : channel_(channel) {}
    Fd terminal;

    template <typename RunHooks>
    void wait_until_ready(RunHooks run_hooks) {
        for (;;) {
            Message message = next();
            if (message.type == MessageType::ready) return;
            if (message.type == MessageType::run_hooks) {
                run_hooks();
                channel_.send(MessageType::hooks_done);
            }
        }
    }

    void wait_until_executed() {
        for (bool is_executing = false;;) {
            std::optional<Message> message = channel_.receive();
            if (!message && is_executing) return;
            if (!message) throw_gone();
            handle(*message);
            is_executing = is_executing || message->type == MessageType::executing;
        }
    }

private:
    [[noreturn]] static void throw_gone() {
        throw LaunchError(ErrorKind::internal, 125, "init ended before it executed the program");
    }

    Message next() {
        std::optional<Message> message = channel_.receive();
        if (!message) throw_gone();
        handle(*message);
        return std::move(*message);
    }

    void handle(Message& message) {
        if (message.type == MessageType::failed) throw_failure(message);
        if (message.type == MessageType::warning) log::warning("{}", message.text);
        if (message.type == MessageType::terminal) terminal = std::move(message.fd);
        if (message.type == MessageType::seccomp_listener) {
            const std::size_t end = message.text.find('\0');
            send_listener(message.text.substr(0, end), message.text.substr(end + 1),
                          message.fd.get());
        }
    }

    const Channel& channel_;
};

}  // namespace

Container::Container(std::unique_ptr<State> state) : state_(std::move(state)) {}
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;
Container::~Container() = default;
pid_t Container::pid() const { return state_->pid; }
int Container::pidfd() const { return state_->pidfd.get(); }
Fd Container::take_terminal() { return std::move(state_->terminal); }
void Container::give_terminal(Fd terminal) { state_->terminal = std::move(terminal); }
void Container::detach() { state_->is_owned = false; }
const linux_::Cgroup& Container::cgroup() const { return *state_->cgroup; }

const std::string& Container::cgroup_path() const { return state_->cgroup_path; }

unsigned long long Container::start_time() const {
    return find_start_time(state_->pid).value_or(0);
}

void Container::start() {
    state_->channel.send(MessageType::start);
    try {
        Conversation(state_->channel).wait_until_executed();
    } catch (const Error&) {
        state_.reset();
        throw;
    }
    state_->channel.close();
    state_->is_owned = false;
    run_poststart_hooks(state_->spec, state_->id, state_->bundle, state_->pid);
}

Container create(CreateOptions options) {
    check_spec(options.spec);
    auto state = std::make_unique<Container::State>();
    state->id = options.id;
    state->bundle = options.bundle;
    state->spec = std::move(options.spec);
    const oci::Spec& spec = state->spec;

    const bool is_rootless = options.rootless.value_or(linux_::is_rootless());
    const bool is_unprivileged = ::geteuid() != 0;
    if (is_unprivileged) check_unprivileged(spec);
    become_undumpable();

    InitContext context;
    context.id = options.id;
    context.spec = &spec;
    context.process = &*spec.process;
    context.bundle = options.bundle;
    context.rootfs =
        spec.root.path.starts_with('/') ? spec.root.path : join(options.bundle, spec.root.path);
    context.overlay = std::move(options.rootfs);
    context.layers = std::move(options.layers);
    context.init_program = options.init_program;
    context.no_pivot = options.no_pivot;
    context.streams = options.streams;
    context.preserve_descriptors = options.preserve_descriptors;
    context.new_keyring = !options.no_new_keyring;
    context.arguments = spec.process->args;
    context.environment = spec.process->env;
    context.start_socket = std::move(options.start_socket);
    load_filter_into(context, options.seccomp_filter,
                     spec.linux_.seccomp ? &*spec.linux_.seccomp : nullptr);
    ConvertedCapabilities capabilities = to_capabilities(spec.process->capabilities);
    for (const std::string& name : capabilities.unknown)
        log::warning("capability {} is unknown here and left out", name);
    context.capabilities = capabilities.sets;

    // Before any visit to other namespaces: paths are relative to the cgroup namespace.
    linux_::CgroupLayout layout = linux_::detect_cgroups();
    const linux_::Resources resources = to_resources(spec.linux_.resources);
    std::string cgroup_path = spec.linux_.cgroups_path;
    std::optional<linux_::SystemdScope> scope;  // somebody is in it until init is
    if (options.systemd_cgroup) {
        const linux_::SystemdPath path = linux_::parse_systemd_path(cgroup_path, options.id);
        scope.emplace(
            linux_::SystemdScope::start(layout, path, "hull container " + options.id, resources));
        cgroup_path = scope->cgroup_path();
    } else if (linux_::find_systemd_path(cgroup_path)) {
        throw Error(ErrorKind::invalid_argument,
                    "cgroup path {:?} is of the systemd driver: add --systemd-cgroup", cgroup_path);
    }
    NamespacePlan plan = plan_namespaces(spec);
    context.cgroup_mode = layout.mode;
    const auto finish_cgroup = [&] {
        state->cgroup->make_v1();
        for (const std::string& warning : state->cgroup->set(resources))
            log::warning("{}", warning);
    };
    if (is_rootless) {
        state->cgroup = try_make_cgroup(layout, cgroup_path, options.id, resources);
        if (state->cgroup && cgroup_path.empty()) cgroup_path = options.id;
    } else {
        if (cgroup_path.empty()) cgroup_path = "/" + options.id;
        state->cgroup = linux_::Cgroup::plan(layout, cgroup_path);
        state->cgroup->make_v2();
        // Root of another user namespace may not open the files, and another mount namespace may
        // not have them: then they are opened here.
        if (!plan.has_user() && !plan.mount_namespace)
            context.late_cgroup = &*state->cgroup;
        else
            finish_cgroup();
    }
    if (state->cgroup) {
        state->cgroup_path = cgroup_path;
        context.cgroup_directories = state->cgroup->directories();
        if (!context.late_cgroup) context.cgroup_files = state->cgroup->open_join_files();
    }

    context.unshare_flags = plan.unshare_flags;
    context.new_network = plan.new_network;
    context.new_cgroup_namespace = plan.new_cgroup;
    context.mount_namespace = std::move(plan.mount_namespace);
    context.has_user_namespace = plan.has_user();
    context.maps_ids = plan.new_user;
    linux_::IdMaps maps = to_id_maps(spec.linux_.uid_mappings, spec.linux_.gid_mappings);
    if (!is_unprivileged)  // else init does it, as root of its namespace
        open_sources(context, maps,
                     plan.user_namespace ? sys::dup(plan.user_namespace.get()) : Fd());

    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    linux_::Cloned init =
        plan.clone((state->cgroup ? state->cgroup->open_clone_directory() : Fd()).get());
    if (init.pid == 0) {
        pair.first.reset();
        context.channel = Channel(std::move(pair.second));
        container_init(context, create_steps());
    }
    plan.visits.clear();
    state->pid = init.pid;
    state->pidfd = std::move(init.pidfd);
    state->channel = Channel(std::move(pair.first));
    pair.second.reset();
    set_oom_score(init.pid, *spec.process);  // while an unprivileged init is still ours to write to
    if (plan.new_user) {
        linux_::write_id_maps(init.pid, maps);
        state->channel.send(MessageType::id_maps_written);
    }
    // While init makes its namespaces and its root, two milliseconds of work each.
    if (context.late_cgroup) {
        finish_cgroup();
        state->channel.send(MessageType::cgroup_made);
    }

    Conversation conversation(state->channel);
    conversation.wait_until_ready([&] {
        run_hooks(spec.hooks.prestart, "prestart", state->status("creating"));
        run_hooks(spec.hooks.create_runtime, "createRuntime", state->status("creating"));
    });
    state->terminal = std::move(conversation.terminal);
    return Container(std::move(state));
}

void start_created(const Path& start_socket) {
    Channel channel(sys::connect_unix(start_socket, SOCK_SEQPACKET));
    channel.send(MessageType::start);
    Conversation(channel).wait_until_executed();
}

Executed exec(const ExecOptions& options) {
    become_undumpable();
    Fd target = find_pidfd(options.init);
    if (!target) throw Error(ErrorKind::not_found, "the container's init is not running");

    InitContext context;
    context.id = options.id.empty() ? std::to_string(options.init) : options.id;
    context.bundle = options.bundle;
    context.process = &options.process;
    context.streams = options.streams;
    context.preserve_descriptors = options.preserve_descriptors;
    context.new_keyring = false;
    context.arguments = options.process.args;
    context.environment = options.process.env;
    context.target_flags = linux_::find_foreign_namespaces(options.init);
    context.has_user_namespace = context.target_flags & CLONE_NEWUSER;
    load_filter_into(context, options.seccomp_filter,
                     options.seccomp ? &*options.seccomp : nullptr);
    context.capabilities = to_capabilities(options.process.capabilities).sets;

    linux_::CgroupLayout layout = linux_::detect_cgroups();
    linux_::Cgroup cgroup = linux_::Cgroup::of_process(layout, options.init);
    if (!options.ignore_paused && cgroup.is_frozen())
        throw Error(ErrorKind::conflict, "cannot exec in a paused container");
    // Without root the container may share our own cgroup.
    const bool joins_cgroup = !linux_::is_rootless() || may_join(cgroup);
    if (joins_cgroup) context.cgroup_files = cgroup.open_join_files(options.sub_cgroup);

    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    linux_::Cloned child = [&] {
        const Fd into = joins_cgroup ? cgroup.open_clone_directory(options.sub_cgroup) : Fd();
        std::optional<linux_::NamespaceVisit> visit;
        const int pid_flag = context.target_flags & CLONE_NEWPID;
        context.target_flags &= ~CLONE_NEWPID;
        if (::geteuid() != 0 && context.has_user_namespace) {
            context.target_flags &= ~CLONE_NEWUSER;
            return linux_::clone_inside(target.get(), CLONE_NEWUSER | pid_flag, 0, into.get());
        }
        if (pid_flag) visit.emplace(target.get(), pid_flag);
        return linux_::clone_process(0, into.get());
    }();
    if (child.pid == 0) {
        pair.first.reset();
        context.channel = Channel(std::move(pair.second));
        context.target = std::move(target);
        container_init(context, exec_steps());
    }
    pair.second.reset();
    struct Reaper {
        pid_t pid;
        ~Reaper() {
            if (pid <= 0) return;
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    } reaper{child.pid};
    set_oom_score(child.pid, options.process);
    Channel channel(std::move(pair.first));
    Conversation conversation(channel);
    conversation.wait_until_executed();
    reaper.pid = 0;
    return {child.pid, std::move(child.pidfd), std::move(conversation.terminal)};
}

void run_poststart_hooks(const oci::Spec& spec, const std::string& id, const Path& bundle,
                         pid_t pid) {
    run_tolerated_hooks(spec.hooks.poststart, "poststart",
                        {spec.oci_version, id, "running", pid, bundle, spec.annotations});
}

void run_poststop_hooks(const oci::Spec& spec, const std::string& id, const Path& bundle) {
    run_tolerated_hooks(spec.hooks.poststop, "poststop",
                        {spec.oci_version, id, "stopped", 0, bundle, spec.annotations});
}

void resize_terminal(int master, WindowSize size) {
    linux_::set_window_size(master, size.rows, size.columns);
}

}  // namespace hull::runtime
