#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/merge.hh"
#include "engine/mounts.hh"
#include "engine/validate.hh"
#include "store/space.hh"

#include <linux/openat2.h>

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
                                                   api::CreateRequest& request,
                                                   const image::Image& image) {
    Definition definition;
    definition.id = id;
    definition.created_ns = now_ns();
    definition.image_id = image.id;
    definition.diff_ids = image.diff_ids;
    api::ContainerConfig& config = request.config;
    merge_image_config(config, image.config.config);
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
    std::vector<PlannedMount> mounts = plan_mounts(config, request.host_config, definition.volumes);
    check_bind_sources(mounts);
    definition.mounts = to_mount_points(mounts, options_.data_root);
    definition.config = std::move(config);
    definition.host = std::move(request.host_config);
    return definition;
}

/// New anonymous volumes start with what the image has at their place.
void Engine::Implementation::make_volumes(const Definition& definition) {
    if (definition.volumes.empty()) return;
    const Path scratch = join(paths(definition.id).directory, "rootfs");
    Fd root = linux_::mount_overlay(store_.prepare_rootfs(definition.diff_ids, "", ""), scratch);
    std::map<std::string, std::string> volumes = definition.volumes;
    for (const PlannedMount& mount : plan_mounts(definition.config, definition.host, volumes)) {
        if (mount.type != PlannedMount::Type::volume) continue;
        Fd content;
        if (mount.copy_up) {
            try {
                content = sys::openat2(root.get(), mount.destination.substr(1),
                                       O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);
            } catch (const Error&) {  // not in the image: the volume starts empty
            }
        }
        make_volume(options_.data_root, mount.volume, content.get());
    }
}

Created Engine::Implementation::create(const std::string& name, api::CreateRequest request) {
    Created created;
    created.id = random_hex(32);
    image::ImagePointer image = images_.get_image(request.config.image);
    created.warnings = validate(request, host_);
    check_donors(request.host_config);
    store::Lease lease = images_.lease_image(*image);
    const std::string chosen = table_.reserve_name(name, created.id);
    Rollback free_name([&] { table_.release_name(chosen); });

    auto definition =
        std::make_shared<const Definition>(make_definition(created.id, request, *image));
    const SeccompChoice seccomp = seccomp_of(*definition);  // a bad profile is refused here
    const ContainerPaths where = paths(created.id);
    Rollback remove_files([&] {
        sys::remove_tree(where.directory);
        for (const auto& [destination, volume] : definition->volumes)
            remove_volume(options_.data_root, volume);
    });
    auto record = std::make_shared<Record>();
    record->definition = definition;
    record->name = chosen;
    try {
        make_container_directory(where);
        make_volumes(*definition);
        insert_row(*record);
    } catch (const Error& error) {
        throw Error(error.kind(), "creating container {}: {}{}", chosen, error.message(),
                    store::describe_shortage(options_.data_root, container_files_bytes));
    }
    table_.insert(std::make_shared<Container>(record));
    remove_files.keep();
    free_name.keep();
    publish(*record, "create");
    return created;
}

}  // namespace hull::engine
