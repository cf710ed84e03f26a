#include "linux/apparmor.hh"

#include "base/error.hh"
#include "base/process.hh"

#include <unistd.h>

namespace hull::linux_ {
namespace {

constexpr const char* loaded_profiles = "/sys/kernel/security/apparmor/profiles";
constexpr const char* parser_paths[] = {"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser",
                                        "/usr/bin/apparmor_parser"};
constexpr int parser_timeout_ms = 60'000;
constexpr std::size_t longest_complaint = 2048;

/// NAME stands for the profile's own name. No includes: what abstractions allow is allowed anyway,
/// and the files may be missing.
constexpr std::string_view profile_text =
    R"(# Made by hulld. Rules that deny win over rules that allow.
profile NAME flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  capability,
  umount,

  # Signals from the host and among processes of containers.
  signal (receive) peer=unconfined,
  signal (send, receive) peer=NAME,
  # The runtimes that may be confined themselves.
  signal (receive) peer=hull-shim,
  signal (receive) peer=hull-runtime,
  signal (receive) peer=runc,
  signal (receive) peer=crun,

  # A debugger sees processes of containers only.
  ptrace (trace, read, tracedby, readby) peer=NAME,

  # CAP_SYS_ADMIN alone must not be enough to change the mounts.
  deny mount,

  # /proc has numbers, self, thread-self and sys; the rest is the kernel's and not to be written.
  deny /proc/* w,
  deny /proc/[^1-9st]*/** w,
  deny /proc/s[^ey]*/** w,
  deny /proc/sys?*/** w,
  deny /proc/t[^h]*/** w,
  deny /proc/{sysrq-trigger,mem,kmem,kcore} rwklx,

  # Settings of the kernel, but for the shared memory of the container's ipc namespace.
  deny /proc/sys/[^k]*{,/**} w,
  deny /proc/sys/kernel/[^s]*{,/**} w,
  deny /proc/sys/kernel/s[^h]*{,/**} w,
  deny /proc/sys/kernel/sh[^m]*{,/**} w,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}
)";

}  // namespace

std::string make_apparmor_profile(std::string_view name) {
    constexpr std::string_view placeholder = "NAME";
    std::string text(profile_text);
    for (std::size_t at = 0; (at = text.find(placeholder, at)) != text.npos; at += name.size())
        text.replace(at, placeholder.size(), name);
    return text;
}

bool has_apparmor_profile(std::string_view name) {
    const std::string profiles = find_file(loaded_profiles).value_or("");
    const std::string wanted = fmt::format("{} (", name);
    return profiles.starts_with(wanted) || profiles.find("\n" + wanted) != profiles.npos;
}

std::optional<Path> find_apparmor_parser() {
    for (const char* path : parser_paths)
        if (::access(path, X_OK) == 0) return path;
    return std::nullopt;
}

void load_default_apparmor_profile() {
    if (has_apparmor_profile(default_apparmor_profile)) return;
    const std::optional<Path> parser = find_apparmor_parser();
    if (!parser)
        throw Error(ErrorKind::unsupported,
                    "AppArmor profile {}: apparmor_parser is not installed (Debian: apt-get "
                    "install apparmor)",
                    default_apparmor_profile);
    const Fd input = make_memory_file("profile", make_apparmor_profile(default_apparmor_profile));
    const Fd output = make_memory_file("output");
    Command command;
    command.arguments = {*parser, "--replace", "--skip-cache"};
    command.descriptors = {{input.get(), 0}, {output.get(), 1}, {output.get(), 2}};
    Process process = Process::spawn(command);
    const std::optional<ExitStatus> ended = process.wait_for(parser_timeout_ms);
    if (!ended || ended->docker_code() != 0)
        throw Error(ErrorKind::unavailable, "AppArmor profile {}: {} {}: {}",
                    default_apparmor_profile, *parser,
                    ended ? fmt::format("ended with code {}", ended->docker_code())
                          : std::string("did not end in time"),
                    read_as_line(output.get(), longest_complaint));
    if (!has_apparmor_profile(default_apparmor_profile))
        throw Error(ErrorKind::unavailable, "AppArmor profile {} is not there after {} loaded it",
                    default_apparmor_profile, *parser);
}

}  // namespace hull::linux_
