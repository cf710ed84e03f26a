// RUN: a container on the stage's layers, whose changes become the next layer.
#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "build/dockerfile/arguments.hh"
#include "build/stage_run.hh"
#include "linux/binfmt.hh"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>

namespace hull::build {

namespace {

constexpr std::int64_t first_zip_second = 315'532'800;  ///< 1980: what zip can date

std::string join_words(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// A program of another architecture runs only where somebody has registered an emulator.
void check_can_run(const oci::Platform& platform) {
    const oci::Platform host = oci::host_platform();
    if (platform.architecture.empty() || platform.architecture == host.architecture ||
        linux_::can_emulate(platform.architecture))
        return;
    throw Error(ErrorKind::invalid_argument,
                "this machine ({}) cannot run programs for {}, and no emulator is registered for "
                "them: build them in a stage FROM --platform=$BUILDPLATFORM and COPY --from it, or "
                "register one (binfmt_misc: Debian's packages qemu-user-static and binfmt-support)",
                host.str(), platform.str());
}

/// Removes the container of a step, whatever became of it.
class StepContainer {
public:
    StepContainer(engine::Engine& engine, std::string id) : engine_(engine), id_(std::move(id)) {}
    ~StepContainer() {
        try {
            engine_.remove_container(id_, {.force = true, .volumes = true});
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found)
                log::warning("removing build step {}: {}", id_, error.message());
        }
    }
    StepContainer(const StepContainer&) = delete;
    StepContainer& operator=(const StepContainer&) = delete;
    const std::string& id() const { return id_; }

private:
    engine::Engine& engine_;
    const std::string id_;
};

/// Takes the frames of an attached stream apart and gives their bytes to `sink`.
class Frames {
public:
    explicit Frames(const std::function<void(std::string_view)>& sink) : sink_(sink) {}
    void take(std::string_view bytes) {
        pending_ += bytes;
        constexpr std::size_t header_bytes = 8;
        std::size_t at = 0;
        while (pending_.size() - at >= header_bytes) {
            std::size_t size = 0;
            for (std::size_t i = 4; i < header_bytes; ++i)
                size = size << 8 | static_cast<unsigned char>(pending_[at + i]);
            if (pending_.size() - at - header_bytes < size) break;
            sink_(std::string_view(pending_).substr(at + header_bytes, size));
            at += header_bytes + size;
        }
        pending_.erase(0, at);
    }

private:
    const std::function<void(std::string_view)>& sink_;
    std::string pending_;
};

/// Reads what the step prints until it ends. `unwanted`: nobody takes its result any more.
void read_output(int socket, StopEvent& stop, StopEvent& unwanted,
                 const std::function<void(std::string_view)>& sink) {
    Frames frames(sink);
    std::vector<std::byte> buffer(64UL << 10);
    for (;;) {
        pollfd polled[] = {{socket, POLLIN, 0}, {stop.fd(), POLLIN, 0}, {unwanted.fd(), POLLIN, 0}};
        if (::poll(polled, std::size(polled), -1) < 0) continue;
        if (polled[1].revents || polled[2].revents)
            throw Error(ErrorKind::cancelled, "the build was cancelled");
        const std::size_t count = sys::read(socket, buffer);
        if (count == 0) return;
        frames.take({reinterpret_cast<const char*>(buffer.data()), count});
    }
}

}  // namespace

void StageRun::apply(const dockerfile::Run& run) {
    const dockerfile::RunPlan plan = dockerfile::plan_run(run, state_.config.config.shell);
    if (run.security == dockerfile::Security::insecure && !build_.request().allow_insecure)
        throw Error(ErrorKind::forbidden,
                    "security.insecure is not allowed: build with --allow security.insecure");

    if (run.network == dockerfile::Network::host && !build_.request().allow_host_network &&
        build_.request().host.network_mode != "host")
        throw Error(ErrorKind::forbidden,
                    "network.host is not allowed: build with --allow network.host");

    engine::StepRequest step;
    api::CreateRequest& request = step.container;
    request.config.cmd = api::Strings(plan.arguments);
    request.config.image = state_.image_id;
    const auto hostname = build_.find_build_argument("BUILDKIT_SANDBOX_HOSTNAME");
    request.config.hostname = hostname.value_or("buildkitsandbox");
    request.config.user = state_.config.config.user;
    request.config.working_dir = state_.config.config.working_dir;
    request.config.attach_stdout = request.config.attach_stderr = true;
    std::vector<std::string> environment;
    StepInputs inputs = begin_inputs("RUN");
    inputs.add("command", json::dump(json::Value(plan.arguments)));
    if (hostname) inputs.add("hostname", *hostname);
    for (const auto& [name, value] : state_.arguments) {
        if (!value || state_.find_environment(name)) continue;
        environment.push_back(name + "=" + *value);
        if (!dockerfile::is_proxy_argument(name)) inputs.add("build argument " + name, *value);
    }
    for (const auto& [name, value] : build_.request().build_args)
        if (dockerfile::is_proxy_argument(name) && !state_.find_variable(name))
            environment.push_back(name + "=" + value);
    // Tools that write times into what they make (Python's byte code among them) take this one, so
    // that it fits the files' own.
    if (state_.created_s >= first_zip_second && !state_.find_variable("SOURCE_DATE_EPOCH"))
        environment.push_back(fmt::format("SOURCE_DATE_EPOCH={}", state_.created_s));
    for (const std::string& entry : state_.config.config.env) environment.push_back(entry);
    request.config.env = api::Strings(environment);
    request.host_config = build_.request().host;
    request.host_config.log_config.type = "none";
    if (run.network == dockerfile::Network::none) request.host_config.network_mode = "none";
    if (run.network == dockerfile::Network::host) request.host_config.network_mode = "host";
    if (run.security == dockerfile::Security::insecure) request.host_config.privileged = true;
    if (plan.script) inputs.add("script", dockerfile::heredoc_text(*plan.script));
    add_mount_inputs(inputs, run);
    inputs.add("network", request.host_config.network_mode);
    inputs.add("security", request.host_config.privileged ? "insecure" : "");
    step.image_id = state_.image_id;
    step.diff_ids = state_.diff_ids();

    take_layer(inputs, [&] {
        check_can_run(state_.config.platform);
        const StepMounts mounts = prepare_mounts(run, plan);
        return run_in_container(step, mounts, join_words(plan.arguments));
    });
}

std::optional<image::BuiltLayer> StageRun::run_in_container(engine::StepRequest step,
                                                            const StepMounts& mounts,
                                                            const std::string& shown) {
    engine::Engine& engine = build_.engine();
    api::CreateRequest& request = step.container;
    request.host_config.mounts = mounts.mounts;
    request.config.env.insert(request.config.env.end(), mounts.environment.begin(),
                              mounts.environment.end());
    const StepContainer container(engine, engine.create_step(step).id);
    say(fmt::format(" ---> Running in {}\n", short_id(container.id())));
    int exit_code = 0;
    std::optional<image::BuiltLayer> layer;
    StopEvent stop_writer;
    try {
        // What makes the layer starts while the step runs, and waits for its changes.
        run_pipe(
            [&](int output) {
            exit_code = run_to_end(container.id(), stop_writer);
            engine.read_step_layer(container.id(), {state_.created_s, mounts.targets()}, output,
                                   stop_writer);
            },
            [&](int input) {
            layer = build_.images().add_layer(input, build_.lease(), &build_.stop());
        },
            stop_writer);
    } catch (const Error& error) {
        if (exit_code == 0 || build_.stop().requested()) throw;
        log::warning("keeping what a failed step has left: {}", error.message());
    }
    if (exit_code != 0) {
        keep_failed(layer, mounts, request, exit_code);
        throw StepFailure(
            fmt::format("The command '{}' returned a non-zero code: {}", shown, exit_code),
            exit_code);
    }
    say(fmt::format("Removing intermediate container {}\n", short_id(container.id())));
    return layer;
}

/// The exit code of the step's container.
int StageRun::run_to_end(const std::string& container, StopEvent& unwanted) {
    engine::Engine& engine = build_.engine();
    sys::SocketPair sockets = sys::socketpair(SOCK_STREAM);
    engine::AttachOptions attach;
    attach.stream = attach.use_stdout = attach.use_stderr = true;
    engine.attach_container(container, attach, [&](bool) { return std::move(sockets.second); });
    engine.start_container(container, "");
    read_output(sockets.first.get(), build_.stop(), unwanted,
                [&](std::string_view text) { build_.print(stage_, step_, text); });
    const auto result = engine.wait_container(container, "not-running").wait(build_.stop());
    if (!result) throw Error(ErrorKind::cancelled, "the build was cancelled");
    return result->status_code;
}

/// What the step had done when it failed, for `hull build debug`.
void StageRun::keep_failed(const std::optional<image::BuiltLayer>& layer, const StepMounts& mounts,
                           const api::CreateRequest& request, int exit_code) {
    try {
        StageState after = state_;
        if (layer) after.layers.push_back(*layer);
        FailedStep failed;
        failed.number = build_.number_of(stage_, step_);
        failed.text = instruction_->original;
        failed.exit_code = exit_code;
        after.config.history.clear();
        failed.config = after.document();
        failed.layers = after.layers;
        // Secrets are no part of it.
        for (const std::string& entry : request.config.env)
            if (std::find(mounts.environment.begin(), mounts.environment.end(), entry) ==
                mounts.environment.end())
                failed.environment.push_back(entry);
        failed.command = request.config.cmd;
        build_.record().set_failed(std::move(failed));
    } catch (const Error& error) {
        log::warning("keeping what a failed step has left: {}", error.message());
    }
}

}  // namespace hull::build
