#include "runtime/foreground.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

namespace hull::runtime {

struct Foreground::Saved {
    sigset_t mask;
    Fd signals;
    std::optional<termios> terminal;
};

namespace {

void copy_window_size(int terminal) {
    winsize size;
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(terminal, TIOCSWINSZ, &size);
}

/// False at end of file (EIO is how a terminal without a slave ends).
bool copy_some(int from, int to) {
    std::array<std::byte, 32768> buffer;
    ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (count <= 0) return false;
    sys::write_all(to, std::string_view(reinterpret_cast<const char*>(buffer.data()),
                                        static_cast<std::size_t>(count)));
    return true;
}

std::optional<ExitStatus> reap(pid_t wanted) {
    std::optional<ExitStatus> result;
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return result;
        if (pid != wanted) continue;
        result = WIFSIGNALED(status) ? ExitStatus{.code = 0, .signal = WTERMSIG(status)}
                                     : ExitStatus{.code = WEXITSTATUS(status), .signal = 0};
    }
}

}  // namespace

Foreground::Foreground() : saved_(std::make_unique<Saved>()) {
    sigset_t set;
    ::sigfillset(&set);
    for (int number :
         {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPIPE, SIGTTIN, SIGTTOU})
        ::sigdelset(&set, number);
    ::sigprocmask(SIG_BLOCK, &set, &saved_->mask);
    saved_->signals = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

Foreground::~Foreground() {
    if (saved_->terminal) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_->terminal);
    ::sigprocmask(SIG_SETMASK, &saved_->mask, nullptr);
}

ExitStatus Foreground::wait(pid_t pid, Fd terminal) {
    termios settings;
    if (terminal && ::tcgetattr(STDIN_FILENO, &settings) == 0) {
        saved_->terminal = settings;
        ::cfmakeraw(&settings);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
        copy_window_size(terminal.get());
    }
    std::array<pollfd, 3> polled{{{saved_->signals.get(), POLLIN, 0},
                                  {terminal.get(), POLLIN, 0},
                                  {terminal ? STDIN_FILENO : -1, POLLIN, 0}}};
    std::optional<ExitStatus> ended = reap(pid);
    while (!ended) {
        if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR)
            throw_errno(errno, "poll");
        if (polled[1].revents && !copy_some(terminal.get(), STDOUT_FILENO)) polled[1].fd = -1;
        if (polled[2].revents && !copy_some(STDIN_FILENO, terminal.get())) polled[2].fd = -1;
        signalfd_siginfo info;
        while (::read(saved_->signals.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGCHLD)
                ended = reap(pid);
            else if (info.ssi_signo == SIGWINCH && terminal)
                copy_window_size(terminal.get());
            else
                ::kill(pid, static_cast<int>(info.ssi_signo));
        }
    }
    while (terminal && sys::poll_one(terminal.get(), POLLIN, 0) &&
           copy_some(terminal.get(), STDOUT_FILENO)) {
    }
    return *ended;
}

}  // namespace hull::runtime
