#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/merge.hh"
#include "engine/mounts.hh"
#include "engine/validate.hh"
#include "store/space.hh"

#include <algorithm>

namespace hull::engine {

namespace {

/// Undoes the half-made container when creating it fails.
class Rollback {
public:
    explicit Rollback(std::function<void()> undo) : undo_(std::move(undo)) {}
    ~Rollback() {
        if (!undo_) return;
        try {
            undo_();
        } catch (const std::exception& error) {
            log::warning("undoing a failed create: {}", error.what());
        }
    }
    Rollback(const Rollback&) = delete;
    Rollback& operator=(const Rollback&) = delete;
    void keep() { undo_ = nullptr; }

private:
    std::function<void()> undo_;
};

void set_host_defaults(api::HostConfig& host, const Options& options) {
    if (host.log_config.type.empty()) {
        host.log_config.type = options.default_log_driver;
        for (const auto& [name, value] : options.default_log_options)
            host.log_config.config.emplace(name, value);
    }
    if (host.ipc_mode.empty()) host.ipc_mode = options.default_ipc_mode;
    for (const api::Ulimit& limit : options.default_ulimits)
        if (std::none_of(host.ulimits.begin(), host.ulimits.end(),
                         [&](const api::Ulimit& own) { return own.name == limit.name; }))
            host.ulimits.push_back(limit);
    const bool says_privileges =
        std::any_of(host.security_opt.begin(), host.security_opt.end(),
                    [](const std::string& text) { return text.starts_with("no-new-privileges"); });
    if (options.no_new_privileges && !says_privileges)
        host.security_opt.push_back("no-new-privileges");
    if (host.shm_size == 0) host.shm_size = static_cast<std::int64_t>(options.default_shm_bytes);
    if (host.runtime.empty()) host.runtime = "hull";
    if (!host.init && options.init) host.init = true;
}

}  // namespace

void Engine::Implementation::check_donors(const api::HostConfig& host) {
    for (const std::string* mode : {&host.network_mode, &host.pid_mode, &host.ipc_mode})
        if (std::string donor = container_of_mode(*mode); !donor.empty()) table_.get(donor);
    if (std::string donor = container_of_mode(host.ipc_mode); !donor.empty()) {
        RecordPointer record = table_.get(donor)->snapshot();
        if (record->definition->host.ipc_mode != "shareable")
            throw Error(ErrorKind::invalid_argument,
                        "cannot join IPC namespace of container {}: non-shareable IPC (hint: use "
                        "IpcMode:shareable for the donor container)",
                        donor);
    }
}

Definition Engine::Implementation::make_definition(const std::string& id,
                                                   api::CreateRequest& request, const Base& base) {
    Definition definition;
    definition.id = id;
    definition.created_ns = now_ns();
    definition.image_id = base.image_id;
    definition.diff_ids = base.diff_ids;
    definition.is_step = base.is_step;
    api::ContainerConfig& config = request.config;
    if (base.config) merge_image_config(config, *base.config);
    if (base.config && base.config->healthcheck) check_healthcheck(config);
    std::vector<std::string> words = command_line(config);
    definition.path = words.front();
    definition.args.assign(words.begin() + 1, words.end());
    std::string donor = container_of_mode(request.host_config.network_mode);
    if (!donor.empty()) {
        RecordPointer other = table_.get(donor)->snapshot();
        config.hostname = other->definition->config.hostname;
        config.domainname = other->definition->config.domainname;
    }
    if (config.hostname.empty())
        config.hostname =
            request.host_config.uts_mode == "host" || request.host_config.network_mode == "host"
                ? host_.name
                : id.substr(0, 12);
    definition.has_default_log = request.host_config.log_config.type.empty();
    set_host_defaults(request.host_config, options_);
    definition.plan =
        plan_mounts(config, request.host_config, inherited_mounts(request.host_config));
    check_bind_sources(definition.plan);
    definition.config = std::move(config);
    definition.host = std::move(request.host_config);
    return definition;
}

/// What --volumes-from gives.
std::vector<PlannedMount> Engine::Implementation::inherited_mounts(const api::HostConfig& host) {
    std::vector<PlannedMount> all;
    for (const std::string& spec : host.volumes_from) {
        if (spec.empty())
            throw Error(ErrorKind::invalid_argument,
                        "volumes-from specification cannot be an empty string");
        const std::size_t colon = spec.find(':');
        const std::string mode = colon == std::string::npos ? "" : spec.substr(colon + 1);
        const std::string name = spec.substr(0, colon);
        const ContainerPointer donor = table_.find(name);
        // No 404: clients would take that for a missing image and pull it.
        if (!donor) throw Error(ErrorKind::invalid_argument, "No such container: {}", name);
        for (PlannedMount& mount : inherit_mounts(donor->snapshot()->definition->plan, mode))
            all.push_back(std::move(mount));
    }
    return all;
}

Created Engine::Implementation::create(const std::string& name, api::CreateRequest request) {
    const image::ImagePointer image = images_.get_image(request.config.image);
    const store::Lease lease = images_.lease_image(*image);
    return create_on({image->id, image->diff_ids, &image->config.config, false}, name,
                     std::move(request));
}

/// The caller keeps the layers of `base` from garbage collection.
Created Engine::Implementation::create_on(const Base& base, const std::string& name,
                                          api::CreateRequest request) {
    Created created;
    created.id = random_hex(32);
    if (std::string& mode = request.host_config.network_mode; mode.empty() || mode == "default")
        mode = networks_.options().bridge == "none" ? "none" : "bridge";
    if (request.host_config.cgroupns_mode.empty())
        request.host_config.cgroupns_mode = options_.default_cgroupns_mode;
    created.warnings = validate(request, host_);
    secrets.check(request.host_config.secrets, request.config.user, created.warnings);
    check_donors(request.host_config);
    const std::string chosen = table_.reserve_name(name, created.id);
    Rollback free_name([&] { table_.release_name(chosen); });

    Definition planned = make_definition(created.id, request, base);
    (void)seccomp_of(planned);  // a bad profile is refused here
    std::vector<store::Lease> mounted_images;
    for (PlannedMount& mount : planned.plan) {
        if (mount.type != PlannedMount::Type::image) continue;
        const image::ImagePointer mounted = images_.get_image(mount.source);
        mounted_images.push_back(images_.lease_image(*mounted));
        mount.image_id = mounted->id;
        mount.diff_ids = mounted->diff_ids;
    }
    volumes.take(planned.plan, created.id);
    Rollback give_back([&, plan = planned.plan] { volumes.give_back(plan, created.id, true); });
    planned.mounts = to_mount_points(planned.plan);
    auto definition = std::make_shared<const Definition>(std::move(planned));
    const ContainerPaths where = paths(created.id);
    Rollback remove_files([&] {
        networks_.remove_sandbox(created.id);
        sys::remove_tree(where.directory);
    });
    auto record = std::make_shared<Record>();
    record->definition = definition;
    record->name = chosen;
    try {
        make_container_directory(where);
        copy_up(*definition);
        add_networks(*definition, chosen, request.networking_config);
        insert_row(*record);
    } catch (const Error& error) {
        throw Error(error.kind(), "creating container {}: {}{}", chosen, error.message(),
                    store::describe_shortage(options_.data_root, container_files_bytes));
    }
    table_.insert(std::make_shared<Container>(record));
    remove_files.keep();
    give_back.keep();
    free_name.keep();
    publish(*record, "create");
    return created;
}

}  // namespace hull::engine
