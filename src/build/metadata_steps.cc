// The steps that change the image's configuration and no files.
#include "base/error.hh"
#include "build/stage_run.hh"

namespace hull::build {

void StageRun::apply(const dockerfile::Env& env) {
    for (const dockerfile::KeyValue& pair : env.pairs) state_.set_environment(pair.key, pair.value);
}

void StageRun::apply(const dockerfile::Label& label) {
    for (const dockerfile::KeyValue& pair : label.pairs)
        state_.config.config.labels[pair.key] = pair.value;
}

/// The client's value, the default, or that of the global ARG of the same name.
void StageRun::apply(const dockerfile::Arg& arg) {
    for (const dockerfile::Argument& argument : arg.arguments) {
        std::optional<std::string> value = build_.find_build_argument(argument.name);
        if (!value) value = argument.value;
        if (!value) value = build_.find_global(argument.name);
        // One of the stage below, declared again, keeps its value.
        if (!value && state_.find_argument(argument.name)) continue;
        state_.set_argument(argument.name, std::move(value));
    }
}

void StageRun::apply(const dockerfile::Cmd& cmd) {
    state_.config.config.cmd = with_shell(cmd.command, state_.config.config.shell);
    state_.has_cmd = true;
}

/// An ENTRYPOINT makes the image's own CMD void, not one of this Dockerfile.
void StageRun::apply(const dockerfile::Entrypoint& entrypoint) {
    state_.config.config.entrypoint = with_shell(entrypoint.command, state_.config.config.shell);
    if (!state_.has_cmd) state_.config.config.cmd.reset();
}

void StageRun::apply(const dockerfile::User& user) { state_.config.config.user = user.user; }

void StageRun::apply(const dockerfile::Expose& expose) {
    for (const std::string& port : dockerfile::parse_ports(expose.ports))
        state_.config.config.exposed_ports.insert(port);
}

void StageRun::apply(const dockerfile::Volume& volume) {
    for (const std::string& path : volume.paths) state_.config.config.volumes.insert(path);
}

void StageRun::apply(const dockerfile::StopSignal& signal) {
    state_.config.config.stop_signal = signal.signal;
}

void StageRun::apply(const dockerfile::Healthcheck& healthcheck) {
    oci::Healthcheck check;
    if (healthcheck.none) {
        check.test = {"NONE"};
    } else {
        check.test = healthcheck.command.arguments;
        check.test.insert(check.test.begin(), healthcheck.command.exec ? "CMD" : "CMD-SHELL");
        check.interval_ns = healthcheck.interval_ns;
        check.timeout_ns = healthcheck.timeout_ns;
        check.start_period_ns = healthcheck.start_period_ns;
        check.start_interval_ns = healthcheck.start_interval_ns;
        check.retries = healthcheck.retries;
    }
    state_.config.config.healthcheck = std::move(check);
}

void StageRun::apply(const dockerfile::Shell& shell) {
    state_.config.config.shell = shell.arguments;
}

void StageRun::apply(const dockerfile::Maintainer& maintainer) {
    state_.config.author = maintainer.name;
}

void StageRun::apply(const dockerfile::OnBuild& trigger) {
    state_.config.config.on_build.push_back(trigger.expression);
}

}  // namespace hull::build
