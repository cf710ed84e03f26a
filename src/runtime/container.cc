#include "runtime/container.hh"

#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "linux/mount.hh"
#include "linux/namespaces.hh"
#include "linux/systemd.hh"
#include "linux/terminal.hh"
#include "runtime/convert.hh"
#include "runtime/hooks.hh"
#include "runtime/launch.hh"
#include "runtime/namespace_plan.hh"
#include "runtime/rootless.hh"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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

/// A tree of the host as init would clone it, which has made its mounts slaves by then (or what
/// rootfsPropagation says) while ours may be peers of the host's: what is mounted on a peer appears
/// on the host, and pivot_root(2) refuses it.
Fd clone_host_tree(const oci::Spec& spec, const Path& source, bool recursive, bool may_share) {
    Fd tree = linux_::clone_tree(AT_FDCWD, source, recursive);
    const auto wanted = linux_::find_propagation(spec.linux_.rootfs_propagation);
    const bool is_shared = wanted && wanted->type == MS_SHARED;
    const bool is_private = wanted && wanted->type != MS_SHARED && wanted->type != MS_SLAVE;
    if (!is_shared || !may_share)
        linux_::set_propagation(tree.get(), is_private ? MS_PRIVATE : MS_SLAVE, true);
    return tree;
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
        Fd tree = clone_host_tree(spec, source, options.recursive_bind, true);
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
                        : clone_host_tree(spec, context.rootfs, true, false);
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
    state_->channel.tell(MessageType::start);
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

/// One `create`, from its options to an init that waits. The functions are called in the order of
/// their declaration: each needs what those before it set up.
class Creation {
public:
    explicit Creation(CreateOptions options);
    void set_up_context();
    void choose_cgroup();
    void join_namespaces() { plan_ = plan_namespaces(spec()); }
    void make_cgroup();
    void hand_over_namespaces();
    void clone_init();
    void wait_until_ready();
    Container finish() { return Container(std::move(state_)); }

private:
    const oci::Spec& spec() const { return state_->spec; }
    void make_own_cgroup();
    void finish_cgroup();
    std::optional<uid_t> cgroup_owner() const;

    CreateOptions options_;
    std::unique_ptr<Container::State> state_;
    InitContext context_;
    const bool is_rootless_;
    linux_::CgroupLayout layout_;
    linux_::Resources resources_;
    std::optional<linux_::SystemdScope> scope_;  ///< somebody is in it until init is
    NamespacePlan plan_;
    linux_::IdMaps maps_;
};

Creation::Creation(CreateOptions options)
    : options_(std::move(options)),
      state_(std::make_unique<Container::State>()),
      is_rootless_(options_.rootless.value_or(linux_::is_rootless())) {
    state_->id = options_.id;
    state_->bundle = options_.bundle;
    state_->spec = std::move(options_.spec);
    maps_ = to_id_maps(spec().linux_.uid_mappings, spec().linux_.gid_mappings);
}

void Creation::set_up_context() {
    const oci::Process& process = *spec().process;
    context_.id = options_.id;
    context_.spec = &state_->spec;
    context_.process = &process;
    context_.bundle = options_.bundle;
    context_.rootfs = spec().root.path.starts_with('/') ? spec().root.path
                                                        : join(options_.bundle, spec().root.path);
    context_.overlay = std::move(options_.rootfs);
    context_.layers = std::move(options_.layers);
    context_.init_program = options_.init_program;
    context_.no_pivot = options_.no_pivot;
    context_.streams = options_.streams;
    context_.preserve_descriptors = options_.preserve_descriptors;
    context_.new_keyring = !options_.no_new_keyring;
    context_.arguments = process.args;
    context_.environment = process.env;
    context_.start_socket = std::move(options_.start_socket);
    load_filter_into(context_, options_.seccomp_filter,
                     spec().linux_.seccomp ? &*spec().linux_.seccomp : nullptr);
    ConvertedCapabilities capabilities = to_capabilities(process.capabilities);
    for (const std::string& name : capabilities.unknown)
        log::warning("capability {} is unknown here and left out", name);
    context_.capabilities = capabilities.sets;
}

/// Before any visit to other namespaces: paths are relative to the cgroup namespace.
void Creation::choose_cgroup() {
    layout_ = linux_::detect_cgroups();
    context_.cgroup_mode = layout_.mode;
    resources_ = to_resources(spec().linux_.resources);
    std::string& path = state_->cgroup_path = spec().linux_.cgroups_path;
    if (options_.systemd_cgroup) {
        const linux_::SystemdPath unit = linux_::parse_systemd_path(path, options_.id);
        scope_.emplace(linux_::SystemdScope::start(layout_, unit, "hull container " + options_.id,
                                                   resources_));
        path = scope_->cgroup_path();
    } else if (linux_::find_systemd_path(path)) {
        throw Error(ErrorKind::invalid_argument,
                    "cgroup path {:?} is of the systemd driver: add --systemd-cgroup", path);
    }
}

void Creation::make_cgroup() {
    std::string& path = state_->cgroup_path;
    if (is_rootless_) {
        state_->cgroup = try_make_cgroup(layout_, path, options_.id, resources_);
        if (path.empty()) path = options_.id;
    } else {
        if (path.empty()) path = "/" + options_.id;
        make_own_cgroup();
    }
    if (!state_->cgroup) {
        path.clear();
        return;
    }
    context_.cgroup_directories = state_->cgroup->directories();
    if (!context_.late_cgroup) context_.cgroup_files = state_->cgroup->open_join_files();
}

void Creation::make_own_cgroup() {
    state_->cgroup = linux_::Cgroup::plan(layout_, state_->cgroup_path);
    state_->cgroup->make_v2();
    // Root of another user namespace may not open the files, and another mount namespace may
    // not have them: then they are opened here.
    if (!plan_.has_user() && !plan_.mount_namespace)
        context_.late_cgroup = &*state_->cgroup;
    else
        finish_cgroup();
}

void Creation::finish_cgroup() {
    state_->cgroup->make_v1();
    for (const std::string& warning : state_->cgroup->set(resources_)) log::warning("{}", warning);
    if (const auto owner = cgroup_owner()) state_->cgroup->delegate(*owner);
}

/// Who owns the container's cgroup: root of a new user namespace that sees its own cgroups and may
/// write to them. nullopt: nobody but us.
std::optional<uid_t> Creation::cgroup_owner() const {
    if (!plan_.new_user || !plan_.new_cgroup) return std::nullopt;
    const bool is_writable = std::any_of(spec().mounts.begin(), spec().mounts.end(),
                                         [](const oci::Mount& mount) {
        return (mount.type == "cgroup" || mount.type == "cgroup2") &&
               std::find(mount.options.begin(), mount.options.end(), "ro") == mount.options.end();
    });
    if (!is_writable) return std::nullopt;
    const std::uint32_t inside = spec().process->user.uid;
    for (const linux_::IdRange& range : maps_.uids)
        if (inside >= range.inside && inside - range.inside < range.count)
            return range.outside + (inside - range.inside);
    return std::nullopt;
}

void Creation::hand_over_namespaces() {
    context_.unshare_flags = plan_.unshare_flags;
    context_.new_network = plan_.new_network;
    context_.new_cgroup_namespace = plan_.new_cgroup;
    context_.mount_namespace = std::move(plan_.mount_namespace);
    context_.cgroup_namespace = std::move(plan_.cgroup_namespace);
    context_.has_user_namespace = plan_.has_user();
    context_.maps_ids = plan_.new_user;
    if (::geteuid() == 0)  // else init does it, as root of its namespace
        open_sources(context_, maps_,
                     plan_.user_namespace ? sys::dup(plan_.user_namespace.get()) : Fd());
}

void Creation::clone_init() {
    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    linux_::Cloned init =
        plan_.clone((state_->cgroup ? state_->cgroup->open_clone_directory() : Fd()).get());
    if (init.pid == 0) {
        pair.first.reset();
        context_.channel = Channel(std::move(pair.second));
        container_init(context_, create_steps());
    }
    plan_.visits.clear();
    state_->pid = init.pid;
    state_->pidfd = std::move(init.pidfd);
    state_->channel = Channel(std::move(pair.first));
}

void Creation::wait_until_ready() {
    set_oom_score(state_->pid, *spec().process);  // while an unprivileged init is still ours
    if (plan_.new_user) {
        linux_::write_id_maps(state_->pid, maps_);
        state_->channel.tell(MessageType::id_maps_written);
    }
    // While init makes its namespaces and its root, two milliseconds of work each.
    if (context_.late_cgroup) {
        finish_cgroup();
        state_->channel.tell(MessageType::cgroup_made);
    }
    Conversation conversation(state_->channel);
    conversation.wait_until_ready([&] {
        run_hooks(spec().hooks.prestart, "prestart", state_->status("creating"));
        run_hooks(spec().hooks.create_runtime, "createRuntime", state_->status("creating"));
    });
    state_->terminal = std::move(conversation.terminal);
}

Container create(CreateOptions options) {
    check_spec(options.spec);
    if (::geteuid() != 0) check_unprivileged(options.spec);
    become_undumpable();
    Creation creation(std::move(options));
    creation.set_up_context();
    creation.choose_cgroup();
    creation.join_namespaces();
    creation.make_cgroup();
    creation.hand_over_namespaces();
    creation.clone_init();
    creation.wait_until_ready();
    return creation.finish();
}

void start_created(const Path& start_socket) {
    Channel channel(sys::connect_unix(start_socket, SOCK_SEQPACKET));
    channel.tell(MessageType::start);
    Conversation(channel).wait_until_executed();
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
