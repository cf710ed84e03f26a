#pragma once
#include "api/types/container.hh"
#include "api/types/network_json.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<HealthConfig> auto& value) {
    visit.omit_empty("Test", value.test);
    visit.omit_empty("Interval", value.interval);
    visit.omit_empty("Timeout", value.timeout);
    visit.omit_empty("StartPeriod", value.start_period);
    visit.omit_empty("StartInterval", value.start_interval);
    visit.omit_empty("Retries", value.retries);
    visit.omit_empty("Action", value.action);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ContainerConfig> auto& value) {
    visit("Hostname", value.hostname);
    visit("Domainname", value.domainname);
    visit("User", value.user);
    visit("AttachStdin", value.attach_stdin);
    visit("AttachStdout", value.attach_stdout);
    visit("AttachStderr", value.attach_stderr);
    visit.omit_empty("ExposedPorts", value.exposed_ports);
    visit("Tty", value.tty);
    visit("OpenStdin", value.open_stdin);
    visit("StdinOnce", value.stdin_once);
    visit("Env", value.env);
    visit.strings_or_text("Cmd", value.cmd);
    visit.omit_empty("Healthcheck", value.healthcheck);
    visit.omit_empty("ArgsEscaped", value.args_escaped);
    visit("Image", value.image);
    visit("Volumes", value.volumes);
    visit("WorkingDir", value.working_dir);
    visit.strings_or_text("Entrypoint", value.entrypoint);
    visit.omit_empty("NetworkDisabled", value.network_disabled);
    visit.omit_empty("MacAddress", value.mac_address);
    visit("OnBuild", value.on_build);
    visit("Labels", value.labels);
    visit.omit_empty("StopSignal", value.stop_signal);
    visit.omit_empty("StopTimeout", value.stop_timeout);
    visit.omit_empty("Shell", value.shell);
}

template <typename Visitor>
void fields(Visitor& visit, Of<GraphDriver> auto& value) {
    visit("Data", value.data);
    visit("Name", value.name);
}

}  // namespace hull::api
