#include "cli/terminal.hh"

#include "base/error.hh"
#include "cli/values.hh"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cassert>
#include <csignal>

namespace hull::cli {
namespace {

// What the signal handler needs; written before the handlers are installed.
int raw_fd = -1;
struct termios saved;

constexpr int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT, SIGSEGV,
                          SIGBUS, SIGILL, SIGFPE,  SIGSYS,  SIGPIPE, SIGALRM};

void restore() {
    if (raw_fd >= 0) ::tcsetattr(raw_fd, TCSANOW, &saved);
}

void restore_and_die(int signal_number) {
    restore();
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
}

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::optional<WindowSize> find_window_size(int fd) {
    struct winsize size = {};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return std::nullopt;
    return WindowSize{size.ws_row, size.ws_col};
}

int help_width() {
    const std::optional<WindowSize> size = find_window_size(STDOUT_FILENO);
    return size ? size->columns : 80;
}

RawMode::RawMode(int fd) {
    assert(raw_fd < 0);
    if (::tcgetattr(fd, &saved) != 0) throw_errno(errno, "reading the terminal's mode");
    raw_fd = fd;
    for (int signal_number : deadly) {
        struct sigaction previous = {};
        ::sigaction(signal_number, nullptr, &previous);
        if (previous.sa_handler == SIG_IGN) continue;
        struct sigaction action = {};
        action.sa_handler = restore_and_die;
        ::sigaction(signal_number, &action, nullptr);
    }
    struct termios raw = saved;
    ::cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (::tcsetattr(fd, TCSANOW, &raw) != 0) throw_errno(errno, "setting the terminal to raw mode");
}

RawMode::~RawMode() {
    restore();
    raw_fd = -1;
    for (int signal_number : deadly) {
        struct sigaction current = {};
        ::sigaction(signal_number, nullptr, &current);
        if (current.sa_handler == restore_and_die) ::signal(signal_number, SIG_DFL);
    }
}

std::string parse_detach_keys(std::string_view text) {
    std::string keys;
    if (text.empty()) return keys;
    for (const std::string& key : split(text, ',')) {
        if (key.size() == 1) {
            keys += key;
            continue;
        }
        const std::string_view letter =
            key.starts_with("ctrl-") ? std::string_view(key).substr(5) : std::string_view();
        constexpr std::string_view controls = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
        const std::size_t code = letter.size() == 1 ? controls.find(letter) : std::string::npos;
        if (code == std::string::npos)
            throw Error(ErrorKind::invalid_argument, "Unknown character: '{}'", key);
        keys += static_cast<char>(code);
    }
    return keys;
}

DetachFilter::Result DetachFilter::filter(std::string_view typed) {
    Result result;
    if (keys_.empty()) {
        result.forward = typed;
        return result;
    }
    for (char c : typed) {
        if (c == keys_[matched_]) {
            if (++matched_ == keys_.size()) {
                matched_ = 0;
                result.detached = true;
                return result;
            }
            continue;
        }
        result.forward.append(keys_, 0, matched_);
        matched_ = c == keys_[0] ? 1 : 0;
        if (matched_ == 0) result.forward += c;
    }
    if (matched_ == keys_.size()) {  // a sequence of one key, met as the restart of itself
        matched_ = 0;
        result.detached = true;
    }
    return result;
}

}  // namespace hull::cli
