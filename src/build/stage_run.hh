#pragma once
#include "build/build.hh"
#include "build/remote.hh"
#include "build/step_inputs.hh"
#include "build/step_mounts.hh"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hull::build {

/// One stage from its FROM to its last step. Its functions are spread over stage_run.cc (the order
/// of steps, the cache), metadata_steps.cc, copy_step.cc, add_step.cc, run_step.cc and
/// mount_steps.cc.
class StageRun {
public:
    StageRun(Build& build, std::size_t stage);
    StageState run();
    /// The one that runs; 0 is the FROM.
    std::size_t step() const { return step_; }

private:
    using MakeLayer = std::function<std::optional<image::BuiltLayer>()>;

    void begin();
    void execute(const dockerfile::Instruction& instruction);
    void execute_expanded(const dockerfile::Instruction& instruction);
    StepInputs begin_inputs(std::string_view kind) const;
    /// The step from the cache, or made now. `text` is what the log calls it.
    void take_layer(const StepInputs& inputs, const MakeLayer& make);
    void remember(const StepInputs& inputs);
    std::string created_by_text() const;
    /// image_cache.cc
    std::optional<image::BuiltLayer> find_in_images() const;
    void write_record(StepRecord record);
    dockerfile::Lookup lookup() const;
    void say(std::string_view text) { build_.say(stage_, text); }
    std::string find_reason(const StepInputs& inputs) const;
    /// Says which input changed since this step was built last, and keeps them for the next time.
    void explain_miss(const StepInputs& inputs);
    void keep_inputs(const StepInputs& inputs);

    // metadata_steps.cc
    void apply(const dockerfile::Env& env);
    void apply(const dockerfile::Label& label);
    void apply(const dockerfile::Arg& arg);
    void apply(const dockerfile::Cmd& cmd);
    void apply(const dockerfile::Entrypoint& entrypoint);
    void apply(const dockerfile::User& user);
    void apply(const dockerfile::Expose& expose);
    void apply(const dockerfile::Volume& volume);
    void apply(const dockerfile::StopSignal& signal);
    void apply(const dockerfile::Healthcheck& healthcheck);
    void apply(const dockerfile::Shell& shell);
    void apply(const dockerfile::Maintainer& maintainer);
    void apply(const dockerfile::OnBuild& trigger);

    // copy_step.cc
    void apply(const dockerfile::Workdir& workdir);
    void apply(const dockerfile::Copy& copy);
    void apply(const dockerfile::Add& add);
    files::CopyPlan make_plan(const dockerfile::Transfer& transfer) const;
    void set_source(files::CopyPlan& plan, const std::string& from);
    void take_copies(std::string_view kind, std::vector<files::CopyPlan> copies);
    Listing list_sources(const std::vector<files::CopyPlan>& copies);
    std::optional<image::BuiltLayer> copy_into_layer(const std::vector<files::CopyPlan>& copies,
                                                     const std::string& digest);
    std::string absolute(const std::string& path) const;

    std::vector<files::CopyPlan> make_heredoc_plans(const dockerfile::Transfer& transfer,
                                                    std::vector<TemporaryDirectory>& directories);

    // add_step.cc
    /// What is here only while a layer is made of it.
    struct Brought {
        std::vector<TemporaryDirectory> directories;
        std::vector<image::Checkout> checkouts;
    };
    /// One source of an ADD.
    struct AddSource {
        files::CopyPlan plan;
        bool unpacks = false;
        std::string identity;  ///< what it is, when it is not in the context
        /// Brings it and says in the plan where it is.
        std::function<void(files::CopyPlan&, Brought&)> bring;
    };
    void add_files(const dockerfile::Add& add);
    AddSource make_source(const dockerfile::Add& add, const std::string& source);
    void find_repository(const dockerfile::Add& add, const GitAddress& address, AddSource& made);
    void find_download(const dockerfile::Add& add, const std::string& url, AddSource& made);
    void take_added(const dockerfile::Add& add, std::vector<AddSource> sources);
    bool is_archive(const std::string& path) const;
    bool holds_archive(const files::CopyPlan& plan) const;
    files::CopyPlan unpack_archive(files::CopyPlan plan,
                                   std::vector<TemporaryDirectory>& directories);

    // run_step.cc
    void apply(const dockerfile::Run& run);
    std::optional<image::BuiltLayer> run_in_container(engine::StepRequest step,
                                                      const StepMounts& mounts,
                                                      const std::string& shown);
    int run_to_end(const std::string& container, StopEvent& unwanted);
    void keep_failed(const std::optional<image::BuiltLayer>& layer, const StepMounts& mounts,
                     const api::CreateRequest& request, int exit_code);

    // mount_steps.cc
    void add_mount_inputs(StepInputs& inputs, const dockerfile::Run& run);
    StepMounts prepare_mounts(const dockerfile::Run& run, const dockerfile::RunPlan& plan);
    bool is_directory(const dockerfile::Mount& mount) const;
    void mount_bind(const dockerfile::Mount& mount, StepMounts& step);
    linux_::OverlayPlan plan_source(const dockerfile::Mount& mount);
    void mount_cache(const dockerfile::Mount& mount, StepMounts& step);
    void make_cache(const dockerfile::Mount& mount, const Path& path);
    void mount_secret(const dockerfile::Mount& mount, StepMounts& step);
    void mount_agent(const dockerfile::Mount& mount, StepMounts& step, std::size_t number);

    Build& build_;
    const std::size_t stage_;
    const dockerfile::Stage& source_;
    bool ignores_cache_ = false;
    StageState state_;
    const dockerfile::Instruction* instruction_ = nullptr;  ///< expanded; the one that runs
    std::size_t step_ = 0;
    bool made_layer_ = false;  ///< by the step that runs
    bool from_cache_ = false;  ///< the step that runs
    std::string reason_;       ///< why it is not from the cache
};

/// Runs `write` with the write end of a pipe in a thread, and `read` with the read end here. The
/// error of the writer wins over what it did to the reader.
void run_pipe(const std::function<void(int)>& write, const std::function<void(int)>& read,
              StopEvent& stop_writer);

}  // namespace hull::build
