#include "linux/idmap.hh"

#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "linux/namespaces.hh"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

namespace hull::linux_ {
namespace {

std::string map_text(std::span<const IdRange> ranges) {
    std::string result;
    for (const IdRange& range : ranges)
        result += fmt::format("{} {} {}\n", range.inside, range.outside, range.count);
    return result;
}

bool try_write(const std::string& path, std::string_view text) {
    Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return file &&
           ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

void run_map_helper(const char* program, pid_t pid, std::span<const IdRange> ranges) {
    Command command;
    command.arguments = {program, std::to_string(pid)};
    for (const IdRange& range : ranges)
        for (std::uint32_t number : {range.inside, range.outside, range.count})
            command.arguments.push_back(std::to_string(number));
    ExitStatus status = Process::spawn(command).wait();
    if (status.docker_code() != 0)
        throw Error(ErrorKind::forbidden, "{} failed with code {}", program, status.docker_code());
}

void write_map(pid_t pid, const char* file, const char* helper, std::span<const IdRange> ranges) {
    if (ranges.empty()) return;
    std::string path = fmt::format("/proc/{}/{}", pid, file);
    if (try_write(path, map_text(ranges))) return;
    int error_number = errno;
    if (::geteuid() == 0) throw_errno(error_number, "writing {}", path);
    run_map_helper(helper, pid, ranges);
}

}  // namespace

void write_id_maps(pid_t pid, const IdMaps& maps) {
    // An unprivileged process may map groups only after giving up setgroups(2)
    // (user_namespaces(7)).
    if (::geteuid() != 0 && maps.gids.size() == 1 && maps.gids[0].count == 1)
        try_write(fmt::format("/proc/{}/setgroups", pid), "deny");
    write_map(pid, "gid_map", "/usr/bin/newgidmap", maps.gids);
    write_map(pid, "uid_map", "/usr/bin/newuidmap", maps.uids);
}

Fd make_user_namespace(const IdMaps& maps) {
    Cloned holder = clone_process(CLONE_NEWUSER);
    if (holder.pid == 0) {
        for (;;) ::pause();
    }
    struct Reaper {
        pid_t pid;
        ~Reaper() {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    } reaper{holder.pid};
    write_id_maps(holder.pid, maps);
    return sys::open(fmt::format("/proc/{}/ns/user", holder.pid), O_RDONLY);
}

}  // namespace hull::linux_
