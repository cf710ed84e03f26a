#pragma once
#include "base/fd.hh"

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::linux_ {

/// A comparison of one 64-bit system call argument. Member for member the runtime-spec's.
struct SeccompArgument {
    unsigned index = 0;
    std::uint64_t value = 0, value_two = 0;
    std::string op;  ///< SCMP_CMP_NE, _LT, _LE, _EQ, _GE, _GT, _MASKED_EQ (mask is `value`)
};

struct SeccompRule {
    std::vector<std::string> names;
    std::string action;  ///< SCMP_ACT_ALLOW …
    std::optional<unsigned> errno_return;
    std::vector<SeccompArgument> arguments;  ///< all must hold
};

struct SeccompProfile {
    std::string default_action;
    std::optional<unsigned> default_errno_return;
    std::vector<std::string> architectures;  ///< SCMP_ARCH_…; none: the machine's own
    std::vector<std::string> flags;          ///< SECCOMP_FILTER_FLAG_…
    std::vector<SeccompRule> syscalls;
};

struct CompiledSeccomp {
    std::vector<sock_filter> instructions;
    unsigned flags = 0;                ///< for seccomp(2), NEW_LISTENER included when notifying
    bool notifies = false;             ///< some rule hands the call to a listener
    std::vector<std::string> unknown;  ///< names no listed architecture has: skipped, as runc does
};

/// Compiles a profile to classic BPF: per architecture a balanced tree over ranges of system call
/// numbers. An architecture the profile does not list is killed, as libseccomp does. Throws
/// invalid_argument for unknown words and too large results, unsupported for an architecture
/// without a table here.
CompiledSeccomp compile_seccomp(const SeccompProfile& profile);

/// SCMP_ARCH_… of this machine.
std::string_view native_seccomp_architecture();
/// The number of a system call on an architecture, x32's with its bit; nullopt when it has none.
std::optional<std::uint32_t> find_syscall(std::string_view architecture, std::string_view name);
/// Architectures there are tables for.
std::vector<std::string> list_seccomp_architectures();
std::vector<std::string> list_seccomp_actions();    ///< that the running kernel knows
std::vector<std::string> list_seccomp_operators();  ///< SCMP_CMP_…
std::vector<std::string> list_seccomp_flags();      ///< that the running kernel knows

/// Loads a filter into the calling thread; it needs no_new_privs or CAP_SYS_ADMIN. The result is
/// the listener when `flags` has SECCOMP_FILTER_FLAG_NEW_LISTENER, else empty. Allocates nothing.
Fd load_seccomp(std::span<const sock_filter> instructions, unsigned flags);

/// Filters as files: the raw sock_filter array. The flags are not in them.
void write_seccomp_file(const std::string& path, std::span<const sock_filter> instructions);
/// Throws data_loss when the size fits no filter.
std::vector<sock_filter> read_seccomp_file(const std::string& path);

/// What a filter decides (SECCOMP_RET_…) for one call: an interpreter for tests and diagnosis.
struct SeccompCall {
    std::uint32_t audit_architecture = 0, number = 0;
    std::uint64_t arguments[6] = {};
};
std::uint32_t evaluate_seccomp(std::span<const sock_filter> instructions, const SeccompCall& call);

}  // namespace hull::linux_
