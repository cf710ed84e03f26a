// What an image has at the place of an empty volume is the volume's first content.
#include "base/error.hh"
#include "base/sys.hh"
#include "engine/files.hh"
#include "engine/files_run.hh"
#include "engine/implementation.hh"

#include <stdio.h>

namespace hull::engine {

namespace {

bool is_empty_directory(const Path& path) { return find_names(path).empty(); }

/// Puts a copy in the place of an empty directory, in one step, so that a volume has all of it or
/// nothing. Somebody may have been faster: then theirs stays.
void take_place(const Path& copy, const Path& target) {
    if (!sys::find_stat(copy)) return;  // the image has no directory there
    if (::rename(copy.c_str(), target.c_str()) == 0) return;
    const int error = errno;
    sys::remove_tree(copy);
    if (error != ENOTEMPTY && error != EEXIST) throw_errno(error, "filling a volume");
}

}  // namespace

void Engine::Implementation::copy_up(const Definition& definition) {
    std::vector<PlannedMount> wanted;
    for (const PlannedMount& mount : definition.plan)
        if (mount.type == PlannedMount::Type::volume && mount.copy_up) wanted.push_back(mount);
    if (wanted.empty()) return;

    const std::string user = "the creation of container " + definition.id.substr(0, 12);
    volume::Volumes& all = volumes.volumes();
    const MountedVolumes mounted(all, std::move(wanted), user);
    FilesCommand command;
    std::vector<std::pair<Path, Path>> copies;
    for (const PlannedMount& mount : mounted.plan()) {
        if (!is_empty_directory(mount.source)) continue;
        // Who has it open, or mounted, would not see another directory in its place.
        const bool is_in_place =
            all.is_a_mount(mount.volume) || all.is_mounted_by_others(mount.volume, user);
        const Path copy = is_in_place ? mount.source : all.copy_directory(mount.volume);
        if (!is_in_place) copies.emplace_back(copy, mount.source);
        command.request.mounts.push_back({copy, mount.destination, false, false});
    }
    if (command.request.mounts.empty()) return;
    command.program = join(options_.programs, "hull-files");
    command.request.verb = files::Verb::copy_up;
    command.request.container = definition.id;
    command.request.rootfs = store_.prepare_rootfs(definition.diff_ids, "", "");
    command.request.rootfs.lowers.push_back(
        {linux_::LowerLayer::Kind::directory, skeleton_directory(options_)});
    command.request.scratch = paths(definition.id).rootfs;
    try {
        run_files(
            command, [](const auto&) {}, nullptr);
        for (const auto& [copy, target] : copies) take_place(copy, target);
        for (const PlannedMount& mount : mounted.plan()) all.restore_ownership(mount.volume);
    } catch (...) {
        for (const auto& [copy, target] : copies) sys::remove_tree(copy);
        throw;
    }
}

}  // namespace hull::engine
