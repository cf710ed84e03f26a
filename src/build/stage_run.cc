#include "build/stage_run.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "build/dockerfile/arguments.hh"
#include "build/dockerfile/history.hh"

#include <algorithm>

namespace hull::build {

StageRun::StageRun(Build& build, std::size_t stage)
    : build_(build), stage_(stage), source_(build.file().stages[stage]) {
    const auto& stages = build.request().no_cache_stages;
    ignores_cache_ =
        build.request().no_cache ||
        std::find(stages.begin(), stages.end(), std::to_string(stage)) != stages.end() ||
        std::any_of(stages.begin(), stages.end(), [this](const std::string& name) {
            return !name.empty() && lower(name) == lower(source_.name);
        });
}

dockerfile::Lookup StageRun::lookup() const {
    return [this](std::string_view name) { return state_.find_variable(name); };
}

StageState StageRun::run() {
    build_.announce(stage_, 0, source_.original);
    StepRecord record;
    record.started_ns = now_ns();
    begin();
    say(fmt::format(" ---> {}\n", short_id(state_.image_id)));
    record.text = source_.original;
    record.cached = true;  // nothing runs
    write_record(std::move(record));
    const std::vector<std::string> triggers = std::exchange(state_.config.config.on_build, {});
    if (!triggers.empty())
        say(fmt::format("# Executing {} build trigger{}\n", triggers.size(),
                        triggers.size() == 1 ? "" : "s"));
    for (const std::string& trigger : triggers) execute(dockerfile::parse_trigger(trigger));
    for (const dockerfile::Instruction& instruction : source_.instructions) {
        build_.announce(stage_, ++step_, instruction.original);
        execute(instruction);
    }
    return std::move(state_);
}

/// What the FROM says.
void StageRun::begin() {
    const std::string base = build_.expand_global(source_.base);
    if (base.empty())
        throw Error(ErrorKind::invalid_argument, "base name ({}) should not be blank",
                    source_.base);
    const auto* given = build_.find_context(base);
    if (given && given->image.empty())
        throw Error(ErrorKind::unsupported,
                    "FROM {}: --build-context has a directory in its place, which is no base: "
                    "use COPY --from={}",
                    base, base);
    if (const auto other = dockerfile::find_base_stage(build_.file(), base, stage_);
        other && !given) {
        state_ = build_.wait_for_stage(*other);
        state_.has_cmd = false;
        return;
    }
    const std::string platform = build_.expand_global(source_.platform);
    if (base == "scratch" && !given) {
        state_ = make_scratch_state(
            platform.empty() ? build_.target_platform() : oci::parse_platform(platform),
            build_.epoch_s());
        return;
    }
    const image::ImagePointer image = build_.get_image(base, platform, stage_);
    state_ = make_base_state(*image, build_.images().list_layers(*image), build_.epoch_s());
    if (state_.find_environment("PATH")) return;
    state_.set_environment("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

void StageRun::execute(const dockerfile::Instruction& instruction) {
    if (build_.stop().requested()) throw Error(ErrorKind::cancelled, "the build was cancelled");
    const dockerfile::Instruction expanded =
        dockerfile::expand_instruction(instruction, lookup(), build_.file().directives.escape);
    execute_expanded(expanded);
}

void StageRun::execute_expanded(const dockerfile::Instruction& instruction) {
    instruction_ = &instruction;
    made_layer_ = from_cache_ = false;
    reason_.clear();
    StepRecord record;
    record.started_ns = now_ns();
    const std::string before = state_.key;
    std::visit([this](const auto& value) { apply(value); }, instruction.value);
    if (state_.key == before) {
        StepInputs inputs = begin_inputs("metadata");
        inputs.add("instruction", instruction.original);
        inputs.add("result", json::dump(oci::to_json(state_.config.config)));
        remember(inputs);
    }
    const std::string created_by = created_by_text();
    if (!created_by.empty())
        state_.add_history(created_by, dockerfile::history_comment, !made_layer_);
    if (from_cache_) say(" ---> Using cache\n");
    say(fmt::format(" ---> {}\n", short_id(state_.image_digest())));
    record.text = instruction.original;
    record.cached = from_cache_;
    write_record(std::move(record));
    instruction_ = nullptr;
}

/// What the history of the image says of the step that runs.
std::string StageRun::created_by_text() const {
    dockerfile::HistoryContext context;
    context.shell = state_.config.config.shell;
    context.working_dir = state_.config.config.working_dir;
    for (const auto& [name, value] : state_.arguments)
        if (value && !dockerfile::is_proxy_argument(name))
            context.arguments.emplace_back(name, *value);
    return dockerfile::history_text(instruction_->value, context);
}

/// `record` has its text, when it began, and whether it was cached.
void StageRun::write_record(StepRecord record) {
    record.number = build_.number_of(stage_, step_);
    build_.step_events().end(record.number, record.cached && step_ > 0);
    record.stage = source_.name.empty() ? std::to_string(stage_) : source_.name;
    record.reason = reason_;
    record.duration_ns = now_ns() - record.started_ns;
    record.key = state_.key;
    if (made_layer_) {
        record.diff_id = state_.layers.back().diff_id;
        record.content_bytes = state_.layers.back().content_bytes;
    }
    build_.record().add_step(std::move(record));
}

/// A step that changes no files is always done; the cache only knows whether it is a new one.
void StageRun::remember(const StepInputs& inputs) {
    CacheRecord record;
    record.key = inputs.key();
    record.parent = std::exchange(state_.key, record.key);
    if (!ignores_cache_ && build_.cache().find(record.key, build_.lease())) {
        from_cache_ = true;
        return keep_inputs(inputs);
    }
    explain_miss(inputs);
    record.description = instruction_->original;
    build_.cache().add(record);
}

/// Everything before this step is an input of it.
StepInputs StageRun::begin_inputs(std::string_view kind) const {
    StepInputs inputs;
    inputs.add("instruction kind", kind);
    inputs.add("the step before it", state_.key);
    return inputs;
}

std::string StageRun::find_reason(const StepInputs& inputs) const {
    if (ignores_cache_) return "--no-cache";
    const auto before = build_.cache().find_last_inputs(build_.slot_of(stage_, step_));
    if (!before) return "it was not built before";
    const std::string reason = explain_difference(*before, inputs);
    return reason.empty() ? "its result is no longer in the cache" : reason;
}

void StageRun::keep_inputs(const StepInputs& inputs) {
    build_.cache().write_last_inputs(build_.slot_of(stage_, step_), inputs);
}

void StageRun::explain_miss(const StepInputs& inputs) {
    const std::string& text = instruction_->original;
    reason_ = text.substr(0, text.find_first_of(" \t\n")) + ": " + find_reason(inputs);
    keep_inputs(inputs);
    const bool is_surprise = !reason_.ends_with("--no-cache") &&
                             !reason_.ends_with("it was not built before") &&
                             !reason_.ends_with(StepInputs::step_before);
    if (is_surprise) say(fmt::format(" ---> Not cached: {}\n", reason_));
}

void StageRun::take_layer(const StepInputs& inputs, const MakeLayer& make) {
    const std::string key = inputs.key();
    const auto use = [&](const CacheRecord& record) {
        if (record.layer) state_.layers.push_back(*record.layer);
        made_layer_ = record.layer.has_value();
        state_.key = key;
    };
    const bool may_use_cache = !ignores_cache_;
    std::string damage;
    if (may_use_cache)
        if (const auto record = build_.cache().find(key, build_.lease(), &damage)) {
            from_cache_ = true;
            keep_inputs(inputs);
            return use(*record);
        }
    if (!damage.empty()) say(fmt::format("[Warning] {}: it runs again\n", damage));
    if (may_use_cache)
        if (const auto layer = find_in_images()) {
            CacheRecord record{key, state_.key, instruction_->original, layer};
            build_.cache().add(record);
            from_cache_ = true;
            keep_inputs(inputs);
            return use(record);
        }
    const Cache::Turn turn(build_.cache(), key, build_.stop());
    if (may_use_cache && turn.had_to_wait())
        if (const auto record = build_.cache().find(key, build_.lease())) {
            from_cache_ = true;
            return use(*record);
        }
    explain_miss(inputs);
    CacheRecord record;
    record.key = key;
    record.parent = state_.key;
    record.description = instruction_->original;
    record.layer = make();
    build_.cache().add(record);
    use(record);
}

}  // namespace hull::build
