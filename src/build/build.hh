#pragma once
#include "base/stop.hh"
#include "build/builder.hh"
#include "build/dockerfile/dockerfile.hh"
#include "build/dockerfile/expand.hh"
#include "build/request.hh"
#include "build/stage_state.hh"
#include "build/step_events.hh"
#include "build/transcript.hh"
#include "engine/files_run.hh"
#include "files/request.hh"

#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build {

/// One build: what its stages have in common. Every stage that the target needs runs in a thread of
/// its own and waits for another one only where it takes something from it.
class Build {
public:
    Build(Builder& builder, const BuildRequest& request, const Context& context, const Sink& sink,
          StopEvent& stop, StopEvent& cancelled);
    BuildResult run();

    // For the stages.
    const dockerfile::Dockerfile& file() const { return file_; }
    const BuildRequest& request() const { return request_; }
    const Context& context() const { return context_; }
    StopEvent& stop() { return stop_; }
    store::Lease& lease() { return lease_; }
    engine::Engine& engine() { return builder_.engine_; }
    image::Images& images() { return builder_.images_; }
    store::Store& store() { return builder_.store_; }
    Cache& cache() { return builder_.cache_; }
    image::Downloads& downloads() { return builder_.downloads_; }
    /// BUILDKIT_CONTEXT_KEEP_GIT_DIR
    bool keeps_git_dir() const;
    /// Whether a build argument is 1 or true.
    bool is_set(const std::string& argument) const;
    const BuilderOptions& options() const { return builder_.options_; }
    const std::vector<std::string>& ignored() const { return ignored_; }
    /// The .dockerignore of another directory.
    std::vector<std::string> ignored_in(const Path& directory) const;
    History::Entry& record() { return record_; }
    /// Of --cache-from.
    const std::vector<image::ImagePointer>& cache_images() const { return cache_images_; }
    std::optional<std::int64_t> epoch_s() const { return epoch_s_; }
    const oci::Platform& target_platform() const { return platform_; }

    /// What --build-context has in the place of `name`; nullptr for nothing.
    const BuildRequest::NamedContext* find_context(const std::string& name) const;
    /// The stage that COPY --from or a mount in `stage` means by `name`: one before it, else one
    /// after it. Throws invalid_argument for a number that no stage has.
    std::optional<std::size_t> find_source_stage(const std::string& name, std::size_t stage) const;
    /// Waits for a stage that is done before. Throws cancelled when it failed.
    const StageState& wait_for_stage(std::size_t stage);
    /// An image by the name that FROM, --from or a mount gives it; pulled when it must be.
    image::ImagePointer get_image(const std::string& name, const std::string& platform,
                                  std::size_t stage);
    /// Notes what was taken from elsewhere, for the provenance.
    void note_material(const std::string& address, const std::string& digest) {
        const std::lock_guard lock(mutex_);
        materials_[address] = digest;
    }
    /// A global argument, or one of those every build has.
    std::optional<std::string> find_global(std::string_view name) const;
    std::optional<std::string> find_build_argument(const std::string& name);
    std::string expand_global(std::string_view text) const;

    void say(std::size_t stage, std::string_view text) {
        record_.log(stage, text);
        transcript_->say(speaker_of(stage), text);
    }
    /// What a command of `step` has printed.
    void print(std::size_t stage, std::size_t step, std::string_view text) {
        step_events_.log(number_of(stage, step), text);
        say(stage, text);
    }
    StepEvents& step_events() { return step_events_; }
    /// "Step 3/7 : RUN make"
    void announce(std::size_t stage, std::size_t step, std::string_view text);
    std::size_t number_of(std::size_t stage, std::size_t step) const {
        return first_step_.at(stage) + step;
    }
    /// ONBUILD adds steps while it runs.
    std::string slot_of(std::size_t stage, std::size_t step) const;

    Path new_directory(std::string_view kind) { return builder_.new_directory(kind); }
    void run_files(files::Request request, int output_fd,
                   const std::function<void(const json::Value&)>& on_message = {});

    /// Makes the files of an archive in `directory`.
    void unpack(int input_fd, const Path& directory) {
        builder_.unpack(input_fd, directory, stop_);
    }

private:
    void read_dockerfile();
    std::string find_text(const Path& directory, const std::string& path, bool required) const;
    void read_globals();
    void plan();
    json::Value describe_plan() const;
    void need(std::size_t stage);
    void need_trigger_sources(const std::string& base, std::size_t stage);
    void need_sources(const dockerfile::Instruction& instruction, std::size_t stage);
    void import_caches();
    std::size_t speaker_of(std::size_t stage) const;
    void run_stage(std::size_t stage);
    BuildResult finish(const StageState& state);
    void fetch(const std::string& name, const std::string& platform,
               const image::ImagePointer& named);
    json::Value describe_provenance();
    BuildResult run_all();
    void tell_more(const StageState& state);
    void warn_unused_arguments();

    Builder& builder_;
    const BuildRequest& request_;
    const Context& context_;
    const Sink& sink_;
    StepEvents step_events_;
    StopEvent stop_;
    StopEvent &client_stop_, &cancelled_;
    store::Lease lease_;
    History::Entry record_;
    dockerfile::Dockerfile file_;
    std::vector<std::string> ignored_;
    oci::Platform platform_;
    std::optional<std::int64_t> epoch_s_;
    std::map<std::string, std::string, std::less<>> globals_;
    std::size_t target_ = 0;
    std::set<std::size_t> needed_, visiting_;
    std::map<std::size_t, std::size_t> first_step_;  ///< number of each needed stage's FROM
    std::size_t step_count_ = 0;
    std::unique_ptr<Transcript> transcript_;
    std::map<std::size_t, std::promise<StageState>> promises_;
    std::map<std::size_t, std::shared_future<StageState>> results_;
    std::mutex mutex_;  ///< guards what follows
    std::set<std::string> used_arguments_;
    std::vector<image::ImagePointer> cache_images_;
    std::vector<store::Lease> image_leases_;
    /// What was taken from elsewhere, by address: its digest.
    std::map<std::string, std::string> materials_;
    std::exception_ptr failure_;  ///< the first
};

}  // namespace hull::build
