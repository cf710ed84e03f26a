#include "linux/seccomp.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "linux/seccomp_tables.hh"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

namespace hull::linux_ {
namespace {

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW, eperm = SECCOMP_RET_ERRNO | EPERM,
                        enosys = SECCOMP_RET_ERRNO | ENOSYS, kill_thread = SECCOMP_RET_KILL_THREAD;

SeccompRule rule(std::vector<std::string> names, std::string action,
                 std::vector<SeccompArgument> arguments = {}) {
    return {std::move(names), std::move(action), std::nullopt, std::move(arguments)};
}

SeccompProfile profile(std::string default_action, std::vector<SeccompRule> rules) {
    SeccompProfile made;
    made.default_action = std::move(default_action);
    made.syscalls = std::move(rules);
    return made;
}

#ifdef __x86_64__

std::uint32_t decide(const CompiledSeccomp& compiled, std::uint32_t number,
                     std::uint64_t argument0 = 0, std::uint64_t argument1 = 0,
                     std::uint32_t audit = AUDIT_ARCH_X86_64) {
    return evaluate_seccomp(compiled.instructions, {audit, number, {argument0, argument1}});
}

std::uint32_t number_of(std::string_view name) { return *find_syscall("SCMP_ARCH_X86_64", name); }

TEST(Seccomp, ListedCallsGetTheirActionAndOthersTheDefault) {
    const auto compiled =
        compile_seccomp(profile("SCMP_ACT_ERRNO", {rule({"read", "getpid"}, "SCMP_ACT_ALLOW"),
                                                   rule({"reboot"}, "SCMP_ACT_KILL_PROCESS")}));
    EXPECT_EQ(decide(compiled, number_of("read")), allow);
    EXPECT_EQ(decide(compiled, number_of("getpid")), allow);
    EXPECT_EQ(decide(compiled, number_of("write")), eperm);
    EXPECT_EQ(decide(compiled, number_of("reboot")), SECCOMP_RET_KILL_PROCESS);
}

TEST(Seccomp, CallsNewerThanTheProfileFailWithEnosysUnlessTheDefaultLetsThemThrough) {
    const auto strict =
        compile_seccomp(profile("SCMP_ACT_ERRNO", {rule({"read", "openat2"}, "SCMP_ACT_ALLOW")}));
    EXPECT_EQ(decide(strict, number_of("openat2")), allow);
    EXPECT_EQ(decide(strict, number_of("openat2") + 1), enosys);
    EXPECT_EQ(decide(strict, 5000), enosys);
    EXPECT_EQ(decide(strict, number_of("openat2") - 1), eperm);
    const auto open =
        compile_seccomp(profile("SCMP_ACT_ALLOW", {rule({"read"}, "SCMP_ACT_ERRNO")}));
    EXPECT_EQ(decide(open, 5000), allow);
}

TEST(Seccomp, ForeignArchitecturesAreKilledUnlessListed) {
    SeccompProfile made = profile("SCMP_ACT_ERRNO", {rule({"getpid"}, "SCMP_ACT_ALLOW")});
    const std::uint32_t x32_getpid = 0x40000000 | number_of("getpid");
    const auto native = compile_seccomp(made);
    EXPECT_EQ(decide(native, 20, 0, 0, AUDIT_ARCH_I386), kill_thread);
    EXPECT_EQ(decide(native, x32_getpid), kill_thread);
    made.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    const auto all = compile_seccomp(made);
    EXPECT_EQ(decide(all, 20, 0, 0, AUDIT_ARCH_I386), allow);
    EXPECT_EQ(decide(all, 39, 0, 0, AUDIT_ARCH_I386), enosys);
    EXPECT_EQ(decide(all, x32_getpid), allow);
    EXPECT_EQ(decide(all, x32_getpid - 1), eperm);
}

TEST(Seccomp, OperatorsCompareAll64Bits) {
    constexpr std::uint64_t big = 0x1'0000'0005;
    struct {
        const char* op;
        std::vector<std::uint64_t> holds, fails;
    } const cases[] = {
        {"SCMP_CMP_EQ", {big}, {5, big + 1, 0x2'0000'0005}},
        {"SCMP_CMP_NE", {5, big + 1, 0x2'0000'0005}, {big}},
        {"SCMP_CMP_LT", {0, 5, 0xffffffff, big - 1}, {big, big + 1, 0x2'0000'0000}},
        {"SCMP_CMP_LE", {0, 0xffffffff, big}, {big + 1, 0x2'0000'0000, UINT64_MAX}},
        {"SCMP_CMP_GE", {big, big + 1, 0x2'0000'0000}, {0, 0xffffffff, big - 1}},
        {"SCMP_CMP_GT", {big + 1, 0x2'0000'0000, UINT64_MAX}, {0, 0xffffffff, big}},
    };
    for (const auto& [op, holds, fails] : cases) {
        SCOPED_TRACE(op);
        const auto compiled = compile_seccomp(
            profile("SCMP_ACT_ERRNO", {rule({"getpid"}, "SCMP_ACT_ALLOW", {{1, big, 0, op}})}));
        for (const auto value : holds)
            EXPECT_EQ(decide(compiled, number_of("getpid"), 0, value), allow) << value;
        for (const auto value : fails)
            EXPECT_EQ(decide(compiled, number_of("getpid"), 0, value), eperm) << value;
    }
    const auto masked = compile_seccomp(profile(
        "SCMP_ACT_ERRNO", {rule({"clone"}, "SCMP_ACT_ALLOW",
                                {{0, 0xf'0000'000f, 0x1'0000'0002, "SCMP_CMP_MASKED_EQ"}})}));
    EXPECT_EQ(decide(masked, number_of("clone"), 0x1'0000'0002), allow);
    EXPECT_EQ(decide(masked, number_of("clone"), 0xf1'0000'00f2), allow);
    EXPECT_EQ(decide(masked, number_of("clone"), 0x2), eperm);
    EXPECT_EQ(decide(masked, number_of("clone"), 0x1'0000'0003), eperm);
}

TEST(Seccomp, ConditionsOfARuleAllHoldButTwoOnOneArgumentMeanEither) {
    const auto both = compile_seccomp(
        profile("SCMP_ACT_ERRNO", {rule({"getpid"}, "SCMP_ACT_ALLOW",
                                        {{0, 1, 0, "SCMP_CMP_EQ"}, {1, 2, 0, "SCMP_CMP_EQ"}})}));
    EXPECT_EQ(decide(both, number_of("getpid"), 1, 2), allow);
    EXPECT_EQ(decide(both, number_of("getpid"), 1, 3), eperm);
    EXPECT_EQ(decide(both, number_of("getpid"), 0, 2), eperm);
    const auto either = compile_seccomp(
        profile("SCMP_ACT_ERRNO", {rule({"getpid"}, "SCMP_ACT_ALLOW",
                                        {{0, 1, 0, "SCMP_CMP_EQ"}, {0, 7, 0, "SCMP_CMP_EQ"}})}));
    EXPECT_EQ(decide(either, number_of("getpid"), 1), allow);
    EXPECT_EQ(decide(either, number_of("getpid"), 7), allow);
    EXPECT_EQ(decide(either, number_of("getpid"), 2), eperm);
}

TEST(Seccomp, AnUnconditionalRuleWinsOverConditionalOnes) {
    const auto compiled = compile_seccomp(profile(
        "SCMP_ACT_ERRNO", {rule({"getpid"}, "SCMP_ACT_KILL", {{0, 1, 0, "SCMP_CMP_EQ"}}),
                           rule({"getpid"}, "SCMP_ACT_ALLOW"), rule({"getpid"}, "SCMP_ACT_LOG")}));
    EXPECT_EQ(decide(compiled, number_of("getpid"), 1), allow);
}

TEST(Seccomp, TheKernelTakesAFilterAndObeysIt) {
    const auto compiled = compile_seccomp(
        profile("SCMP_ACT_ALLOW",
                {rule({"getppid"}, "SCMP_ACT_ERRNO"),
                 rule({"personality"}, "SCMP_ACT_ERRNO", {{0, 0x1234, 0, "SCMP_CMP_EQ"}})}));
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        try {
            load_seccomp(compiled.instructions, compiled.flags);
        } catch (const Error&) {
            ::_exit(1);
        }
        const bool first = ::syscall(number_of("getppid")) == -1 && errno == EPERM;
        const bool second = ::syscall(number_of("personality"), 0x1234) == -1 && errno == EPERM;
        const bool third = ::syscall(number_of("personality"), 0xffffffff) >= 0;
        ::_exit(first && second && third ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_TRUE(WIFEXITED(status));
}

#endif  // __x86_64__

TEST(Seccomp, UnknownCallsAreReportedAndUnknownWordsRefused) {
    const auto compiled = compile_seccomp(
        profile("SCMP_ACT_ERRNO", {rule({"read", "no_such_call"}, "SCMP_ACT_ALLOW")}));
    EXPECT_EQ(compiled.unknown, std::vector<std::string>{"no_such_call"});
    EXPECT_THROW(compile_seccomp(profile("SCMP_ACT_NOPE", {})), Error);
    EXPECT_THROW(compile_seccomp(profile("SCMP_ACT_NOTIFY", {})), Error);
    EXPECT_THROW(compile_seccomp(profile("SCMP_ACT_ALLOW", {rule({"write"}, "SCMP_ACT_NOTIFY")})),
                 Error);
    EXPECT_THROW(compile_seccomp(profile("SCMP_ACT_ALLOW", {rule({"read"}, "SCMP_ACT_ERRNO",
                                                                 {{6, 0, 0, "SCMP_CMP_EQ"}})})),
                 Error);
    SeccompProfile made = profile("SCMP_ACT_ALLOW", {});
    made.architectures = {"SCMP_ARCH_PDP11"};
    EXPECT_THROW(compile_seccomp(made), Error);
    made.architectures.clear();
    made.flags = {"SECCOMP_FILTER_FLAG_NOPE"};
    EXPECT_THROW(compile_seccomp(made), Error);
}

TEST(Seccomp, NotifyingAsksForAListener) {
    const auto compiled =
        compile_seccomp(profile("SCMP_ACT_ALLOW", {rule({"mkdir"}, "SCMP_ACT_NOTIFY")}));
    EXPECT_TRUE(compiled.notifies);
    EXPECT_TRUE(compiled.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

TEST(Seccomp, TheRunningKernelsWordsAreListed) {
    const auto actions = list_seccomp_actions();
    EXPECT_EQ(std::ranges::count(actions, "SCMP_ACT_ALLOW"), 1);
    EXPECT_EQ(std::ranges::count(actions, "SCMP_ACT_NOTIFY"), 1);
    const auto flags = list_seccomp_flags();
    EXPECT_EQ(std::ranges::count(flags, "SECCOMP_FILTER_FLAG_TSYNC"), 1);
    EXPECT_EQ(list_seccomp_operators().size(), 7U);
    EXPECT_TRUE(std::ranges::is_sorted(syscall_rows(), {}, &SyscallRow::name));
}

TEST(Seccomp, AFilterSurvivesItsFileAndAWrongFileIsRefused) {
    const Path directory = "/tmp/hull-seccomp-" + random_hex(6);
    sys::mkdir(directory, 0700);
    const auto compiled = compile_seccomp(profile("SCMP_ACT_ALLOW", {}));
    const Path path = join(directory, "filter.bpf");
    write_seccomp_file(path, compiled.instructions);
    const auto read = read_seccomp_file(path);
    EXPECT_EQ(read.size(), compiled.instructions.size());
    EXPECT_EQ(evaluate_seccomp(read, {0, 0, {}}), evaluate_seccomp(compiled.instructions, {}));
    write_file(path, "12345");
    EXPECT_THROW(read_seccomp_file(path), Error);
    sys::remove_tree(directory);
}

// --- libseccomp as the oracle ---

/// Loaded at run time: no program of ours links it.
class Oracle {
public:
    struct Comparison {
        unsigned index;
        int op;
        std::uint64_t a, b;
    };
    bool load() {
        library_ = ::dlopen("libseccomp.so.2", RTLD_NOW);
        return library_ && find(init_, "seccomp_init") && find(release_, "seccomp_release") &&
               find(add_arch_, "seccomp_arch_add") &&
               find(resolve_, "seccomp_syscall_resolve_name_arch") &&
               find(resolve_number_, "seccomp_syscall_resolve_num_arch") &&
               find(add_rule_, "seccomp_rule_add_array") && find(export_, "seccomp_export_bpf");
    }
    int resolve(std::uint32_t arch, const std::string& name) const {
        return resolve_(arch, name.c_str());
    }
    bool is_unambiguous(std::uint32_t arch, const std::string& name) const {
        char* found = resolve_number_(arch, resolve(arch, name));
        const bool result = found && name == found;
        std::free(found);
        return result;
    }

    void start(std::uint32_t default_action) { context_ = init_(default_action); }
    void add_arch(std::uint32_t arch) { add_arch_(context_, arch); }
    int add_rule(std::uint32_t action, int number, const std::vector<Comparison>& comparisons) {
        return add_rule_(context_, action, number, static_cast<unsigned>(comparisons.size()),
                         comparisons.data());
    }
    std::vector<sock_filter> finish() {
        const Fd file(::memfd_create("bpf", MFD_CLOEXEC));
        EXPECT_EQ(export_(context_, file.get()), 0);
        release_(context_);
        std::vector<sock_filter> filter(65536);
        ::lseek(file.get(), 0, SEEK_SET);
        const auto size = sys::read_full(file.get(), std::as_writable_bytes(std::span(filter)));
        filter.resize(size / sizeof(sock_filter));
        return filter;
    }

private:
    template <typename Function>
    bool find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(library_, name));
        return function != nullptr;
    }
    void* library_ = nullptr;
    void* context_ = nullptr;
    void* (*init_)(std::uint32_t) = nullptr;
    void (*release_)(void*) = nullptr;
    int (*add_arch_)(void*, std::uint32_t) = nullptr;
    int (*resolve_)(std::uint32_t, const char*) = nullptr;
    char* (*resolve_number_)(std::uint32_t, int) = nullptr;
    int (*add_rule_)(void*, std::uint32_t, int, unsigned, const Comparison*) = nullptr;
    int (*export_)(void*, int) = nullptr;
};

struct OracleArch {
    std::string word;
    std::uint32_t token, audit, first_number;
};
const OracleArch oracle_archs[] = {
    {"SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, AUDIT_ARCH_X86_64, 0},
    {"SCMP_ARCH_X86", AUDIT_ARCH_I386, AUDIT_ARCH_I386, 0},
    {"SCMP_ARCH_X32", 0x4000003e, AUDIT_ARCH_X86_64, 0x40000000},
    {"SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0},
    {"SCMP_ARCH_ARM", AUDIT_ARCH_ARM, AUDIT_ARCH_ARM, 0},
    {"SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64, AUDIT_ARCH_RISCV64, 0},
    {"SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE, AUDIT_ARCH_PPC64LE, 0},
    {"SCMP_ARCH_MIPSEL64", AUDIT_ARCH_MIPSEL64, AUDIT_ARCH_MIPSEL64, 5000},
};

const std::pair<const char*, int> oracle_operators[] = {
    {"SCMP_CMP_NE", 1}, {"SCMP_CMP_LT", 2}, {"SCMP_CMP_LE", 3},       {"SCMP_CMP_EQ", 4},
    {"SCMP_CMP_GE", 5}, {"SCMP_CMP_GT", 6}, {"SCMP_CMP_MASKED_EQ", 7}};

constexpr std::size_t equality = 3;

/// A random profile in both forms. A call has one rule with several conditions or, on one
/// architecture, several rules that compare one argument for equality with 32-bit values. Beyond
/// that libseccomp 2.5.4's merged trees lose alternatives, and it refuses contradicting rules.
class RandomProfile {
public:
    RandomProfile(Oracle& oracle, unsigned seed) : oracle_(oracle), random_(seed) { make(); }

    SeccompProfile profile;
    std::vector<const OracleArch*> archs{&oracle_archs[0]};
    std::vector<sock_filter> expected;
    std::vector<std::uint64_t> interesting{0, 1, UINT64_MAX};
    bool is_strict = true;

private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    /// Numbers that both sides know alike, on every architecture of the profile.
    bool is_comparable(const std::string& name) const {
        // libseccomp 2.5 has two names for some of its made-up numbers.
        if (!oracle_.is_unambiguous(oracle_archs[0].token, name)) return false;
        for (const OracleArch* arch : archs) {
            const int theirs = oracle_.resolve(arch->token, name);
            const auto ours = find_syscall(arch->word, name);
            if (theirs >= 0 ? ours != static_cast<std::uint32_t>(theirs) : ours.has_value())
                return false;
        }
        return true;
    }

    std::uint64_t random_value() {
        const std::uint64_t values[] = {0,          1,           below(100),
                                        0xffffffff, 0x100000000, (random_() << 8) | below(256),
                                        0x7e020000, UINT64_MAX};
        return values[below(std::size(values))];
    }

    void make() {
        static const std::pair<const char*, std::uint32_t> defaults[] = {
            {"SCMP_ACT_ERRNO", 0x00050001},
            {"SCMP_ACT_KILL_PROCESS", 0x80000000},
            {"SCMP_ACT_ALLOW", allow},
            {"SCMP_ACT_TRAP", 0x00030000},
            {"SCMP_ACT_LOG", 0x7ffc0000}};
        const auto& [word, action] = defaults[below(std::size(defaults))];
        profile.default_action = word;
        is_strict = action != allow && action != 0x7ffc0000;
        oracle_.start(action);
        for (std::size_t i = 1; i < std::size(oracle_archs); ++i)
            if (below(3) == 0) archs.push_back(&oracle_archs[i]);
        for (const OracleArch* arch : archs) {
            profile.architectures.push_back(arch->word);
            oracle_.add_arch(arch->token);
        }
        std::set<std::string> used;
        const unsigned count = 1 + below(150);
        for (unsigned i = 0; i < count; ++i) {
            const auto rows = syscall_rows();
            const std::string name(rows[below(static_cast<unsigned>(rows.size()))].name);
            if (!is_comparable(name) || !used.insert(name).second) continue;
            add_call(name, action);
        }
        expected = oracle_.finish();
    }

    void add_call(const std::string& name, std::uint32_t default_action) {
        static const std::pair<const char*, std::uint32_t> actions[] = {
            {"SCMP_ACT_ALLOW", allow}, {"SCMP_ACT_ERRNO", 0x00050001}, {"SCMP_ACT_KILL", 0}};
        const auto& [word, action] = actions[below(std::size(actions))];
        const unsigned alternatives = below(4) == 0 ? 1 + below(archs.size() == 1 ? 3 : 1) : 0;
        for (unsigned i = 0; i < std::max(alternatives, 1U); ++i) {
            SeccompRule made{{name}, word, std::nullopt, {}};
            std::vector<Oracle::Comparison> comparisons;
            for (unsigned index = 0; alternatives > 0 && index < 3; ++index) {
                if (index > 0 && (alternatives > 1 || below(2) == 0)) continue;
                const auto& [op, number] =
                    oracle_operators[alternatives > 1 ? equality
                                                      : below(std::size(oracle_operators))];
                std::uint64_t value = random_value();
                // Distinct values: libseccomp also loses others when it refuses a rule.
                if (alternatives > 1) value = (value & 0xfffffffc) | i;
                const std::uint64_t second = random_value() & value;
                made.arguments.push_back({index, value, second, op});
                comparisons.push_back({index, number, value, second});
                for (const std::uint64_t near : {value - 1, value, value + 1, second})
                    interesting.push_back(near);
            }
            if (action != default_action) {
                const int result = oracle_.add_rule(
                    action, oracle_.resolve(oracle_archs[0].token, name), comparisons);
                if (result != 0) continue;  // EEXIST: then neither side has it
            }
            profile.syscalls.push_back(std::move(made));
        }
    }

    Oracle& oracle_;
    std::mt19937_64 random_;
};

TEST(Seccomp, DecidesAsLibseccompDoesOnRandomProfiles) {
#ifndef __x86_64__
    GTEST_SKIP() << "the oracle's calls are those of x86_64";
#endif
    Oracle oracle;
    if (!oracle.load()) GTEST_SKIP() << "no libseccomp.so.2";
    for (unsigned seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE(seed);
        RandomProfile made(oracle, seed);
        const auto compiled = compile_seccomp(made.profile);
        std::mt19937_64 random(seed);
        for (const OracleArch& arch : oracle_archs) {
            std::uint32_t newest = 0;
            for (const SeccompRule& entry : made.profile.syscalls)
                for (const std::string& name : entry.names)
                    if (const auto number = find_syscall(arch.word, name);
                        number && (*number & 0xbfffffff) < 0xf0000)
                        newest = std::max(newest, *number);
            const bool is_listed = std::ranges::count(made.archs, &arch) > 0;
            for (std::uint32_t number = arch.first_number; number < arch.first_number + 500;
                 ++number)
                for (int attempt = 0; attempt < 12; ++attempt) {
                    SeccompCall call{arch.audit, number, {}};
                    for (std::uint64_t& argument : call.arguments)
                        argument = made.interesting[random() % made.interesting.size()];
                    const auto ours = evaluate_seccomp(compiled.instructions, call);
                    const bool is_new =
                        is_listed && made.is_strict && newest > 0 && number > newest;
                    const auto theirs = is_new ? enosys : evaluate_seccomp(made.expected, call);
                    ASSERT_EQ(ours, theirs)
                        << arch.word << " " << number << " " << call.arguments[0] << " "
                        << call.arguments[1] << " " << call.arguments[2];
                }
        }
    }
}

}  // namespace
}  // namespace hull::linux_
