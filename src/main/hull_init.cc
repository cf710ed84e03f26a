// The first process of a container started with --init: runs one program, hands it every signal,
// reaps whatever is orphaned, and ends as the program ended. Allocates nothing.
//   docker-init [--] PROGRAM [ARGUMENT...]
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

constexpr int usage_error = 125, cannot_execute = 126, not_found = 127;

/// Signals that are about ourselves: the kernel raises them for our own faults.
constexpr int own_signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};

sigset_t forwarded_signals() {
    sigset_t set;
    ::sigfillset(&set);
    for (int number : own_signals) ::sigdelset(&set, number);
    return set;
}

/// A group of its own, in the foreground: ^C in a terminal must reach the program once, from the
/// terminal, and not a second time from us.
void isolate() {
    ::setpgid(0, 0);
    if (::tcsetpgrp(STDIN_FILENO, ::getpgrp()) != 0 && errno != ENOTTY && errno != ENXIO &&
        errno != EBADF)
        std::fprintf(stderr, "docker-init: tcsetpgrp: %s\n", std::strerror(errno));
}

[[noreturn]] void run_program(char** arguments, const sigset_t& original) {
    isolate();
    ::signal(SIGTTIN, SIG_DFL);
    ::signal(SIGTTOU, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &original, nullptr);
    ::execvp(arguments[0], arguments);
    std::fprintf(stderr, "docker-init: exec %s failed: %s\n", arguments[0], std::strerror(errno));
    ::_exit(errno == ENOENT ? not_found : cannot_execute);
}

/// Reaps all that ended; the program's exit code once it is among them, otherwise -1.
int reap(pid_t program) {
    int result = -1;
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return result;
        if (pid == program)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

}  // namespace

int main(int argc, char** argv) {
    char** arguments = argv + 1;
    if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("docker-init (hull) version " HULL_VERSION);
        return 0;
    }
    if (argc > 1 && std::strcmp(argv[1], "--") == 0) arguments++;
    if (!*arguments) {
        std::fprintf(stderr, "usage: docker-init [--] PROGRAM [ARGUMENT...]\n");
        return usage_error;
    }
    sigset_t forwarded = forwarded_signals(), original;
    ::sigprocmask(SIG_SETMASK, &forwarded, &original);
    // Giving the terminal away from the background would stop us.
    ::signal(SIGTTIN, SIG_IGN);
    ::signal(SIGTTOU, SIG_IGN);

    pid_t program = ::fork();
    if (program < 0) {
        std::fprintf(stderr, "docker-init: fork: %s\n", std::strerror(errno));
        return usage_error;
    }
    if (program == 0) run_program(arguments, original);
    for (;;) {
        siginfo_t info;
        int number = ::sigwaitinfo(&forwarded, &info);
        if (number == SIGCHLD) {
            if (int code = reap(program); code >= 0) return code;
        } else if (number > 0) {
            ::kill(program, number);
        }
    }
}
