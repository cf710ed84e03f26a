// RUN --mount: what a step sees besides its layers.
#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "build/stage_run.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hull::build {

namespace {

/// A file of the host with `content`, for its owner inside.
Path write_private_file(const Path& directory, const std::string& name, std::string_view content,
                        std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
    const Path path = join(directory, name);
    write_file(path, content, 0600);
    if (::chown(path.c_str(), uid, gid) != 0 || ::chmod(path.c_str(), mode) != 0)
        throw_errno(errno, "preparing {}", path);
    return path;
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string text_of(const dockerfile::Mount& mount) {
    return fmt::format("{} {} {} {} {} {}", static_cast<int>(mount.type), mount.source, mount.from,
                       mount.target, mount.read_only ? "ro" : "rw", mount.id);
}

}  // namespace

/// Whether it shows a directory of this machine: the context or one that --build-context names.
bool StageRun::is_directory(const dockerfile::Mount& mount) const {
    if (mount.from.empty()) return true;
    const auto* given = build_.find_context(mount.from);
    return given && given->image.empty();
}

/// What of the mounts the step's result depends on: files, never a secret or a cache.
void StageRun::add_mount_inputs(StepInputs& inputs, const dockerfile::Run& run) {
    std::size_t number = 0;
    for (const dockerfile::Mount& mount : run.mounts) {
        const std::string name = fmt::format("mount {}", ++number);
        inputs.add(name, text_of(mount));
        if (mount.type != dockerfile::MountType::bind) continue;
        if (is_directory(mount)) {
            files::CopyPlan plan;
            plan.paths = {mount.source.empty() ? "/" : mount.source};
            plan.literal = true;
            plan.destination = "/";
            set_source(plan, mount.from);
            inputs.add_files("content of " + name, list_sources({plan}));
        } else if (const auto stage = build_.find_source_stage(mount.from, stage_)) {
            inputs.add("stage of " + name, build_.wait_for_stage(*stage).key);
        } else {
            inputs.add("image of " + name, build_.get_image(mount.from, "", stage_)->id);
        }
    }
}

/// The tree that `from` of a mount names.
linux_::OverlayPlan StageRun::plan_source(const dockerfile::Mount& mount) {
    if (is_directory(mount)) {
        const auto* given = mount.from.empty() ? nullptr : build_.find_context(mount.from);
        linux_::OverlayPlan plan;
        plan.lowers.push_back({linux_::LowerLayer::Kind::directory,
                               given ? given->directory : build_.context().directory});
        return plan;
    }
    const auto stage = build_.find_source_stage(mount.from, stage_);
    return build_.store().prepare_rootfs(stage ? build_.wait_for_stage(*stage).diff_ids()
                                               : build_.get_image(mount.from, "", stage_)->diff_ids,
                                         "", "");
}

void StageRun::mount_bind(const dockerfile::Mount& mount, StepMounts& step) {
    const std::string target = absolute(mount.target);
    const auto* given = mount.from.empty() ? nullptr : build_.find_context(mount.from);
    const Path& directory = given ? given->directory : build_.context().directory;
    if (is_directory(mount) && mount.read_only)
        return step.add("bind", resolve_inside(directory, mount.source), target, true);
    linux_::OverlayPlan plan = plan_source(mount);
    step.directories.emplace_back(build_.new_directory("mounts"));
    step.add(
        "bind",
        mount_tree(std::move(plan), step.directories.back().path(), mount.source, !mount.read_only),
        target, mount.read_only);
}

/// A directory that outlives the build, by its id; it begins as what `from` has at `source`.
void StageRun::mount_cache(const dockerfile::Mount& mount, StepMounts& step) {
    const std::string scope = build_.find_build_argument("BUILDKIT_CACHE_MOUNT_NS").value_or("");
    const std::string id = sha256_hex((scope.empty() ? "" : scope + "/") +
                                      (mount.id.empty() ? absolute(mount.target) : mount.id));
    const bool is_shared = mount.sharing == dockerfile::CacheSharing::shared;
    // Whoever has a turn keeps it from being pruned; those who share do not wait for each other.
    step.turns.push_back(std::make_unique<Cache::Turn>(
        build_.cache(), "cache mount " + id + (is_shared ? " " + random_hex(8) : ""),
        build_.stop()));
    const Path path = join(join(build_.options().data_root, "build/cache"), id);
    if (!sys::find_stat(path)) make_cache(mount, path);
    // When it was used last is what its inode says.
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    step.add("bind", path, absolute(mount.target), mount.read_only);
}

void StageRun::make_cache(const dockerfile::Mount& mount, const Path& path) {
    const Cache::Turn turn(build_.cache(), "making cache mount " + path, build_.stop());
    if (sys::find_stat(path)) return;
    const TemporaryDirectory directory(build_.new_directory("temporary"));
    const Path made = join(directory.path(), "cache");
    if (!mount.from.empty()) {
        files::Request request;
        request.verb = files::Verb::copy_up;
        request.rootfs = plan_source(mount);
        request.mounts.push_back({made, "/" + mount.source});
        build_.run_files(std::move(request), -1);
        if (!sys::find_stat(made))
            throw Error(ErrorKind::not_found, "{} has no directory {} for a cache to begin with",
                        mount.from, mount.source);
    } else {
        sys::mkdir(made, 0755);
    }
    const bool has_owner = mount.uid || mount.gid || mount.from.empty();
    const bool has_mode = mount.mode || mount.from.empty();
    if ((has_owner && ::chown(made.c_str(), mount.uid.value_or(0), mount.gid.value_or(0)) != 0) ||
        (has_mode && ::chmod(made.c_str(), mount.mode.value_or(0755)) != 0))
        throw_errno(errno, "preparing {}", path);
    replace_file(path + ".json", absolute(mount.target), 0600);
    sys::rename(made, path);
}

void StageRun::mount_secret(const dockerfile::Mount& mount, StepMounts& step) {
    const std::string id = !mount.id.empty()       ? mount.id
                           : !mount.source.empty() ? mount.source
                                                   : last_name(mount.target);
    const auto secret = build_.request().secrets.find(id);
    if (secret == build_.request().secrets.end()) {
        if (mount.required) throw Error(ErrorKind::not_found, "secret {}: not found", id);
        return;
    }
    if (mount.env) step.environment.push_back(*mount.env + "=" + secret->second);
    if (mount.env && mount.target.empty()) return;
    const Path directory = join(join(build_.options().exec_root, "build"), random_hex(8));
    sys::mkdir(directory, 0700);
    step.directories.emplace_back(directory);
    step.add("bind",
             write_private_file(directory, "secret", secret->second, mount.mode.value_or(0400),
                                mount.uid.value_or(0), mount.gid.value_or(0)),
             mount.target.empty() ? "/run/secrets/" + last_name(id) : absolute(mount.target), true);
}

void StageRun::mount_agent(const dockerfile::Mount& mount, StepMounts& step, std::size_t number) {
    const std::string id = mount.id.empty() ? "default" : mount.id;
    const auto socket = build_.request().ssh.find(id);
    if (socket == build_.request().ssh.end()) {
        if (mount.required)
            throw Error(ErrorKind::not_found, "no SSH key \"{}\" forwarded from the client", id);
        return;
    }
    const std::string target = mount.target.empty()
                                   ? fmt::format("/run/buildkit/ssh_agent.{}", number)
                                   : absolute(mount.target);
    step.add("bind", socket->second, target, false);
    if (number == 0) step.environment.push_back("SSH_AUTH_SOCK=" + target);
}

StepMounts StageRun::prepare_mounts(const dockerfile::Run& run, const dockerfile::RunPlan& plan) {
    StepMounts step;
    std::size_t agents = 0;
    for (const dockerfile::Mount& mount : run.mounts) {
        switch (mount.type) {
            case dockerfile::MountType::bind: mount_bind(mount, step); break;
            case dockerfile::MountType::cache: mount_cache(mount, step); break;
            case dockerfile::MountType::secret: mount_secret(mount, step); break;
            case dockerfile::MountType::ssh: mount_agent(mount, step, agents++); break;
            case dockerfile::MountType::tmpfs: {
                step.add("tmpfs", "", absolute(mount.target), false);
                if (mount.size_limit_bytes > 0)
                    step.mounts.back().tmpfs_options.emplace().size_bytes = mount.size_limit_bytes;
                break;
            }
        }
    }
    if (plan.script) {
        step.directories.emplace_back(build_.new_directory("temporary"));
        step.add("bind",
                 write_private_file(step.directories.back().path(), "script",
                                    dockerfile::heredoc_text(*plan.script), 0755, 0, 0),
                 "/dev/pipes/" + plan.script->name, true);
    }
    return step;
}

}  // namespace hull::build
