// The containers in which a build runs its RUN steps.
#include "base/error.hh"
#include "engine/files_run.hh"
#include "engine/implementation.hh"

namespace hull::engine {

Created Engine::Implementation::create_step(const StepRequest& request) {
    return create_on({request.image_id, request.diff_ids, nullptr, true}, "", request.container);
}

void Engine::Implementation::read_step_layer(const std::string& id, const StepLayerOptions& options,
                                             int output_fd, StopEvent& stop) {
    const RecordPointer record = table_.get(id)->snapshot();
    FilesCommand command;
    command.program = join(options_.programs, "hull-files");
    command.request = files_request(id, files::Verb::layer, *record->definition);
    command.request.mounts.clear();
    command.request.newest_mtime_s = options.newest_mtime_s;
    command.request.mount_points = options.mount_points;
    command.output_fd = output_fd;
    run_files(
        command, [](const auto&) {}, &stop);
}

}  // namespace hull::engine
