#include "base/process.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

extern char** environ;

namespace hull {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

ExitStatus exit_status_of(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {.code = info.si_status, .signal = 0};
    return {.code = 0, .signal = info.si_status};
}

}  // namespace

Process Process::spawn(const Command& command) {
    // Descriptors are lifted above every target first, so that no dup2 overwrites one still needed.
    int lift = 3;
    for (const auto& descriptor : command.descriptors) lift = std::max(lift, descriptor.theirs + 1);
    std::vector<Fd> lifted;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const auto& [ours, theirs] : command.descriptors) {
        const int raw = ::fcntl(ours, F_DUPFD_CLOEXEC, lift);
        if (raw < 0) {
            posix_spawn_file_actions_destroy(&actions);
            throw_errno(errno, "duplicating descriptor {}", ours);
        }
        lifted.emplace_back(raw);
        posix_spawn_file_actions_adddup2(&actions, raw, theirs);
    }

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);  // what we may ignore; posix_spawn makes one system call per member
    for (const int number : {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGTTOU, SIGTTIN})
        sigaddset(&defaults, number);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (command.new_session) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&attributes, flags);

    const std::vector<char*> arguments = pointers(command.arguments);
    std::vector<char*> environment;
    if (command.environment) environment = pointers(*command.environment);
    pid_t pid = -1;
    const char* program = command.program.empty() ? arguments[0] : command.program.c_str();
    const int error = ::posix_spawn(&pid, program, &actions, &attributes, arguments.data(),
                                    command.environment ? environment.data() : environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) throw_errno(error, "starting {}", program);
    return Process(pid, find_pidfd(pid));
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Process& Process::operator=(Process other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    return *this;
}

Process::~Process() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);  // still ours: unreaped, so the pid cannot have been recycled
    siginfo_t info;
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
}

void Process::signal(int signal_number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal_number, nullptr, 0) != 0 &&
        errno != ESRCH)
        throw_errno(errno, "signalling process {}", pid_);
}

ExitStatus Process::wait() {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0)
        if (errno != EINTR) throw_errno(errno, "waiting for process {}", pid_);
    pid_ = -1;
    return exit_status_of(info);
}

std::optional<ExitStatus> Process::wait_for(int timeout_ms) {
    if (!sys::poll_one(pidfd_.get(), POLLIN, timeout_ms)) return std::nullopt;
    return wait();
}

pid_t Process::release() { return std::exchange(pid_, -1); }

Fd find_pidfd(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

namespace {

/// /proc/PID/stat from the bracket that ends the name, which may hold blanks and brackets itself.
std::optional<std::string> find_stat_fields(pid_t pid) {
    auto text = find_file(fmt::format("/proc/{}/stat", pid));
    const std::size_t name_end = text ? text->rfind(')') : std::string::npos;
    if (name_end == std::string::npos) return std::nullopt;
    return text->substr(name_end);
}

}  // namespace

std::optional<char> find_process_state(pid_t pid) {
    const auto fields = find_stat_fields(pid);
    if (!fields || fields->size() < 3) return std::nullopt;
    return (*fields)[2];
}

std::optional<unsigned long long> find_start_time(pid_t pid) {
    const auto fields = find_stat_fields(pid);
    if (!fields) return std::nullopt;
    std::size_t at = 0;
    for (int field = 2; field < 22 && at != std::string::npos; ++field)
        at = fields->find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
    return std::strtoull(fields->c_str() + at + 1, nullptr, 10);
}

}  // namespace hull
