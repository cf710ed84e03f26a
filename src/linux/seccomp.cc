#include "linux/seccomp.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "linux/seccomp_tables.hh"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>

#ifndef AUDIT_ARCH_LOONGARCH64
#define AUDIT_ARCH_LOONGARCH64 (258 | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace hull::linux_ {

namespace {

constexpr std::uint32_t mips_n32 = 0x20000000;
constexpr std::uint32_t x32_bit = 0x40000000;  ///< of x32's system call numbers
constexpr std::uint32_t arm_private_calls = 0x0f0000;
constexpr std::size_t max_instructions = 4096;  // BPF_MAXINSNS
constexpr std::uint32_t highest_number = UINT32_MAX;

/// What the compiler has to know of an architecture.
struct ArchInfo {
    SeccompArch arch;
    std::string_view word;
    std::uint32_t audit;
    bool is_64_bit;                 ///< arguments are compared whole, else their low half
    bool is_big_endian;             ///< where that half is
    int socketcall = -1, ipc = -1;  ///< calls that stand for many
};

constexpr std::uint32_t le = __AUDIT_ARCH_LE, bits64 = __AUDIT_ARCH_64BIT;
constexpr ArchInfo archs[] = {
    {SeccompArch::x86_64, "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, true, false},
    {SeccompArch::x86, "SCMP_ARCH_X86", AUDIT_ARCH_I386, false, false, 102, 117},
    {SeccompArch::x32, "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, false, false},
    {SeccompArch::aarch64, "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, true, false},
    {SeccompArch::arm, "SCMP_ARCH_ARM", AUDIT_ARCH_ARM, false, false},
    {SeccompArch::riscv64, "SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64, true, false},
    {SeccompArch::ppc64le, "SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE, true, false, 102, 117},
    {SeccompArch::ppc64, "SCMP_ARCH_PPC64", AUDIT_ARCH_PPC64, true, true, 102, 117},
    {SeccompArch::ppc, "SCMP_ARCH_PPC", AUDIT_ARCH_PPC, false, true, 102, 117},
    {SeccompArch::s390x, "SCMP_ARCH_S390X", AUDIT_ARCH_S390X, true, true, 102, 117},
    {SeccompArch::s390, "SCMP_ARCH_S390", AUDIT_ARCH_S390, false, true, 102, 117},
    {SeccompArch::mips, "SCMP_ARCH_MIPS", 8, false, true, 4102, 4117},
    {SeccompArch::mipsel, "SCMP_ARCH_MIPSEL", 8 | le, false, false, 4102, 4117},
    {SeccompArch::mips64, "SCMP_ARCH_MIPS64", 8 | bits64, true, true},
    {SeccompArch::mipsel64, "SCMP_ARCH_MIPSEL64", 8 | bits64 | le, true, false},
    {SeccompArch::mips64n32, "SCMP_ARCH_MIPS64N32", 8 | bits64 | mips_n32, false, true},
    {SeccompArch::mipsel64n32, "SCMP_ARCH_MIPSEL64N32", 8 | bits64 | mips_n32 | le, false, false},
    {SeccompArch::loongarch64, "SCMP_ARCH_LOONGARCH64", AUDIT_ARCH_LOONGARCH64, true, false},
};

/// Words of the spec we have no system call table for.
constexpr std::string_view archs_without_table[] = {
    "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64"};

const ArchInfo& get_arch(std::string_view word) {
    for (const ArchInfo& info : archs)
        if (info.word == word) return info;
    if (std::ranges::find(archs_without_table, word) != std::end(archs_without_table))
        throw Error(ErrorKind::unsupported, "seccomp: no system call table for {}", word);
    throw Error(ErrorKind::invalid_argument, "seccomp: unknown architecture {:?}", word);
}

/// A part of socketcall(2) or ipc(2): its first argument says which.
struct MuxedCall {
    std::string_view name;
    int first_argument;
};
constexpr MuxedCall socket_calls[] = {
    {"socket", 1},    {"bind", 2},        {"connect", 3},     {"listen", 4},
    {"accept", 5},    {"getsockname", 6}, {"getpeername", 7}, {"socketpair", 8},
    {"send", 9},      {"recv", 10},       {"sendto", 11},     {"recvfrom", 12},
    {"shutdown", 13}, {"setsockopt", 14}, {"getsockopt", 15}, {"sendmsg", 16},
    {"recvmsg", 17},  {"accept4", 18},    {"recvmmsg", 19},   {"sendmmsg", 20}};
constexpr MuxedCall ipc_calls[] = {{"semop", 1},      {"semget", 2},  {"semctl", 3},
                                   {"semtimedop", 4}, {"msgsnd", 11}, {"msgrcv", 12},
                                   {"msgget", 13},    {"msgctl", 14}, {"shmat", 21},
                                   {"shmdt", 22},     {"shmget", 23}, {"shmctl", 24}};

std::optional<std::uint32_t> find_number(const ArchInfo& info, std::string_view name) {
    const auto rows = syscall_rows();
    const auto row = std::ranges::lower_bound(rows, name, {}, &SyscallRow::name);
    if (row == rows.end() || row->name != name) return std::nullopt;
    const std::int32_t number = row->numbers[static_cast<int>(info.arch)];
    if (number < 0) return std::nullopt;
    return static_cast<std::uint32_t>(number);
}

// --- what a profile says, in numbers ---

struct ActionWord {
    std::string_view word;
    std::uint32_t value;
};
constexpr ActionWord actions[] = {
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
};

std::uint32_t parse_action(std::string_view word, std::optional<unsigned> errno_return) {
    const auto found = std::ranges::find(actions, word, &ActionWord::word);
    if (found == std::end(actions))
        throw Error(ErrorKind::invalid_argument, "seccomp: unknown action {:?}", word);
    const bool takes_errno = found->value == SECCOMP_RET_ERRNO || found->value == SECCOMP_RET_TRACE;
    if (errno_return && *errno_return != 0 && !takes_errno)
        throw Error(ErrorKind::invalid_argument, "seccomp: errnoRet does not go with {}", word);
    if (errno_return && *errno_return > SECCOMP_RET_DATA)
        throw Error(ErrorKind::invalid_argument, "seccomp: errnoRet {} is too large",
                    *errno_return);
    return found->value | (takes_errno ? errno_return.value_or(EPERM) : 0);
}

enum class Operator { ne, lt, le, eq, ge, gt, masked_eq };
constexpr std::pair<std::string_view, Operator> operators[] = {
    {"SCMP_CMP_NE", Operator::ne},
    {"SCMP_CMP_LT", Operator::lt},
    {"SCMP_CMP_LE", Operator::le},
    {"SCMP_CMP_EQ", Operator::eq},
    {"SCMP_CMP_GE", Operator::ge},
    {"SCMP_CMP_GT", Operator::gt},
    {"SCMP_CMP_MASKED_EQ", Operator::masked_eq}};

/// `argument & mask OP value`.
struct Condition {
    unsigned index = 0;
    Operator op = Operator::eq;
    std::uint64_t mask = UINT64_MAX, value = 0;
    auto operator<=>(const Condition&) const = default;
};

Condition parse_condition(const SeccompArgument& argument) {
    const auto found =
        std::ranges::find(operators, argument.op, &std::pair<std::string_view, Operator>::first);
    if (found == std::end(operators))
        throw Error(ErrorKind::invalid_argument, "seccomp: unknown operator {:?}", argument.op);
    if (argument.index > 5)
        throw Error(ErrorKind::invalid_argument, "seccomp: argument index {} is larger than 5",
                    argument.index);
    if (found->second == Operator::masked_eq)
        return {argument.index, Operator::masked_eq, argument.value,
                argument.value_two & argument.value};
    return {argument.index, found->second, UINT64_MAX, argument.value};
}

/// All conditions hold: this action.
struct Alternative {
    std::vector<Condition> conditions;
    std::uint32_t action = 0;
    auto operator<=>(const Alternative&) const = default;
};

/// What happens at one system call number: the first alternative that fits, else `otherwise`.
struct Decision {
    std::vector<Alternative> alternatives;
    std::uint32_t otherwise = 0;
    bool is_decided = false;  ///< an unconditional rule was there: it wins, as in libseccomp
    bool operator==(const Decision& other) const {
        return alternatives == other.alternatives && otherwise == other.otherwise;
    }
};

/// Consecutive numbers, from `first` to before the next range, that are decided alike.
struct Range {
    std::uint32_t first;
    Decision decision;
};

/// A rule with its words resolved. One rule per set of conditions.
struct Rule {
    std::vector<std::string> names;
    Alternative alternative;
};

/// Two conditions on one argument mean either of them, as runc reads a profile.
std::vector<std::vector<Condition>> split_conditions(const SeccompRule& rule) {
    std::vector<Condition> all;
    std::array<int, 6> uses{};
    for (const SeccompArgument& argument : rule.arguments) {
        all.push_back(parse_condition(argument));
        ++uses[all.back().index];
    }
    if (std::ranges::none_of(uses, [](int count) { return count > 1; })) return {all};
    std::vector<std::vector<Condition>> either;
    for (const Condition& condition : all) either.push_back({condition});
    return either;
}

/// Rules that say what the default says are left out, as runc does.
std::vector<Rule> resolve_rules(const SeccompProfile& profile, std::uint32_t default_action) {
    std::vector<Rule> rules;
    for (const SeccompRule& rule : profile.syscalls) {
        const std::uint32_t action = parse_action(rule.action, rule.errno_return);
        if (action == SECCOMP_RET_USER_NOTIF && std::ranges::count(rule.names, "write"))
            throw Error(ErrorKind::invalid_argument,
                        "seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall");
        auto alternatives = split_conditions(rule);
        if (action == default_action) continue;
        for (std::vector<Condition>& conditions : alternatives)
            rules.push_back({rule.names, {std::move(conditions), action}});
    }
    return rules;
}

class ArchRules {
public:
    ArchRules(const ArchInfo& info, std::uint32_t default_action)
        : info_(info), default_action_(default_action) {}

    /// False when this architecture has no such call.
    bool add(std::string_view name, const Alternative& alternative) {
        bool is_known = false;
        if (const auto number = find_number(info_, name)) {
            add(*number, alternative);
            is_known = true;
        }
        is_known |= add_muxed(info_.socketcall, socket_calls, name, alternative);
        is_known |= add_muxed(info_.ipc, ipc_calls, name, alternative);
        return is_known;
    }

    /// A call named in any rule, also in those that were left out: newer ones are unknown to the
    /// profile's author.
    void note_name(std::string_view name) {
        const auto number = find_number(info_, name);
        if (!number) return;
        if (info_.arch == SeccompArch::arm && *number >= arm_private_calls) return;
        newest_ = std::max(newest_.value_or(0), *number);
    }

    /// All numbers from `low` to `high`, in ranges. Calls newer than any the profile names fail
    /// with ENOSYS, not with the default: C libraries fall back then (runc does the same).
    std::vector<Range> ranges(std::uint32_t low, std::uint32_t high, bool use_enosys) const {
        std::vector<Range> result;
        const auto append = [&](std::uint32_t first, const Decision& decision) {
            if (result.empty() || !(result.back().decision == decision))
                result.push_back({first, decision});
        };
        Decision fallback{{}, default_action_};
        std::uint64_t next = low;
        const auto fill_until = [&](std::uint64_t end) {
            if (next >= end) return;
            const std::uint64_t newest = newest_ ? *newest_ : UINT64_MAX;
            if (use_enosys && newest < end) {
                if (next <= newest) append(static_cast<std::uint32_t>(next), fallback);
                append(static_cast<std::uint32_t>(std::max(next, newest + 1)),
                       {{}, SECCOMP_RET_ERRNO | ENOSYS});
            } else {
                append(static_cast<std::uint32_t>(next), fallback);
            }
            next = end;
        };
        for (const auto& [number, decision] : decisions_) {
            if (number < low || number > high) continue;
            fill_until(number);
            append(number, decision);
            next = std::uint64_t{number} + 1;
        }
        fill_until(std::uint64_t{high} + 1);
        return result;
    }

    const ArchInfo& info() const { return info_; }

private:
    void add(std::uint32_t number, const Alternative& alternative) {
        Decision& decision =
            decisions_.try_emplace(number, Decision{{}, default_action_}).first->second;
        if (decision.is_decided) return;
        if (!alternative.conditions.empty()) {
            decision.alternatives.push_back(alternative);
            return;
        }
        decision = {{}, alternative.action, true};
    }

    /// libseccomp replaces a condition on the first argument; the others are kept.
    bool add_muxed(int number, std::span<const MuxedCall> calls, std::string_view name,
                   const Alternative& alternative) {
        if (number < 0) return false;
        const auto call = std::ranges::find(calls, name, &MuxedCall::name);
        if (call == calls.end()) return false;
        Alternative muxed = alternative;
        std::erase_if(muxed.conditions, [](const Condition& c) { return c.index == 0; });
        muxed.conditions.insert(
            muxed.conditions.begin(),
            {0, Operator::eq, UINT64_MAX, static_cast<std::uint64_t>(call->first_argument)});
        add(static_cast<std::uint32_t>(number), muxed);
        return true;
    }

    const ArchInfo& info_;
    std::uint32_t default_action_;
    std::map<std::uint32_t, Decision> decisions_;
    std::optional<std::uint32_t> newest_;
};

// --- instructions ---

sock_filter statement(unsigned code, std::uint32_t k) {
    return {static_cast<__u16>(code), 0, 0, k};
}
sock_filter jump(unsigned code, std::uint32_t k, std::size_t if_true, std::size_t if_false) {
    assert(if_true <= 255 && if_false <= 255);
    return {static_cast<__u16>(code), static_cast<__u8>(if_true), static_cast<__u8>(if_false), k};
}
sock_filter ret(std::uint32_t action) { return statement(BPF_RET | BPF_K, action); }
sock_filter load_word(std::size_t offset) {
    return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr unsigned jump_equal = BPF_JMP | BPF_JEQ | BPF_K;
constexpr unsigned jump_greater = BPF_JMP | BPF_JGT | BPF_K;
constexpr unsigned jump_greater_equal = BPF_JMP | BPF_JGE | BPF_K;
constexpr unsigned jump_always = BPF_JMP | BPF_JA;

/// Where a comparison goes on: `hold` falls out of its end, `fail` is patched later.
using Code = std::vector<sock_filter>;

void append(Code& target, const Code& more) {
    target.insert(target.end(), more.begin(), more.end());
}

/// Code that falls through when the condition holds and jumps `to_fail` further when it does not.
Code compile_condition(const ArchInfo& info, const Condition& condition, std::size_t to_fail) {
    const std::size_t base = offsetof(seccomp_data, args) + condition.index * sizeof(std::uint64_t);
    const std::size_t low_at = base + (info.is_big_endian ? 4 : 0);
    const std::size_t high_at = base + (info.is_big_endian ? 0 : 4);
    const auto low = static_cast<std::uint32_t>(condition.value);
    const auto high = static_cast<std::uint32_t>(condition.value >> 32);
    const auto low_mask = static_cast<std::uint32_t>(condition.mask);
    const auto high_mask = static_cast<std::uint32_t>(condition.mask >> 32);

    Code low_part{load_word(low_at)};
    if (low_mask != UINT32_MAX) low_part.push_back(statement(BPF_ALU | BPF_AND | BPF_K, low_mask));
    switch (condition.op) {
        case Operator::eq:
        case Operator::masked_eq: low_part.push_back(jump(jump_equal, low, 0, to_fail)); break;
        case Operator::ne: low_part.push_back(jump(jump_equal, low, to_fail, 0)); break;
        case Operator::gt: low_part.push_back(jump(jump_greater, low, 0, to_fail)); break;
        case Operator::ge: low_part.push_back(jump(jump_greater_equal, low, 0, to_fail)); break;
        case Operator::lt: low_part.push_back(jump(jump_greater_equal, low, to_fail, 0)); break;
        case Operator::le: low_part.push_back(jump(jump_greater, low, to_fail, 0)); break;
    }
    if (!info.is_64_bit) return low_part;

    const std::size_t past_low = low_part.size();
    Code code;
    switch (condition.op) {
        case Operator::masked_eq:
            if (high_mask == 0) return low_part;
            code = {load_word(high_at), statement(BPF_ALU | BPF_AND | BPF_K, high_mask),
                    jump(jump_equal, high, 0, past_low + to_fail)};
            break;
        case Operator::eq:
            code = {load_word(high_at), jump(jump_equal, high, 0, past_low + to_fail)};
            break;
        case Operator::ne: code = {load_word(high_at), jump(jump_equal, high, 0, past_low)}; break;
        case Operator::gt:
        case Operator::ge:
            code = {load_word(high_at), jump(jump_greater, high, past_low + 1, 0),
                    jump(jump_equal, high, 0, past_low + to_fail)};
            break;
        case Operator::lt:
        case Operator::le:
            code = {load_word(high_at), jump(jump_greater, high, past_low + 1 + to_fail, 0),
                    jump(jump_equal, high, 0, past_low)};
            break;
    }
    append(code, low_part);
    return code;
}

/// Built from the last condition to the first, because a jump to the end needs what is in between.
Code compile_alternative(const ArchInfo& info, const Alternative& alternative) {
    Code code{ret(alternative.action)};
    for (auto condition = alternative.conditions.rbegin();
         condition != alternative.conditions.rend(); ++condition) {
        Code test = compile_condition(info, *condition, code.size());
        append(test, code);
        code = std::move(test);
    }
    return code;
}

Code compile_decision(const ArchInfo& info, const Decision& decision) {
    Code code;
    for (const Alternative& alternative : decision.alternatives)
        append(code, compile_alternative(info, alternative));
    code.push_back(ret(decision.otherwise));
    return code;
}

/// A balanced search among the ranges; the number is in the accumulator.
Code compile_ranges(const ArchInfo& info, std::span<const Range> ranges) {
    if (ranges.size() == 1) return compile_decision(info, ranges.front().decision);
    const std::size_t middle = ranges.size() / 2;
    const Code below = compile_ranges(info, ranges.first(middle));
    const Code above = compile_ranges(info, ranges.subspan(middle));
    Code code;
    if (below.size() <= 255) {
        code = {jump(jump_greater_equal, ranges[middle].first, below.size(), 0)};
    } else {
        code = {jump(jump_greater_equal, ranges[middle].first, 0, 1),
                statement(jump_always, static_cast<std::uint32_t>(below.size()))};
    }
    append(code, below);
    append(code, above);
    return code;
}

/// `rules` of one audit architecture (x86_64 and x32 share theirs), in a tree.
Code compile_group(std::span<const ArchRules* const> group, bool use_enosys) {
    const ArchInfo& info = group.front()->info();
    Code code{load_word(offsetof(seccomp_data, nr))};
    if (info.audit != AUDIT_ARCH_X86_64) {
        append(code, compile_ranges(info, group.front()->ranges(0, highest_number, use_enosys)));
        return code;
    }
    // x32 calls come with the same architecture word and a bit in the number. Which of both is not
    // listed is as foreign as any architecture that is not.
    Code plain{ret(SECCOMP_RET_KILL_THREAD)}, x32 = plain;
    for (const ArchRules* rules : group) {
        if (rules->info().arch == SeccompArch::x32)
            x32 = compile_ranges(rules->info(), rules->ranges(x32_bit, highest_number, use_enosys));
        else
            plain = compile_ranges(rules->info(), rules->ranges(0, x32_bit - 1, use_enosys));
    }
    code.push_back(jump(jump_greater_equal, x32_bit, 0, 1));
    code.push_back(statement(jump_always, static_cast<std::uint32_t>(plain.size())));
    append(code, plain);
    append(code, x32);
    return code;
}

struct FlagWord {
    std::string_view word;
    unsigned value;
};
constexpr FlagWord flag_words[] = {
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

unsigned parse_flags(std::span<const std::string> words) {
    unsigned flags = 0;
    for (const std::string& word : words) {
        const auto found = std::ranges::find(flag_words, word, &FlagWord::word);
        if (found == std::end(flag_words))
            throw Error(ErrorKind::invalid_argument, "seccomp: unknown flag {:?}", word);
        flags |= found->value;
    }
    return flags;
}

/// A default that lets calls through also knows what to do with new ones.
bool is_permissive(std::uint32_t action) {
    const std::uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
    return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE;
}

}  // namespace

CompiledSeccomp compile_seccomp(const SeccompProfile& profile) {
    CompiledSeccomp result;
    result.flags = parse_flags(profile.flags);
    const std::uint32_t default_action =
        parse_action(profile.default_action, profile.default_errno_return);
    if (default_action == SECCOMP_RET_USER_NOTIF)
        throw Error(ErrorKind::invalid_argument,
                    "seccomp: SCMP_ACT_NOTIFY cannot be used as default action");
    const std::vector<Rule> rules = resolve_rules(profile, default_action);

    std::vector<ArchRules> arch_rules;
    const auto add_arch = [&](std::string_view word) {
        const ArchInfo& info = get_arch(word);
        for (const ArchRules& known : arch_rules)
            if (known.info().arch == info.arch) return;
        arch_rules.emplace_back(info, default_action);
    };
    add_arch(native_seccomp_architecture());  // libseccomp always has it too
    for (const std::string& word : profile.architectures) add_arch(word);

    const bool use_enosys = !is_permissive(default_action);
    for (ArchRules& target : arch_rules)
        for (const SeccompRule& rule : profile.syscalls)
            for (const std::string& name : rule.names) target.note_name(name);
    for (const Rule& rule : rules) {
        result.notifies |= rule.alternative.action == SECCOMP_RET_USER_NOTIF;
        for (const std::string& name : rule.names) {
            bool is_known = false;
            for (ArchRules& target : arch_rules) is_known |= target.add(name, rule.alternative);
            if (!is_known && std::ranges::count(result.unknown, name) == 0)
                result.unknown.push_back(name);
        }
    }
    if (result.notifies) result.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if (result.notifies && (result.flags & SECCOMP_FILTER_FLAG_TSYNC))
        result.flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;  // the kernel wants it with a listener

    std::map<std::uint32_t, std::vector<const ArchRules*>> groups;
    for (const ArchRules& target : arch_rules) groups[target.info().audit].push_back(&target);
    result.instructions.push_back(load_word(offsetof(seccomp_data, arch)));
    // The machine's own architecture is asked for first: nearly every call is one of it.
    std::vector<std::uint32_t> order;
    for (const ArchRules& target : arch_rules)
        if (std::ranges::count(order, target.info().audit) == 0)
            order.push_back(target.info().audit);
    for (const std::uint32_t audit : order) {
        const Code code = compile_group(groups[audit], use_enosys);
        result.instructions.push_back(jump(jump_equal, audit, 1, 0));
        result.instructions.push_back(
            statement(jump_always, static_cast<std::uint32_t>(code.size())));
        append(result.instructions, code);
    }
    result.instructions.push_back(ret(SECCOMP_RET_KILL_THREAD));
    if (result.instructions.size() > max_instructions)
        throw Error(ErrorKind::invalid_argument,
                    "seccomp: the profile needs {} instructions, the kernel takes {}",
                    result.instructions.size(), max_instructions);
    return result;
}

std::string_view native_seccomp_architecture() {
#if defined(__x86_64__)
    return "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
    return "SCMP_ARCH_AARCH64";
#elif defined(__riscv) && __riscv_xlen == 64
    return "SCMP_ARCH_RISCV64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return "SCMP_ARCH_PPC64LE";
#elif defined(__s390x__)
    return "SCMP_ARCH_S390X";
#elif defined(__loongarch64)
    return "SCMP_ARCH_LOONGARCH64";
#else
#error "no seccomp word for this architecture"
#endif
}

std::optional<std::uint32_t> find_syscall(std::string_view architecture, std::string_view name) {
    return find_number(get_arch(architecture), name);
}

std::vector<std::string> list_seccomp_architectures() {
    std::vector<std::string> words;
    for (const ArchInfo& info : archs) words.emplace_back(info.word);
    std::ranges::sort(words);
    return words;
}

std::vector<std::string> list_seccomp_operators() {
    std::vector<std::string> words;
    for (const auto& [word, op] : operators) words.emplace_back(word);
    std::ranges::sort(words);
    return words;
}

std::vector<std::string> list_seccomp_actions() {
    std::vector<std::string> words;
    for (const ActionWord& action : actions) {
        const std::uint32_t value = action.value;
        if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &value) == 0)
            words.emplace_back(action.word);
    }
    return words;
}

std::vector<std::string> list_seccomp_flags() {
    std::vector<std::string> words;
    for (const FlagWord& flag : flag_words) {
        // A null filter is looked at only after the flags were found good: EFAULT.
        unsigned value = flag.value;
        if (value == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
            value |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, value, nullptr) != 0 && errno == EFAULT)
            words.emplace_back(flag.word);
    }
    return words;
}

Fd load_seccomp(std::span<const sock_filter> instructions, unsigned flags) {
    const sock_fprog program{static_cast<unsigned short>(instructions.size()),
                             const_cast<sock_filter*>(instructions.data())};
    const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result < 0) throw_errno(errno, "loading a seccomp filter of {}", instructions.size());
    return flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? Fd(static_cast<int>(result)) : Fd();
}

void write_seccomp_file(const std::string& path, std::span<const sock_filter> instructions) {
    const auto bytes = std::as_bytes(instructions);
    write_file_atomic(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, 0600);
}

std::vector<sock_filter> read_seccomp_file(const std::string& path) {
    const std::string bytes = read_file(path);
    if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 ||
        bytes.size() / sizeof(sock_filter) > max_instructions)
        throw Error(ErrorKind::data_loss, "{} is no seccomp filter: {} bytes", path, bytes.size());
    std::vector<sock_filter> instructions(bytes.size() / sizeof(sock_filter));
    std::memcpy(instructions.data(), bytes.data(), bytes.size());
    return instructions;
}

std::uint32_t evaluate_seccomp(std::span<const sock_filter> instructions, const SeccompCall& call) {
    seccomp_data data{};
    data.nr = static_cast<int>(call.number);
    data.arch = call.audit_architecture;
    for (int i = 0; i < 6; ++i) data.args[i] = call.arguments[i];
    std::uint32_t accumulator = 0, index = 0, memory[BPF_MEMWORDS] = {};
    for (std::size_t at = 0; at < instructions.size(); ++at) {
        const sock_filter& now = instructions[at];
        const auto branch = [&](bool taken) { at += taken ? now.jt : now.jf; };
        switch (now.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                assert(now.k + 4 <= sizeof data);
                std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + now.k, 4);
                break;
            case BPF_ALU | BPF_AND | BPF_K: accumulator &= now.k; break;
            case BPF_JMP | BPF_JA: at += now.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: branch(accumulator == now.k); break;
            case BPF_JMP | BPF_JGT | BPF_K: branch(accumulator > now.k); break;
            case BPF_JMP | BPF_JGE | BPF_K: branch(accumulator >= now.k); break;
            case BPF_JMP | BPF_JSET | BPF_K: branch((accumulator & now.k) != 0); break;
            case BPF_ST: memory[now.k % BPF_MEMWORDS] = accumulator; break;
            case BPF_LD | BPF_MEM: accumulator = memory[now.k % BPF_MEMWORDS]; break;
            case BPF_MISC | BPF_TAX: index = accumulator; break;
            case BPF_MISC | BPF_TXA: accumulator = index; break;
            case BPF_RET | BPF_K: return now.k;
            case BPF_RET | BPF_A: return accumulator;
            default:
                throw Error(ErrorKind::unsupported, "BPF instruction {:#x} in a seccomp filter",
                            now.code);
        }
    }
    throw Error(ErrorKind::data_loss, "a seccomp filter ends without a return");
}

}  // namespace hull::linux_
