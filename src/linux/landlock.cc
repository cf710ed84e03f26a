#include "linux/landlock.hh"

#include "base/error.hh"
#include "base/fd.hh"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace hull::linux_ {

namespace {

/// The newest layout: Debian 12's header ends after the first member. Older kernels take a longer
/// struct when what they do not know is zero.
struct Ruleset {
    std::uint64_t files = 0;
    std::uint64_t network = 0;
    std::uint64_t scope = 0;
};

constexpr std::uint64_t bit(int number) { return std::uint64_t{1} << number; }
// Numbers of <linux/landlock.h>; those from 13 on are newer than Debian 12's.
constexpr std::uint64_t write_file = bit(1), read_file = bit(2), read_dir = bit(3),
                        remove_dir = bit(4), remove_file = bit(5), make_dir = bit(7),
                        make_file = bit(8), make_link = bit(12), refer = bit(13),
                        truncate_file = bit(14);

/// Every right the ABI knows: what is handled and not granted is denied.
std::uint64_t all_file_rights(int abi) {
    if (abi >= 5) return bit(16) - 1;  // ioctl on devices
    if (abi >= 3) return bit(15) - 1;  // truncate
    if (abi >= 2) return bit(14) - 1;  // refer
    return bit(13) - 1;
}

}  // namespace

int landlock_abi() {
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

namespace {

Fd make_ruleset(const Ruleset& ruleset) {
    Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0)));
    if (!rules) throw_errno(errno, "making a landlock ruleset");
    return rules;
}

void allow_beneath(const Fd& rules, int directory, std::uint64_t rights) {
    landlock_path_beneath_attr beneath{};
    beneath.parent_fd = directory;
    beneath.allowed_access = rights;
    if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
        throw_errno(errno, "adding a landlock rule");
}

void enter(const Fd& rules) {
    if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0)
        throw_errno(errno, "entering landlock");
}

constexpr std::uint64_t file_rights =
    write_file | read_file | read_dir | remove_file | make_file | truncate_file;

}  // namespace

int restrict_to_directory(int directory, bool network) {
    const int abi = landlock_abi();
    if (abi == 0) return 0;
    Ruleset ruleset;
    ruleset.files = all_file_rights(abi);
    if (abi >= 4 && !network) ruleset.network = bit(2) - 1;  // bind and connect
    if (abi >= 6) ruleset.scope = bit(2) - 1;                // abstract sockets, signals
    const Fd rules = make_ruleset(ruleset);
    allow_beneath(rules, directory, file_rights & ruleset.files);
    enter(rules);
    return abi;
}

int restrict_to_tree(int directory, std::span<const int> readable, bool links) {
    const int abi = landlock_abi();
    if (abi < 2) return 0;
    Ruleset ruleset;
    ruleset.files = all_file_rights(abi);
    if (abi >= 6) ruleset.scope = bit(2) - 1;
    const Fd rules = make_ruleset(ruleset);
    const std::uint64_t link_rights = links ? make_link : 0;
    allow_beneath(rules, directory,
                  (file_rights | make_dir | remove_dir | refer | link_rights) & ruleset.files);
    for (const int other : readable) allow_beneath(rules, other, read_file | read_dir);
    enter(rules);
    return abi;
}

int restrict_to_tools(int directory, std::span<const int> tools, std::span<const int> devices) {
    const int abi = landlock_abi();
    if (abi < 2) return 0;
    constexpr std::uint64_t execute = bit(0);
    Ruleset ruleset;
    ruleset.files = all_file_rights(abi);
    if (abi >= 6) ruleset.scope = bit(0);  // abstract sockets; tools signal each other
    const Fd rules = make_ruleset(ruleset);
    allow_beneath(rules, directory,
                  (file_rights | make_dir | remove_dir | make_link | refer) & ruleset.files);
    for (const int other : tools) allow_beneath(rules, other, execute | read_file | read_dir);
    for (const int device : devices)
        allow_beneath(rules, device, (read_file | write_file | truncate_file) & ruleset.files);
    enter(rules);
    return abi;
}

}  // namespace hull::linux_
