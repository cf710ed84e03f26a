// Beyond Docker: what is done to the files of whole volumes.
#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/files_run.hh"
#include "engine/implementation.hh"

#include <fcntl.h>

namespace hull::engine {

namespace {

constexpr const char* snapshot_label = "hull.snapshot-of";

/// A plan of one mount, for MountedVolumes.
std::vector<PlannedMount> plan_of(const std::string& volume) {
    PlannedMount mount;
    mount.type = PlannedMount::Type::volume;
    mount.volume = volume;
    return {mount};
}

}  // namespace

api::Volume Engine::Implementation::clone_volume(const std::string& name,
                                                 const std::string& new_name, bool snapshot,
                                                 StopEvent& stop) {
    volume::Volumes& all = volumes.volumes();
    const volume::VolumePointer source = all.get_anywhere(name);
    volume::Volume made;
    made.name =
        new_name.empty() && snapshot ? name + "-" + std::to_string(now_ns() / 1'000'000) : new_name;
    volume::check_volume_name(made.name);
    if (all.find(made.name))
        throw Error(ErrorKind::conflict, "there is a volume {} already", made.name);
    made.created_ns = now_ns();
    made.labels = source->labels;
    if (made.labels) made.labels->erase(volume::anonymous_label);
    if (snapshot) {
        if (!made.labels) made.labels.emplace();
        (*made.labels)[snapshot_label] = name;
    }
    const MountedVolumes mounted(all, plan_of(name), "a clone");
    volume::Volumes::Staging staging(all);
    FilesCommand command;
    command.program = join(options_.programs, "hull-files");
    command.request.verb = files::Verb::copy_tree;
    command.request.container = name;
    command.request.mounts = {{mounted.plan()[0].source, staging.data_directory()}};

    std::vector<std::string> paused;
    const auto unpause = [&] {
        for (const std::string& id : paused) {
            try {
                pause(id, false);
            } catch (const Error& error) {  // it was killed, or somebody has unpaused it
                log::info("unpausing container {} after a snapshot: {}", id, error.message());
            }
        }
        paused.clear();
    };
    try {
        if (snapshot)
            for (const std::string& id : all.users(name)) {
                const ContainerPointer container = table_.find(id);
                if (!container || container->snapshot()->state.phase != Phase::running) continue;
                pause(id, true);
                paused.push_back(id);
            }
        run_files(
            command, [](const auto&) {}, &stop);
    } catch (...) {
        unpause();
        throw;
    }
    unpause();
    return volumes.place(staging, std::move(made));
}

void Engine::Implementation::export_volume(const std::string& name,
                                           const std::function<void()>& begin, int output_fd,
                                           StopEvent& stop) {
    volume::Volumes& all = volumes.volumes();
    (void)all.get_anywhere(name);
    const MountedVolumes mounted(all, plan_of(name), "an export");
    const Fd root = sys::open(mounted.plan()[0].source, O_PATH | O_DIRECTORY);
    FilesCommand command;
    command.program = join(options_.programs, "hull-files");
    command.request.verb = files::Verb::read;
    command.request.container = name;
    command.request.path = "/.";
    command.request.keep_holes = true;
    command.request.running = true;  // its root is there as a descriptor
    command.root_fd = root.get();
    command.output_fd = output_fd;
    run_files(
        command, [&](const auto&) { begin(); }, &stop);
}

api::Volume Engine::Implementation::import_volume(const std::string& name, int input_fd,
                                                  StopEvent& stop) {
    volume::Volumes& all = volumes.volumes();
    volume::check_volume_name(name);
    if (all.find(name)) throw Error(ErrorKind::conflict, "there is a volume {} already", name);
    volume::Volumes::Staging staging(all);
    const Fd root = sys::open(staging.data_directory(), O_PATH | O_DIRECTORY);
    FilesCommand command;
    command.program = join(options_.programs, "hull-files");
    command.request.verb = files::Verb::write;
    command.request.container = name;
    command.request.path = "/";
    command.request.running = true;
    command.root_fd = root.get();
    write_records(
        [&] {
        run_files(
            command, [](const auto&) {}, &stop);
        },
        command, input_fd);
    volume::Volume made;
    made.name = name;
    made.created_ns = now_ns();
    return volumes.place(staging, std::move(made));
}

}  // namespace hull::engine
