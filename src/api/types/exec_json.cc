#include "api/types/exec.hh"

#include "api/types/network_json.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<ExecCreateRequest> auto& value) {
    visit("User", value.user);
    visit("Privileged", value.privileged);
    visit("Tty", value.tty);
    visit.omit_empty("ConsoleSize", value.console_size);
    visit("AttachStdin", value.attach_stdin);
    visit("AttachStderr", value.attach_stderr);
    visit("AttachStdout", value.attach_stdout);
    visit("Detach", value.detach);
    visit("DetachKeys", value.detach_keys);
    visit("Env", value.env);
    visit("WorkingDir", value.working_dir);
    visit.strings_or_text("Cmd", value.cmd);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ExecStartRequest> auto& value) {
    visit("Detach", value.detach);
    visit("Tty", value.tty);
    visit.omit_empty("ConsoleSize", value.console_size);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ExecProcessConfig> auto& value) {
    visit("tty", value.tty);
    visit("entrypoint", value.entrypoint);
    visit("arguments", value.arguments);
    visit.omit_empty("privileged", value.privileged);
    visit.omit_empty("user", value.user);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ExecInspect> auto& value) {
    visit("ID", value.id);
    visit("Running", value.running);
    visit("ExitCode", value.exit_code);
    visit("ProcessConfig", value.process_config);
    visit("OpenStdin", value.open_stdin);
    visit("OpenStderr", value.open_stderr);
    visit("OpenStdout", value.open_stdout);
    visit("CanRemove", value.can_remove);
    visit("ContainerID", value.container_id);
    visit("DetachKeys", value.detach_keys);
    visit("Pid", value.pid);
}

json::Value to_json(const ExecCreateRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, ExecCreateRequest& value) { detail::decode(json, value); }
json::Value to_json(const ExecStartRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, ExecStartRequest& value) { detail::decode(json, value); }
json::Value to_json(const ExecInspect& value) { return detail::encode(value); }
void from_json(const json::Value& json, ExecInspect& value) { detail::decode(json, value); }

}  // namespace hull::api
