#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/fsck.hh"
#include "engine/implementation.hh"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace hull::engine {

namespace {

/// The component of `path` behind `directory`; "" when it is not below it.
std::string name_below(const Path& directory, const std::string& path) {
    const std::string prefix = directory + "/";
    if (!path.starts_with(prefix)) return "";
    return path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size());
}

}  // namespace

void Engine::Implementation::check_containers(bool repair, FsckReport& report) {
    std::set<std::string> known;
    for (const ContainerPointer& container : table_.list()) {
        known.insert(container->id);
        if (!sys::find_stat(paths(container->id).directory))
            report.faults.push_back({"missing-container", container->snapshot()->name,
                                     "its directory is gone, and with it its layer",
                                     "left alone: remove the container and make it again", false});
    }
    // One that is being made or removed has a row or a directory before it has the other.
    for (auto& [id] : database_.query<std::string>("SELECT id FROM containers")) known.insert(id);
    for (const Path& root : {options_.data_root, options_.exec_root})
        for (const std::string& name : find_names(join(root, "containers"))) {
            const Path directory = join(join(root, "containers"), name);
            const auto info = sys::find_stat(directory);
            constexpr std::int64_t youngest_s = 60;
            if (known.contains(name) || !info ||
                now_ns() / 1'000'000'000 - info->st_mtime < youngest_s)
                continue;
            store::Fault fault{"stray-container", directory, "no record knows this container",
                               "removed", false};
            if (repair) {
                sys::remove_tree(directory);
                fault.repaired = true;
            }
            report.faults.push_back(std::move(fault));
        }
}

void Engine::Implementation::check_volumes(FsckReport& report) {
    std::set<std::string> known;
    for (const api::Volume& volume : volumes.list({}).volumes) known.insert(volume.name);
    for (const std::string& name : find_names(join(options_.data_root, "volumes")))
        if (!known.contains(name) && !name.starts_with('.'))  // .removed holds what is going
            report.faults.push_back({"stray-volume", name, "no record knows this volume",
                                     "left alone: it may hold data; the next start adopts it",
                                     false});
}

/// Of a volume or container that nothing of runs. Others are listed: they are the user's, or serve
/// a start that is going on.
void Engine::Implementation::check_mounts(bool repair, FsckReport& report) {
    report.mounts = find_mounts_below({options_.data_root, options_.exec_root});
    std::set<std::string> in_use;
    for (const ContainerPointer& container : table_.list()) {
        std::lock_guard lock(container->mutex);
        const RecordPointer record = container->record;
        if (!record->state.is_running() && !container->starting) continue;
        in_use.insert(container->id);
        for (const PlannedMount& mount : record->definition->plan) in_use.insert(mount.volume);
    }
    for (auto point = report.mounts.rbegin(); point != report.mounts.rend(); ++point) {
        const std::string volume = name_below(join(options_.data_root, "volumes"), *point);
        std::string container = name_below(join(options_.data_root, "containers"), *point);
        if (container.empty())
            container = name_below(join(options_.exec_root, "containers"), *point);
        if ((volume.empty() && container.empty()) || in_use.contains(volume) ||
            in_use.contains(container))
            continue;
        store::Fault fault{"stray-mount", *point, "nothing that has it mounted runs", "unmounted",
                           false};
        if (repair) fault.repaired = ::umount2(point->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
        report.faults.push_back(std::move(fault));
    }
}

FsckReport Engine::Implementation::fsck(bool repair, bool verify) {
    FsckReport report = survey(options_.data_root);
    for (store::Fault& fault : store_.check(repair, verify))
        report.faults.push_back(std::move(fault));
    check_containers(repair, report);
    check_volumes(report);
    check_mounts(repair, report);
    for (auto& [line] : database_.query<std::string>("PRAGMA integrity_check"))
        if (line != "ok")
            report.faults.push_back(
                {"damaged-database", "hull.db", line, "left alone: restore it from a copy", false});
    return report;
}

}  // namespace hull::engine
