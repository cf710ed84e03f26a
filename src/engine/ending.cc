#include "engine/ending.hh"

#include "base/file.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <fmt/core.h>
#include <signal.h>
#include <sys/syscall.h>

#include <charconv>
#include <cstring>

namespace hull::engine {

namespace {

/// The text behind "Name:" in /proc/PID/status.
std::string_view status_field(std::string_view status, std::string_view name) {
    const std::string begin = fmt::format("\n{}:", name);
    const std::size_t at = status.find(begin);
    if (at == std::string_view::npos) return "";
    const std::size_t from = at + begin.size();
    return trim(status.substr(from, std::min(status.find('\n', from), status.size()) - from));
}

bool has_signal(std::string_view mask, int signal_number) {
    std::uint64_t bits = 0;
    std::from_chars(mask.data(), mask.data() + mask.size(), bits, 16);
    return bits >> (signal_number - 1) & 1;
}

/// A thread that has blocked the signal will ask for it; while it does, in sigwaitinfo(2), the
/// kernel shows it as not blocked. What cannot be read counts as waiting.
bool waits_for(pid_t pid, int signal_number) {
    const Path tasks = fmt::format("/proc/{}/task", pid);
    for (const std::string& task : sys::list_directories(tasks)) {
        const std::string status = "\n" + find_file(join(join(tasks, task), "status")).value_or("");
        const auto call = find_file(join(join(tasks, task), "syscall"));
        const std::string waiting = fmt::format("{} ", SYS_rt_sigtimedwait);
        if (has_signal(status_field(status, "SigBlk"), signal_number) || !call ||
            call->starts_with(waiting))
            return true;
    }
    return false;
}

}  // namespace

std::string signal_name(int number) {
    const char* const name = ::sigabbrev_np(number);
    return name ? fmt::format("SIG{}", name) : fmt::format("signal {}", number);
}

std::string describe_end(const task::ExitRecord& exit, const std::string& request) {
    if (exit.oom_killed) {
        std::string text = "out of memory";
        if (exit.memory_limit != 0)
            text +=
                fmt::format(": limit {} bytes, peak {} bytes", exit.memory_limit, exit.memory_peak);
        return text;
    }
    constexpr std::string_view by_signal = "signal ";
    if (exit.reason.starts_with(by_signal)) {
        const int number = std::atoi(exit.reason.c_str() + by_signal.size());
        if (!request.empty()) return fmt::format("ended by {} ({})", signal_name(number), request);
        return fmt::format("ended by {}, which no request had sent: a crash, or another process",
                           signal_name(number));
    }
    if (!exit.reason.empty()) return exit.reason;
    const std::string code = fmt::format("exited by itself with code {}", exit.code);
    return request.empty() ? code : fmt::format("{} after {}", code, request);
}

bool is_deaf_to(pid_t pid, int signal_number) {
    if (signal_number == SIGKILL || signal_number == SIGSTOP) return false;
    const std::string status = "\n" + find_file(fmt::format("/proc/{}/status", pid)).value_or("");
    const std::string_view numbers = status_field(status, "NSpid");
    const bool is_first = numbers.find('\t') != std::string_view::npos && numbers.ends_with("\t1");
    return is_first && !has_signal(status_field(status, "SigCgt"), signal_number) &&
           !waits_for(pid, signal_number);
}

}  // namespace hull::engine
