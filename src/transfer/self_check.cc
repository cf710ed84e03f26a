#include "transfer/self_check.hh"

#include "archive/byte_source.hh"
#include "base/json.hh"
#include "base/sys.hh"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <thread>

namespace hull::transfer {

namespace {

bool same_file(int left, int right) {
    const struct stat a = sys::fstat(left), b = sys::fstat(right);
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// "ok", or the name of the errno of a call that answered -1.
std::string outcome_of(const std::function<long()>& call) {
    errno = 0;
    const long result = call();
    return result >= 0 ? "ok" : ::strerrorname_np(errno);
}

}  // namespace

void self_check(const linux_::SandboxReport& report, Staging& staging) {
    archive::FdSource input(0);
    archive::drain(input);
    const int directory = staging.fd();
    // Descriptors these calls give stay open: the process ends right after.
    json::Object checks{
        {"landlock_abi", report.landlock_abi},
        {"own_network_namespace", report.own_network_namespace},
        {"own_root", report.own_root},
        {"open_etc_passwd", outcome_of([] { return ::open("/etc/passwd", O_RDONLY); })},
        // In a root of its own the directory is its own parent.
        {"open_parent", outcome_of([&]() -> long {
             const Fd parent(::openat(directory, "..", O_RDONLY | O_CLOEXEC));
             if (!parent || !same_file(parent.get(), directory)) return parent ? 0 : -1;
             errno = EXDEV;
             return -1;
         })},
        {"open_proc", outcome_of([] { return ::open("/proc/self/status", O_RDONLY); })},
        {"write_tmp", outcome_of([] { return ::open("/tmp/escaped", O_WRONLY | O_CREAT, 0644); })},
        {"make_directory", outcome_of([&] { return ::mkdirat(directory, "made", 0755); })},
        {"symlink", outcome_of([&] { return ::symlinkat("/etc", directory, "link"); })},
        {"socket", outcome_of([] { return ::socket(AF_INET, SOCK_STREAM, 0); })},
        {"exec", outcome_of([] {
             char name[] = "/bin/true";
             char* const arguments[] = {name, nullptr};
             return ::execve(name, arguments, nullptr);
         })},
        {"fork", outcome_of([] {
             const pid_t child = ::fork();
             if (child == 0) ::_exit(0);
             return static_cast<long>(child);
         })},
        {"signal_parent", outcome_of([] { return ::kill(::getppid(), 0); })},
        {"setuid_root", outcome_of([] { return ::setresuid(0, 0, 0); })},
        {"write_staging",
         outcome_of([&] { return ::openat(directory, "checked", O_RDWR | O_CREAT, 0644); })},
    };
    std::string thread_outcome;
    std::thread([&] {
        thread_outcome = outcome_of([] { return ::open("/etc/passwd", O_RDONLY); });
    }).join();
    checks["open_etc_passwd_in_thread"] = thread_outcome;
    sys::write_all(1, json::dump(std::move(checks)) + "\n");
}

}  // namespace hull::transfer
