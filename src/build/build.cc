#include "build/build.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "build/dockerfile/arguments.hh"
#include "build/dockerfile/check_report.hh"
#include "build/dockerfile/ignore.hh"
#include "build/provenance.hh"
#include "build/stage_run.hh"
#include "build/waste.hh"
#include "engine/files_run.hh"
#include "image/image_index.hh"
#include "oci/reference.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <climits>
#include <iterator>
#include <thread>

namespace hull::build {

namespace {

constexpr std::size_t most_dockerfile_bytes = 4UL << 20;
constexpr const char* epoch_name = "SOURCE_DATE_EPOCH";

std::optional<std::int64_t> parse_epoch(const std::string& text) {
    if (text.empty()) return std::nullopt;
    std::int64_t epoch_s = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), epoch_s);
    if (error != std::errc() || end != text.data() + text.size())
        throw Error(ErrorKind::invalid_argument, "invalid SOURCE_DATE_EPOCH: {}", text);
    return epoch_s;
}

/// Requests `inner` when the client goes away or somebody cancels, until it is destroyed.
class StopRelay {
public:
    StopRelay(StopEvent& client, StopEvent& cancelled, StopEvent& inner, std::int64_t timeout_ms)
        : thread_([this, &client, &cancelled, &inner, timeout_ms] {
              pollfd polled[] = {
                  {client.fd(), POLLIN, 0}, {cancelled.fd(), POLLIN, 0}, {end_.fd(), POLLIN, 0}};
              const std::int64_t end_ns = monotonic_ns() + timeout_ms * 1'000'000;
              int ready = -1;
              while (ready < 0) {
                  const std::int64_t left_ms = (end_ns - monotonic_ns()) / 1'000'000;
                  ready =
                      ::poll(polled, std::size(polled),
                             timeout_ms < 0
                                 ? -1
                                 : static_cast<int>(std::clamp<std::int64_t>(left_ms, 0, INT_MAX)));
              }
              if (ready == 0) timed_out_ = true;
              if (ready == 0 || polled[0].revents || polled[1].revents) inner.request();
          }) {}
    bool timed_out() const { return timed_out_; }
    ~StopRelay() {
        end_.request();
        thread_.join();
    }
    StopRelay(const StopRelay&) = delete;
    StopRelay& operator=(const StopRelay&) = delete;

private:
    StopEvent end_;
    std::atomic<bool> timed_out_ = false;
    std::thread thread_;
};

BuildRecord make_record(const BuildRequest& request, const Context& context) {
    BuildRecord record;
    record.id = request.record_id.empty() ? random_hex(6) : request.record_id;
    record.name = request.tags.empty() ? context.directory : request.tags.front();
    record.dockerfile = request.dockerfile.empty() ? "Dockerfile" : request.dockerfile;
    record.target = request.target;
    record.started_ns = now_ns();
    return record;
}

}  // namespace

Build::Build(Builder& builder, const BuildRequest& request, const Context& context,
             const Sink& sink, StopEvent& stop, StopEvent& cancelled)
    : builder_(builder),
      request_(request),
      context_(context),
      sink_(sink),
      step_events_(sink, request.tells_steps),
      client_stop_(stop),
      cancelled_(cancelled),
      lease_(builder.store_.make_lease()),
      record_(builder.history_, make_record(request, context)),
      platform_(oci::host_platform()) {
    for (const auto& [id, secret] : request.secrets) record_.hide(secret);
}

// ---------------------------------------------------------------- what there is to do

/// A text file of the context; links lead nowhere outside of it.
std::string Build::find_text(const Path& directory, const std::string& path, bool required) const {
    const Fd root = sys::open(directory, O_PATH | O_DIRECTORY);
    struct open_how how {};
    how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    Fd file;
    try {
        file = sys::openat2(root.get(), path, O_RDONLY | O_NONBLOCK, how.resolve);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        if (!required) return "";
        throw Error(ErrorKind::invalid_argument, "Cannot locate specified Dockerfile: {}", path);
    }
    const struct stat info = sys::fstat(file.get());
    if (!S_ISREG(info.st_mode) || static_cast<std::size_t>(info.st_size) > most_dockerfile_bytes)
        throw Error(ErrorKind::invalid_argument, "{} is no file of at most {} MB", path,
                    most_dockerfile_bytes >> 20);
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    text.resize(sys::read_full(file.get(), std::as_writable_bytes(std::span(text))));
    return text;
}

std::vector<std::string> Build::ignored_in(const Path& directory) const {
    return dockerfile::parse_ignore_file(find_text(directory, ".dockerignore", false));
}

void Build::read_dockerfile() {
    std::string name = request_.dockerfile.empty() ? "Dockerfile" : request_.dockerfile;
    if (request_.dockerfile.empty() && !request_.dockerfile_text &&
        !sys::find_stat(join(context_.directory, name)) &&
        sys::find_stat(join(context_.directory, "dockerfile")))
        name = "dockerfile";
    const std::string text = request_.dockerfile_text ? *request_.dockerfile_text
                                                      : find_text(context_.directory, name, true);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        throw Error(ErrorKind::invalid_argument, "the Dockerfile ({}) cannot be empty", name);
    file_ = dockerfile::parse_dockerfile(text, name);
    std::string ignore = request_.ignore_text.value_or("");
    if (ignore.empty() && !request_.dockerfile_text)
        ignore = find_text(context_.directory, name + ".dockerignore", false);
    if (ignore.empty()) ignore = find_text(context_.directory, ".dockerignore", false);
    ignored_ = dockerfile::parse_ignore_file(ignore);
}

std::optional<std::string> Build::find_global(std::string_view name) const {
    const auto found = globals_.find(name);
    if (found == globals_.end()) return std::nullopt;
    return found->second;
}

std::optional<std::string> Build::find_build_argument(const std::string& name) {
    const auto found = request_.build_args.find(name);
    if (found == request_.build_args.end()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    used_arguments_.insert(name);
    return found->second;
}

const BuildRequest::NamedContext* Build::find_context(const std::string& name) const {
    const auto found = request_.contexts.find(name);
    return found == request_.contexts.end() ? nullptr : &found->second;
}

std::optional<std::size_t> Build::find_source_stage(const std::string& name,
                                                    std::size_t stage) const {
    if (find_context(name)) return std::nullopt;
    if (const auto before = dockerfile::find_stage(file_, name, stage)) return before;
    if (const auto any = dockerfile::find_stage(file_, name, file_.stages.size())) return any;
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos)
        throw Error(ErrorKind::invalid_argument, "invalid from flag value {}: index out of bounds",
                    name);
    return std::nullopt;
}

bool Build::is_set(const std::string& argument) const {
    const auto found = request_.build_args.find(argument);
    return found != request_.build_args.end() && (found->second == "1" || found->second == "true");
}

bool Build::keeps_git_dir() const { return is_set("BUILDKIT_CONTEXT_KEEP_GIT_DIR"); }

/// Those that cannot be had are no reason to fail.
void Build::import_caches() {
    const std::size_t stage = *needed_.begin();
    for (const std::string& name : request_.cache_from) {
        try {
            image::ImagePointer image = images().find_image(name);
            const bool was_here = image != nullptr;
            if (!image && builder_.fetch_) {
                builder_.fetch_(name, request_.platform, request_.registries, sink_, stop_);
                image = images().find_image(name);
            }
            if (!image) image = images().get_image(name);
            builder_.import_cache(*image);
            image_leases_.push_back(images().lease_image(*image));
            for (const image::BuiltLayer& layer : images().list_layers(*image))
                lease_.add_blob(layer.blob);
            cache_images_.push_back(image);
            if (!was_here) images().remove(name, {});
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::cancelled) throw;
            say(stage,
                fmt::format("[Warning] no build cache from {}: {}\n", name, error.message()));
        }
    }
}

std::string Build::expand_global(std::string_view text) const {
    dockerfile::ExpandOptions options;
    options.escape = file_.directives.escape;
    return dockerfile::expand_word(
        text, [this](std::string_view name) { return find_global(name); }, options);
}

/// ARGs before the first FROM, over those that every build has.
void Build::read_globals() {
    if (!request_.platform.empty()) platform_ = oci::parse_platform(request_.platform);
    const std::string& target =
        request_.target.empty() ? file_.stages.back().name : request_.target;
    for (const auto& [name, value] :
         dockerfile::platform_arguments(oci::host_platform(), platform_, target))
        globals_[name] = value;
    if (const auto epoch = request_.build_args.find(epoch_name);
        epoch != request_.build_args.end()) {
        epoch_s_ = parse_epoch(epoch->second);
        used_arguments_.insert(epoch_name);
    }
    for (const dockerfile::Instruction& instruction : file_.global_args) {
        const auto expanded = dockerfile::expand_instruction(
            instruction, [this](std::string_view name) { return find_global(name); },
            file_.directives.escape);
        for (const dockerfile::Argument& argument :
             std::get<dockerfile::Arg>(expanded.value).arguments) {
            if (const auto given = find_build_argument(argument.name))
                globals_[argument.name] = *given;
            else if (argument.value)
                globals_[argument.name] = *argument.value;
        }
    }
}

/// Adds a stage and all that it takes something from.
void Build::need(std::size_t stage) {
    const dockerfile::Stage& source = file_.stages[stage];
    if (visiting_.contains(stage))
        throw Error(ErrorKind::invalid_argument, "circular dependency detected on stage: {}",
                    source.name.empty() ? std::to_string(stage) : source.name);
    if (!needed_.insert(stage).second) return;
    visiting_.insert(stage);
    const std::string base_name = expand_global(source.base);
    const auto base = dockerfile::find_base_stage(file_, base_name, stage);
    if (base && !find_context(base_name))
        need(*base);
    else
        need_trigger_sources(base_name, stage);
    for (const dockerfile::Instruction& instruction : source.instructions)
        need_sources(instruction, stage);
    visiting_.erase(stage);
}

/// What the triggers of an image that is here take files from. Its FROM says what is wrong with it.
void Build::need_trigger_sources(const std::string& base, std::size_t stage) {
    image::ImagePointer image;
    try {
        image = images().find_image(base);
    } catch (const Error&) {
        return;
    }
    if (!image) return;
    for (const std::string& trigger : image->config.config.on_build)
        need_sources(dockerfile::parse_trigger(trigger), stage);
}

/// The stages that an instruction of `stage` takes files from.
void Build::need_sources(const dockerfile::Instruction& instruction, std::size_t stage) {
    const auto add = [&](const std::string& name) {
        if (name.empty()) return;
        if (const auto from = find_source_stage(name, stage)) need(*from);
    };
    if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.value)) add(copy->from);
    if (!std::holds_alternative<dockerfile::Run>(instruction.value)) return;
    const auto expanded = dockerfile::expand_instruction(
        instruction, [this](std::string_view name) { return find_global(name); },
        file_.directives.escape);
    for (const dockerfile::Mount& mount : std::get<dockerfile::Run>(expanded.value).mounts)
        add(mount.from);
}

void Build::plan() {
    target_ = dockerfile::get_target(file_, request_.target);
    need(target_);
    std::size_t next = 1 + file_.global_args.size();
    for (const std::size_t stage : needed_) {
        first_step_[stage] = next;
        next += 1 + file_.stages[stage].instructions.size();
        results_[stage] = promises_[stage].get_future().share();
    }
    step_count_ = next - 1;
    record_.set_step_count(step_count_);
    transcript_ =
        std::make_unique<Transcript>(sink_, needed_.size(), request_.quiet || request_.tells_steps);
    if (step_events_.wanted()) step_events_.plan(describe_plan(), file_.stages.size());
}

json::Value Build::describe_plan() const {
    json::Array stages;
    for (const std::size_t index : needed_) {
        const dockerfile::Stage& stage = file_.stages[index];
        std::vector<std::string> steps;
        for (const dockerfile::Instruction& instruction : stage.instructions)
            steps.push_back(instruction.original);
        json::Object described{{"index", index},
                               {"name", stage.name},
                               {"first", number_of(index, 0)},
                               {"steps", steps}};
        const std::string base = expand_global(stage.base);
        const auto* given = find_context(base);
        if (given || (base != "scratch" && !dockerfile::find_base_stage(file_, base, index)))
            described["image"] = given && !given->image.empty() ? given->image : base;
        stages.push_back(std::move(described));
    }
    return stages;
}

std::size_t Build::speaker_of(std::size_t stage) const {
    return static_cast<std::size_t>(std::distance(needed_.begin(), needed_.find(stage)));
}

std::string Build::slot_of(std::size_t stage, std::size_t step) const {
    const std::string name = request_.tags.empty() ? context_.directory : request_.tags.front();
    std::string slot = fmt::format("{}\n{}\n{}\n{}", name, file_.source.name, stage, step);
    if (request_.is_part) slot += "\n" + request_.platform;
    return slot;
}

void Build::announce(std::size_t stage, std::size_t step, std::string_view text) {
    step_events_.begin(number_of(stage, step));
    say(stage, fmt::format("Step {}/{} : {}\n", number_of(stage, step), step_count_, text));
}

// ---------------------------------------------------------------- running

const StageState& Build::wait_for_stage(std::size_t stage) {
    const auto result = results_.find(stage);
    if (result == results_.end())
        throw Error(
            ErrorKind::unsupported,
            "only a trigger of an image that was not here when the build began names stage "
            "{}: build again, now that it is",
            file_.stages[stage].name.empty() ? std::to_string(stage) : file_.stages[stage].name);
    return result->second.get();
}

void Build::run_stage(std::size_t stage) {
    StageRun run(*this, stage);
    try {
        StageState state = run.run();
        if (stage == target_) warn_unused_arguments();
        promises_.at(stage).set_value(std::move(state));
        transcript_->finish(speaker_of(stage));
        return;
    } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = std::current_exception();
            step_events_.fail(number_of(stage, run.step()));
            transcript_->end_with(speaker_of(stage));
        }
    }
    stop_.request();
    promises_.at(stage).set_exception(std::make_exception_ptr(
        Error(ErrorKind::cancelled, "a stage that this one needs has failed")));
}

image::ImagePointer Build::get_image(const std::string& name, const std::string& platform,
                                     std::size_t stage) {
    if (const auto* given = find_context(name);
        given && !given->image.empty() && given->image != name)
        return get_image(given->image, platform, stage);
    const std::string& wanted = platform.empty() ? request_.platform : platform;
    const auto find = [&] {
        const image::ImagePointer named = images().find_image(name);
        return named && !wanted.empty() ? images().find_platform(named, oci::parse_platform(wanted))
                                        : named;
    };
    image::ImagePointer image = find();
    if ((!image || request_.pull) && builder_.fetch_) {
        const image::ImagePointer named = images().find_image(name);
        // Ids name what is here, if at all.
        if (!named || !named->id.ends_with(name)) fetch(name, wanted, image ? nullptr : named);
        image = find();
    }
    if (!image) {
        const image::ImagePointer named = images().get_image(name);
        throw Error(ErrorKind::not_found, "image {} is for {}, and not for {}", name,
                    named->config.platform.str(), wanted);
    }
    say(stage, "");
    if (request_.provenance != Provenance::none && !image->id.ends_with(name))
        note_material(package_address(name, image->config.platform.str()), image->manifest_digest);
    store::Lease lease = images().lease_image(*image);
    const std::lock_guard lock(mutex_);
    image_leases_.push_back(std::move(lease));
    return image;
}

/// `named` is what has that name for another platform, if anything: then its index is asked, so
/// that the name stays where it is.
void Build::fetch(const std::string& name, const std::string& platform,
                  const image::ImagePointer& named) {
    std::string address = name;
    if (const auto index = named ? images().find_index(named->manifest_digest) : std::nullopt)
        address = oci::Reference::parse(name)
                      .without_tag_and_digest()
                      .with_digest(oci::Digest::parse(index->digest))
                      .canonical();
    const auto ask = [&] { builder_.fetch_(address, platform, request_.registries, sink_, stop_); };
    if (!named) return ask();
    with_context(ask, "image {} is here for {}, and not for {}", name, named->config.platform.str(),
                 platform);
}

void Build::run_files(files::Request request, int output_fd,
                      const std::function<void(const json::Value&)>& on_message) {
    engine::FilesCommand command;
    command.program = join(options().programs, "hull-files");
    command.request = std::move(request);
    command.request.container = "build";
    command.request.scratch = join(options().data_root, "build/scratch");
    command.output_fd = output_fd;
    command.on_message = on_message;
    engine::run_files(
        command, [](const auto&) {}, &stop_);
}

void Build::warn_unused_arguments() {
    std::string names;
    for (const auto& [name, value] : request_.build_args) {
        if (used_arguments_.contains(name) || dockerfile::is_builder_argument(name) ||
            dockerfile::is_proxy_argument(name))
            continue;
        names += (names.empty() ? "" : " ") + name;
    }
    if (!names.empty())
        say(target_,
            fmt::format("[Warning] One or more build-args [{}] were not consumed\n", names));
}

BuildResult Build::finish(const StageState& state) {
    StageState last = state;
    for (const auto& [name, value] : request_.labels) last.config.config.labels[name] = value;
    image::NewImage image;
    image.config = last.document();
    if (request_.inline_cache || is_set("BUILDKIT_INLINE_CACHE")) {
        const std::vector<std::string> diff_ids = last.diff_ids();
        json::Value config = json::parse(image.config);
        config[Builder::carried_name] =
            builder_.carried_records(record_.steps(), {diff_ids.begin(), diff_ids.end()});
        image.config = json::dump(config);
    }
    image.layers = last.layers;
    if (!request_.is_part) image.references = request_.tags;
    for (const Annotation& annotation : request_.annotations)
        if (annotation.place == Annotation::Place::manifest &&
            (annotation.platform.empty() || oci::parse_platform(annotation.platform) == platform_))
            image.annotations[annotation.name] = annotation.value;
    const image::AddedImage added = images().add_image(image);
    BuildResult result;
    result.image_id = added.id;
    result.digest = added.manifest;
    if (request_.provenance != Provenance::none) result.provenance = describe_provenance();
    return result;
}

/// The build checks, and what the steps have stored for nothing.
void Build::tell_more(const StageState& state) {
    const auto tell = [&](const std::string& text) {
        if (text.empty()) return;
        record_.log(target_, text);
        if (request_.quiet) return;
        api::ProgressMessage message;
        message.stream = text;
        sink_(message);
    };
    dockerfile::CheckOptions options;
    options.build_args = request_.build_args;
    if (const auto directive = request_.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
        directive != request_.build_args.end())
        options.directive = directive->second;
    const dockerfile::IgnorePatterns patterns(ignored_);
    options.ignore = &patterns;
    options.base_environment =
        [this](std::string_view name) -> std::optional<std::vector<std::string>> {
        const image::ImagePointer image = images().find_image(name);
        if (!image) return std::nullopt;
        std::vector<std::string> names;
        for (const std::string& entry : image->config.config.env)
            names.push_back(entry.substr(0, entry.find('=')));
        return names;
    };
    tell(dockerfile::check_summary(dockerfile::check(file_, options)));
    try {
        json::Value waste =
            builder_.find_waste(state.diff_ids(), state.layers.size() - state.base_layers, stop_);
        tell(waste_summary(waste));
        std::size_t layer = state.base_layers;
        for (json::Value& entry : waste.as_array()) entry["layer"] = state.layers[layer++].diff_id;
        record_.set_waste(std::move(waste));
    } catch (const Error& error) {
        log::warning("looking for waste: {}", error.message());
    }
}

BuildResult Build::run() {
    try {
        BuildResult result = run_all();
        record_.finish(BuildStatus::completed, "", result.image_id);
        return result;
    } catch (const Error& error) {
        record_.finish(
            error.kind() == ErrorKind::cancelled ? BuildStatus::cancelled : BuildStatus::failed,
            error.message(), "");
        throw;
    }
}

BuildResult Build::run_all() {
    const StopRelay relay(client_stop_, cancelled_, stop_, request_.timeout_ms);
    read_dockerfile();
    read_globals();
    plan();
    import_caches();
    std::size_t step = 1;
    for (const dockerfile::Instruction& global : file_.global_args)
        say(*needed_.begin(),
            fmt::format("Step {}/{} : {}\n", step++, step_count_, global.original));
    std::vector<std::thread> threads;
    for (const std::size_t stage : needed_)
        if (stage != target_) threads.emplace_back([this, stage] { run_stage(stage); });
    run_stage(target_);
    for (std::thread& thread : threads) thread.join();
    if (failure_) {
        if (relay.timed_out())
            throw Error(ErrorKind::invalid_argument,
                        "the build took longer than the {} s that it may take",
                        request_.timeout_ms / 1000);
        if (client_stop_.requested() || cancelled_.requested())
            throw Error(ErrorKind::cancelled, "the build was cancelled");
        std::rethrow_exception(failure_);
    }
    const StageState& state = wait_for_stage(target_);
    BuildResult result = finish(state);
    if (request_.tells_more) tell_more(state);
    for (const std::string& tag : request_.tags)
        result.tags.push_back(oci::Reference::parse(tag).with_default_tag().familiar());
    return result;
}

}  // namespace hull::build
