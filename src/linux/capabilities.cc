#include "linux/capabilities.hh"

#include "base/error.hh"
#include "base/file.hh"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace hull::linux_ {

namespace {

constexpr std::string_view names[] = {"CAP_CHOWN",
                                      "CAP_DAC_OVERRIDE",
                                      "CAP_DAC_READ_SEARCH",
                                      "CAP_FOWNER",
                                      "CAP_FSETID",
                                      "CAP_KILL",
                                      "CAP_SETGID",
                                      "CAP_SETUID",
                                      "CAP_SETPCAP",
                                      "CAP_LINUX_IMMUTABLE",
                                      "CAP_NET_BIND_SERVICE",
                                      "CAP_NET_BROADCAST",
                                      "CAP_NET_ADMIN",
                                      "CAP_NET_RAW",
                                      "CAP_IPC_LOCK",
                                      "CAP_IPC_OWNER",
                                      "CAP_SYS_MODULE",
                                      "CAP_SYS_RAWIO",
                                      "CAP_SYS_CHROOT",
                                      "CAP_SYS_PTRACE",
                                      "CAP_SYS_PACCT",
                                      "CAP_SYS_ADMIN",
                                      "CAP_SYS_BOOT",
                                      "CAP_SYS_NICE",
                                      "CAP_SYS_RESOURCE",
                                      "CAP_SYS_TIME",
                                      "CAP_SYS_TTY_CONFIG",
                                      "CAP_MKNOD",
                                      "CAP_LEASE",
                                      "CAP_AUDIT_WRITE",
                                      "CAP_AUDIT_CONTROL",
                                      "CAP_SETFCAP",
                                      "CAP_MAC_OVERRIDE",
                                      "CAP_MAC_ADMIN",
                                      "CAP_SYSLOG",
                                      "CAP_WAKE_ALARM",
                                      "CAP_BLOCK_SUSPEND",
                                      "CAP_AUDIT_READ",
                                      "CAP_PERFMON",
                                      "CAP_BPF",
                                      "CAP_CHECKPOINT_RESTORE"};
constexpr int known_count = std::size(names);
static_assert(known_count == 41);

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool contains(CapabilitySet set, int number) { return (set >> number) & 1; }

CapabilitySet parse_hex_line(std::string_view status, std::string_view label) {
    const auto at = status.find(label);
    if (at == status.npos) throw Error(ErrorKind::internal, "/proc status has no line {}", label);
    const char* begin = status.data() + at + label.size();
    while (*begin == '\t' || *begin == ' ') ++begin;
    CapabilitySet set = 0;
    std::from_chars(begin, status.data() + status.size(), set, 16);
    return set;
}

}  // namespace

std::optional<int> find_capability(std::string_view name) {
    std::string wanted(name);
    std::ranges::transform(wanted, wanted.begin(), upper);
    if (!wanted.starts_with("CAP_")) wanted.insert(0, "CAP_");
    const auto found = std::ranges::find(names, wanted);
    if (found == std::end(names)) return std::nullopt;
    return static_cast<int>(found - std::begin(names));
}

std::string capability_name(int number) {
    return number >= 0 && number < known_count ? std::string(names[number])
                                               : "CAP_" + std::to_string(number);
}

int last_capability() {
    static const int last = [] {
        if (const auto text = find_file("/proc/sys/kernel/cap_last_cap")) {
            int number = 0;
            std::from_chars(text->data(), text->data() + text->size(), number);
            if (number > 0 && number < 64) return number;
        }
        int number = 0;
        while (number < 63 && ::prctl(PR_CAPBSET_READ, number + 1, 0, 0, 0) >= 0) ++number;
        return number;
    }();
    return last;
}

CapabilitySet all_capabilities() {
    return last_capability() >= 63 ? ~CapabilitySet{0}
                                   : (CapabilitySet{1} << (last_capability() + 1)) - 1;
}

CapabilitySet grantable_capabilities() { return all_capabilities() & read_capabilities().bounding; }

std::vector<std::string> list_capability_names() { return capability_names(all_capabilities()); }

ParsedCapabilities parse_capabilities(std::span<const std::string> wanted) {
    ParsedCapabilities parsed;
    for (const std::string& name : wanted) {
        const auto number = find_capability(name);
        if (number && *number <= last_capability())
            parsed.set |= CapabilitySet{1} << *number;
        else
            parsed.unknown.push_back(name);
    }
    return parsed;
}

std::vector<std::string> capability_names(CapabilitySet set) {
    std::vector<std::string> result;
    for (int number = 0; number < 64; ++number)
        if (contains(set, number)) result.push_back(capability_name(number));
    return result;
}

CapabilitySets read_capabilities(pid_t pid) {
    const std::string status = read_file(pid == 0 ? "/proc/thread-self/status"
                                                  : "/proc/" + std::to_string(pid) + "/status");
    return {.bounding = parse_hex_line(status, "CapBnd:"),
            .effective = parse_hex_line(status, "CapEff:"),
            .permitted = parse_hex_line(status, "CapPrm:"),
            .inheritable = parse_hex_line(status, "CapInh:"),
            .ambient = parse_hex_line(status, "CapAmb:")};
}

void drop_bounding_set(CapabilitySet keep) {
    for (int number = 0; number < 64; ++number) {
        if (contains(keep, number)) continue;
        const int present = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (present < 0) return;  // past the kernel's last one
        if (present == 1 && ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
            throw_errno(errno, "dropping {} from the bounding set", capability_name(number));
    }
}

void keep_capabilities(bool keep) {
    if (::prctl(PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0) != 0)
        throw_errno(errno, "setting keep-capabilities");
}

void apply_capabilities(const CapabilitySets& sets) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const auto low = [](CapabilitySet set) { return static_cast<__u32>(set); };
    const auto high = [](CapabilitySet set) { return static_cast<__u32>(set >> 32); };
    __user_cap_data_struct data[2] = {
        {low(sets.effective), low(sets.permitted), low(sets.inheritable)},
        {high(sets.effective), high(sets.permitted), high(sets.inheritable)}};
    if (::syscall(SYS_capset, &header, data) != 0) throw_errno(errno, "setting capabilities");
    keep_capabilities(false);
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        if (sets.ambient == 0 && errno == EINVAL) return;  // before Linux 4.3
        throw_errno(errno, "clearing the ambient capabilities");
    }
    for (int number = 0; number < 64; ++number) {
        // The kernel refuses one that is not permitted and inheritable; runc leaves it out too.
        if (!contains(sets.ambient & sets.permitted & sets.inheritable, number)) continue;
        if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0)
            throw_errno(errno, "raising ambient {}", capability_name(number));
    }
}

}  // namespace hull::linux_
