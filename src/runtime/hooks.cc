#include "runtime/hooks.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"

namespace hull::runtime {
namespace {

constexpr std::size_t longest_complaint = 1024;

/// ": what it wrote"; "" when it wrote nothing.
std::string complaint(int output) {
    const std::string text = read_as_line(output, longest_complaint);
    return text.empty() ? "" : ": " + text;
}

void run_hook(const oci::Hook& hook, const std::string& state) {
    // Files, not pipes: a hook that does not read, or writes a lot, must not block us.
    Fd input = make_memory_file("state", state), output = make_memory_file("output");
    Command command;
    command.program = hook.path;
    command.arguments = hook.args;  // [0] is the hook's to choose: dockerd's own hook lives by it
    if (command.arguments.empty()) command.arguments = {hook.path};
    command.environment = hook.env;
    command.descriptors = {{input.get(), 0}, {output.get(), 1}, {output.get(), 2}};
    Process process = Process::spawn(command);
    std::optional<ExitStatus> ended =
        hook.timeout_s ? process.wait_for(*hook.timeout_s * 1000) : process.wait();
    if (!ended)
        throw Error(ErrorKind::unavailable, "did not end within {} s and was killed",
                    *hook.timeout_s);
    if (ended->signal)
        throw Error(ErrorKind::internal, "ended by signal {}{}", ended->signal,
                    complaint(output.get()));
    if (ended->code)
        throw Error(ErrorKind::internal, "exited with code {}{}", ended->code,
                    complaint(output.get()));
}

}  // namespace

std::string status_json(const ContainerStatus& status) {
    json::Object object;
    object.append("ociVersion", status.oci_version);
    object.append("id", status.id);
    object.append("status", status.status);
    if (status.pid != 0) object.append("pid", status.pid);
    object.append("bundle", status.bundle);
    if (!status.annotations.empty()) object.append("annotations", status.annotations);
    return json::dump(object);
}

void run_hooks(const std::vector<oci::Hook>& hooks, std::string_view stage,
               const ContainerStatus& status) {
    if (hooks.empty()) return;
    std::string state = status_json(status);
    for (const oci::Hook& hook : hooks)
        with_context([&] { run_hook(hook, state); }, "{} hook {}", stage, hook.path);
}

}  // namespace hull::runtime
