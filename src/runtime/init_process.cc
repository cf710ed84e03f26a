#include "base/sys.hh"
#include "linux/mount.hh"
#include "linux/process_attributes.hh"
#include "linux/seccomp.hh"
#include "runtime/executable.hh"
#include "runtime/init.hh"
#include "runtime/seccomp_listener.hh"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>

namespace hull::runtime {
namespace {

struct Word {
    std::string_view name;
    std::uint64_t value;
};

constexpr Word policies[] = {{"SCHED_OTHER", 0},   {"SCHED_FIFO", 1}, {"SCHED_RR", 2},
                             {"SCHED_BATCH", 3},   {"SCHED_ISO", 4},  {"SCHED_IDLE", 5},
                             {"SCHED_DEADLINE", 6}};
constexpr Word scheduler_flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01}, {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},    {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},   {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}};
constexpr Word io_classes[] = {
    {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr Word personalities[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};

std::uint64_t get_word(std::span<const Word> words, const std::string& name,
                       std::string_view what) {
    for (const Word& word : words)
        if (word.name == name) return word.value;
    throw Error(ErrorKind::invalid_argument, "unknown {} {}", what, name);
}

void warn(const InitContext& context, std::string text) {
    context.channel.send(Message{.type = MessageType::warning, .text = std::move(text), .fd = {}});
}

/// The home directory of `uid` in the container's /etc/passwd, "/" without an entry.
std::string find_home(uid_t uid) {
    std::string passwd;
    try {
        passwd = read_file("/etc/passwd", 1UL << 20);
    } catch (const Error&) {
        return "/";
    }
    std::string wanted = std::to_string(uid);
    for (std::size_t at = 0; at < passwd.size();) {
        std::size_t end = std::min(passwd.find('\n', at), passwd.size());
        std::string_view line = std::string_view(passwd).substr(at, end - at);
        at = end + 1;
        std::array<std::string_view, 7> fields;
        std::size_t count = 0;
        for (std::size_t start = 0; count < fields.size(); start++) {
            std::size_t colon = std::min(line.find(':', start), line.size());
            fields[count++] = line.substr(start, colon - start);
            start = colon;
            if (colon == line.size()) break;
        }
        if (count >= 6 && fields[2] == wanted && !fields[5].empty()) return std::string(fields[5]);
    }
    return "/";
}

void set_home(InitContext& context) {
    bool given = std::any_of(
        context.environment.begin(), context.environment.end(),
        [](const std::string& entry) { return entry.starts_with("HOME=") && entry.size() > 5; });
    if (!given) context.environment.push_back("HOME=" + find_home(context.user.uid));
}

void load_filter(InitContext& context) {
    Fd listener = linux_::load_seccomp(context.filter, context.filter_flags);
    if (!listener) return;
    std::array<char, 32> self{};  // in the host's /proc: our pid as the agent knows it
    if (::readlinkat(context.proc.get(), "self", self.data(), self.size() - 1) < 0)
        throw_errno(errno, "reading /proc/self");
    ListenerState state{.oci_version = context.spec ? context.spec->oci_version : "1.0.2",
                        .id = context.id,
                        .status = context.spec ? "creating" : "running",
                        .pid = static_cast<pid_t>(std::strtol(self.data(), nullptr, 10)),
                        .bundle = context.bundle,
                        .annotations = {},
                        .metadata = context.seccomp_metadata};
    if (context.spec) state.annotations = context.spec->annotations;
    std::string text = context.seccomp_listener;
    text += '\0';
    text += listener_json(state);
    context.channel.send_fd(MessageType::seccomp_listener, listener.get(), std::move(text));
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

void reset_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) ::sigaction(number, &action, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// A working directory outside the root would be a way to the host (CVE-2024-21626).
void check_working_directory() {
    std::array<char, 4096> buffer;
    long length = ::syscall(SYS_getcwd, buffer.data(), buffer.size());
    if (length < 0 && errno == ENAMETOOLONG) return;
    if (length < 0) throw_errno(errno, "getcwd");
    if (buffer[0] != '/')
        throw Error(ErrorKind::forbidden, "the working directory is outside of the container");
}

}  // namespace

void set_limits(InitContext& context) {
    for (const oci::Rlimit& limit : context.process->rlimits) {
        std::optional<int> resource = linux_::find_rlimit(limit.type);
        if (!resource) throw Error(ErrorKind::invalid_argument, "unknown rlimit {}", limit.type);
        if (!linux_::set_rlimit(*resource, {limit.soft, limit.hard}))
            warn(context, fmt::format("{} {}:{} is above our own hard limit and we lack "
                                      "CAP_SYS_RESOURCE: left lower",
                                      limit.type, limit.soft, limit.hard));
    }
}

void set_security_labels(InitContext& context) {
    if (!context.process->apparmor_profile.empty())
        linux_::set_apparmor_exec(context.proc.get(), context.process->apparmor_profile);
    if (!context.process->selinux_label.empty())
        linux_::set_selinux_exec(context.proc.get(), context.process->selinux_label);
}

void set_scheduling(InitContext& context) {
    const oci::Process& process = *context.process;
    if (process.exec_cpu_affinity && !process.exec_cpu_affinity->final_.empty())
        linux_::set_cpu_affinity(process.exec_cpu_affinity->final_);
    if (process.scheduler) {
        const oci::Scheduler& scheduler = *process.scheduler;
        linux_::SchedulerSettings settings;
        settings.policy =
            static_cast<std::uint32_t>(get_word(policies, scheduler.policy, "scheduling policy"));
        for (const std::string& flag : scheduler.flags)
            settings.flags |= get_word(scheduler_flags, flag, "scheduler flag");
        settings.nice = scheduler.nice;
        settings.priority = static_cast<std::uint32_t>(scheduler.priority);
        settings.runtime = scheduler.runtime;
        settings.deadline = scheduler.deadline;
        settings.period = scheduler.period;
        linux_::set_scheduler(settings);
    }
    if (process.io_priority)
        linux_::set_io_priority(
            static_cast<int>(
                get_word(io_classes, process.io_priority->priority_class, "I/O priority class")),
            process.io_priority->priority);
    if (context.spec && context.spec->linux_.personality)
        linux_::set_personality(
            get_word(personalities, context.spec->linux_.personality->domain, "personality"));
}

void make_working_directory(InitContext& context) {
    const Path& cwd = context.process->cwd;
    if (!cwd.starts_with('/'))
        throw Error(ErrorKind::invalid_argument, "cwd {} is not absolute", cwd);
    if (linux_::find_in_root(context.root.get(), cwd)) return;
    mode_t old = ::umask(022);
    linux_::open_destination(context.root.get(), cwd, true);
    ::umask(old);
}

void set_no_new_privs(InitContext& context) {
    if (context.process->no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        throw_errno(errno, "prctl PR_SET_NO_NEW_PRIVS");
}

void load_seccomp_early(InitContext& context) {
    if (!context.filter.empty() && !context.process->no_new_privileges) load_filter(context);
}

void become_user(InitContext& context) {
    const oci::User& user = context.user;
    // Directories only root can enter are fine to start in, so the first try is root's.
    static_cast<void>(::chdir(context.process->cwd.c_str()));
    ::umask(user.umask.value_or(022));
    linux_::drop_bounding_set(context.capabilities.bounding);
    linux_::keep_capabilities(true);
    std::vector<gid_t> groups(user.additional_gids.begin(), user.additional_gids.end());
    // EPERM without groups: setgroups is denied in the user namespace, where there are none.
    if (::setgroups(groups.size(), groups.data()) != 0 && !(errno == EPERM && groups.empty()))
        throw_errno(errno, "setgroups");
    if (::setresgid(user.gid, user.gid, user.gid) != 0) throw_errno(errno, "setgid {}", user.gid);
    if (::setresuid(user.uid, user.uid, user.uid) != 0) throw_errno(errno, "setuid {}", user.uid);
    linux_::apply_capabilities(context.capabilities);
    set_home(context);
}

void enter_working_directory(InitContext& context) {
    const Path& cwd = context.process->cwd;
    if (::chdir(cwd.c_str()) != 0 && errno != EACCES) {
        int code = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
        std::string text = fmt::format("chdir to cwd (\"{}\") set in config.json failed: {}", cwd,
                                       errno == ENOENT    ? "no such file or directory"
                                       : errno == ENOTDIR ? "not a directory"
                                                          : "permission denied");
        throw LaunchError(kind_of_errno(errno), code, text);
    }
    check_working_directory();
}

void find_program(InitContext& context) {
    if (context.arguments.empty())
        throw Error(ErrorKind::invalid_argument, "process.args is empty: nothing to run");
    context.executable =
        find_executable(context.arguments[0], context.environment, context.proc.get());
    if (context.init_program.empty()) return;
    context.executable = "/sbin/docker-init";
    context.arguments.insert(context.arguments.begin(), {"/sbin/docker-init", "--"});
}

void close_descriptors(InitContext& context) {
    // What is preserved keeps its flags off; everything else goes with execve, at the latest.
    for (int fd = 3; fd < 3 + context.preserve_descriptors; fd++) {
        int flags = ::fcntl(fd, F_GETFD);
        if (flags >= 0) ::fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
    }
    unsigned first = 3U + static_cast<unsigned>(context.preserve_descriptors);
    if (::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) != 0) throw_errno(errno, "close_range");
    reset_signals();
}

void wait_for_start(InitContext& context) {
    context.channel.send(MessageType::ready);
    if (context.start_socket) {
        int connection = -1;
        do {
            connection = ::accept4(context.start_socket.get(), nullptr, nullptr, SOCK_CLOEXEC);
        } while (connection < 0 && errno == EINTR);
        if (connection < 0) throw_errno(errno, "waiting for start");
        context.channel = Channel(Fd(connection));
        context.start_socket.reset();
    }
    std::optional<Message> message = context.channel.receive();
    if (!message || message->type != MessageType::start)
        throw Error(ErrorKind::cancelled, "the runtime went away before start");
}

void load_seccomp_late(InitContext& context) {
    context.channel.send(MessageType::executing);
    if (!context.filter.empty() && context.process->no_new_privileges) load_filter(context);
}

void exec_process(InitContext& context) {
    std::vector<char*> arguments = pointers(context.arguments);
    std::vector<char*> environment = pointers(context.environment);
    ::execve(context.executable.c_str(), arguments.data(), environment.data());
    throw_exec_failure(context.arguments[0], context.executable, errno, context.proc.get());
}

}  // namespace hull::runtime
