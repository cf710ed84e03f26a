#include "runtime/hooks.hh"

#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::runtime {
namespace {

constexpr std::size_t longest_complaint = 1024;

/// A file, not a pipe: a hook that does not read, or writes a lot, must not block us.
Fd make_stream(const char* name, const std::string& text = "") {
    Fd file(::memfd_create(name, MFD_CLOEXEC));
    if (!file) throw_errno(errno, "memfd_create");
    sys::pwrite_all(file.get(), text, 0);
    return file;
}

/// ": what it wrote", on one line; "" when it wrote nothing.
std::string complaint(int output) {
    std::string text(longest_complaint, '\0');
    const ssize_t count = ::pread(output, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text.empty() ? "" : ": " + text;
}

void run_hook(const oci::Hook& hook, const std::string& state) {
    Fd input = make_stream("state", state), output = make_stream("output");
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
