#include "runtime/launch.hh"

#include "base/log.hh"
#include "base/sys.hh"
#include "linux/seccomp.hh"
#include "runtime/convert.hh"
#include "runtime/seccomp_listener.hh"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace hull::runtime {

namespace {

[[noreturn]] void throw_gone() {
    throw LaunchError(ErrorKind::internal, 125, "init ended before it executed the program");
}

}  // namespace

void load_filter_into(InitContext& context, const Path& file, const oci::Seccomp* seccomp) {
    if (!file.empty()) {
        context.filter = linux_::read_seccomp_file(file);
        return;
    }
    if (!seccomp || seccomp->default_action.empty()) return;
    check_listener(*seccomp);
    linux_::CompiledSeccomp compiled = linux_::compile_seccomp(to_profile(*seccomp));
    context.seccomp_listener = seccomp->listener_path;
    context.seccomp_metadata = seccomp->listener_metadata;
    for (const std::string& name : compiled.unknown)
        log::debug("seccomp: unknown system call {} is left out", name);
    context.filter = std::move(compiled.instructions);
    context.filter_flags = compiled.flags;
}

void become_undumpable() {
    if (::geteuid() == 0) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void set_oom_score(pid_t pid, const oci::Process& process) {
    if (!process.oom_score_adj) return;
    try {
        Fd file = sys::open(fmt::format("/proc/{}/oom_score_adj", pid), O_WRONLY);
        sys::write_all(file.get(), std::to_string(*process.oom_score_adj));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::forbidden) throw;
        log::warning("oom_score_adj {} needs CAP_SYS_RESOURCE: left as it is",
                     *process.oom_score_adj);
    }
}

void Conversation::wait_until_ready(const std::function<void()>& run_hooks) {
    for (;;) {
        Message message = next();
        if (message.type == MessageType::ready) return;
        if (message.type == MessageType::run_hooks) {
            run_hooks();
            channel_.tell(MessageType::hooks_done);
        }
    }
}

void Conversation::wait_until_executed() {
    for (bool is_executing = false;;) {
        std::optional<Message> message = channel_.receive();
        if (!message && is_executing) return;
        if (!message) throw_gone();
        handle(*message);
        is_executing = is_executing || message->type == MessageType::executing;
    }
}

Message Conversation::next() {
    std::optional<Message> message = channel_.receive();
    if (!message) throw_gone();
    handle(*message);
    return std::move(*message);
}

void Conversation::handle(Message& message) {
    if (message.type == MessageType::failed) throw_failure(message);
    if (message.type == MessageType::warning) log::warning("{}", message.text);
    if (message.type == MessageType::terminal) terminal = std::move(message.fd);
    if (message.type == MessageType::seccomp_listener) {
        const std::size_t end = message.text.find('\0');
        send_listener(message.text.substr(0, end), message.text.substr(end + 1), message.fd.get());
    }
}

}  // namespace hull::runtime
