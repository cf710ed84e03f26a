#include "build/build.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "build/dockerfile/arguments.hh"
#include "build/dockerfile/ignore.hh"
#include "build/stage_run.hh"
#include "engine/files_run.hh"
#include "oci/reference.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>

#include <charconv>
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
    StopRelay(StopEvent& client, StopEvent& cancelled, StopEvent& inner)
        : thread_([this, &client, &cancelled, &inner] {
              pollfd polled[] = {
                  {client.fd(), POLLIN, 0}, {cancelled.fd(), POLLIN, 0}, {end_.fd(), POLLIN, 0}};
              while (::poll(polled, std::size(polled), -1) < 0) continue;
              if (polled[0].revents || polled[1].revents) inner.request();
          }) {}
    ~StopRelay() {
        end_.request();
        thread_.join();
    }
    StopRelay(const StopRelay&) = delete;
    StopRelay& operator=(const StopRelay&) = delete;

private:
    StopEvent end_;
    std::thread thread_;
};

}  // namespace

Build::Build(Builder& builder, const BuildRequest& request, const Context& context,
             const Sink& sink, StopEvent& stop, StopEvent& cancelled)
    : builder_(builder),
      request_(request),
      context_(context),
      sink_(sink),
      client_stop_(stop),
      cancelled_(cancelled),
      lease_(builder.store_.make_lease()),
      platform_(oci::host_platform()) {}

// ---------------------------------------------------------------- what there is to do

/// A text file of the context; links lead nowhere outside of it.
std::string Build::find_text(const std::string& path, bool required) const {
    const Fd root = sys::open(context_.directory, O_PATH | O_DIRECTORY);
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

void Build::read_dockerfile() {
    const std::string name = request_.dockerfile.empty() ? "Dockerfile" : request_.dockerfile;
    const std::string text =
        request_.dockerfile_text ? *request_.dockerfile_text : find_text(name, true);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        throw Error(ErrorKind::invalid_argument, "the Dockerfile ({}) cannot be empty", name);
    file_ = dockerfile::parse_dockerfile(text, name);
    std::string ignore = request_.ignore_text.value_or("");
    if (ignore.empty() && !request_.dockerfile_text)
        ignore = find_text(name + ".dockerignore", false);
    if (ignore.empty()) ignore = find_text(".dockerignore", false);
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
    if (!needed_.insert(stage).second) return;
    const dockerfile::Stage& source = file_.stages[stage];
    if (const auto base = dockerfile::find_base_stage(file_, expand_global(source.base), stage))
        need(*base);
    for (const dockerfile::Instruction& instruction : source.instructions) {
        if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.value)) {
            if (!copy->from.empty())
                if (const auto from = dockerfile::find_stage(file_, copy->from, stage)) need(*from);
        } else if (const auto* run = std::get_if<dockerfile::Run>(&instruction.value)) {
            const auto expanded = dockerfile::expand_instruction(
                instruction, [this](std::string_view name) { return find_global(name); },
                file_.directives.escape);
            static_cast<void>(run);
            for (const dockerfile::Mount& mount : std::get<dockerfile::Run>(expanded.value).mounts)
                if (!mount.from.empty())
                    if (const auto from = dockerfile::find_stage(file_, mount.from, stage))
                        need(*from);
        }
    }
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
    transcript_ = std::make_unique<Transcript>(sink_, needed_.size(), request_.quiet);
}

std::size_t Build::speaker_of(std::size_t stage) const {
    return static_cast<std::size_t>(std::distance(needed_.begin(), needed_.find(stage)));
}

std::string Build::slot_of(std::size_t stage, std::size_t step) const {
    const std::string name = request_.tags.empty() ? context_.directory : request_.tags.front();
    return fmt::format("{}\n{}\n{}\n{}", name, file_.source.name, stage, step);
}

void Build::announce(std::size_t stage, std::size_t step, std::string_view text) {
    say(stage, fmt::format("Step {}/{} : {}\n", first_step_.at(stage) + step, step_count_, text));
}

// ---------------------------------------------------------------- running

const StageState& Build::wait_for_stage(std::size_t stage) { return results_.at(stage).get(); }

void Build::run_stage(std::size_t stage) {
    try {
        StageState state = StageRun(*this, stage).run();
        if (stage == target_) warn_unused_arguments();
        promises_.at(stage).set_value(std::move(state));
        transcript_->finish(speaker_of(stage));
        return;
    } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = std::current_exception();
            transcript_->end_with(speaker_of(stage));
        }
    }
    stop_.request();
    promises_.at(stage).set_exception(std::make_exception_ptr(
        Error(ErrorKind::cancelled, "a stage that this one needs has failed")));
}

image::ImagePointer Build::get_image(const std::string& name, const std::string& platform,
                                     std::size_t stage) {
    image::ImagePointer image = images().find_image(name);
    if ((!image || request_.pull) && builder_.fetch_) {
        // Ids name what is here, if at all.
        if (!image || !image->id.ends_with(name))
            builder_.fetch_(name, platform.empty() ? request_.platform : platform,
                            request_.registries, sink_, stop_);
        image = images().find_image(name);
    }
    if (!image) image = images().get_image(name);
    say(stage, "");
    store::Lease lease = images().lease_image(*image);
    const std::lock_guard lock(mutex_);
    image_leases_.push_back(std::move(lease));
    return image;
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

std::string Build::finish(const StageState& state) {
    StageState last = state;
    for (const auto& [name, value] : request_.labels) last.config.config.labels[name] = value;
    image::NewImage image;
    image.config = last.document();
    image.layers = last.layers;
    image.references = request_.tags;
    return images().add_image(image);
}

BuildResult Build::run() {
    const StopRelay relay(client_stop_, cancelled_, stop_);
    read_dockerfile();
    read_globals();
    plan();
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
        if (client_stop_.requested() || cancelled_.requested())
            throw Error(ErrorKind::cancelled, "the build was cancelled");
        std::rethrow_exception(failure_);
    }
    BuildResult result{finish(wait_for_stage(target_)), {}};
    for (const std::string& tag : request_.tags)
        result.tags.push_back(oci::Reference::parse(tag).with_default_tag().familiar());
    return result;
}

}  // namespace hull::build
