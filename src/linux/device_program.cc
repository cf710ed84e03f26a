#include "linux/device_program.hh"

#include "base/error.hh"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace hull::linux_ {

namespace {

enum Register : unsigned char {
    result = 0,
    context = 1,
    type = 2,
    access = 3,
    major = 4,
    minor = 5
};

bpf_insn instruction(int code, unsigned char target, unsigned char source, short offset,
                     int value) {
    bpf_insn made{};
    made.code = static_cast<__u8>(code);
    made.dst_reg = target & 0xf;
    made.src_reg = source & 0xf;
    made.off = offset;
    made.imm = value;
    return made;
}
bpf_insn load(unsigned char target, std::size_t offset) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, target, context, static_cast<short>(offset), 0);
}
bpf_insn arithmetic(int operation, unsigned char target, int value) {
    return instruction(BPF_ALU | operation | BPF_K, target, 0, 0, value);
}
bpf_insn copy(unsigned char target, unsigned char source) {
    return instruction(BPF_ALU | BPF_MOV | BPF_X, target, source, 0, 0);
}
bpf_insn jump_if(int comparison, unsigned char left, int right, std::size_t distance) {
    return instruction(BPF_JMP | comparison | BPF_K, left, 0, static_cast<short>(distance), right);
}
bpf_insn leave() { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

int access_bits(const std::string& text) {
    int bits = 0;
    for (const char c : text) {
        if (c == 'r') bits |= BPF_DEVCG_ACC_READ;
        if (c == 'w') bits |= BPF_DEVCG_ACC_WRITE;
        if (c == 'm') bits |= BPF_DEVCG_ACC_MKNOD;
    }
    return bits;
}

/// `access` holds the bits that no later rule has decided.
std::vector<bpf_insn> compile_rule(const DeviceRule& rule) {
    const int bits = access_bits(rule.access);
    std::vector<bpf_insn> decide;
    if (rule.allow)
        decide = {arithmetic(BPF_AND, access, ~bits & 0xffff), jump_if(BPF_JNE, access, 0, 2)};
    else
        decide = {copy(result, access), arithmetic(BPF_AND, result, bits),
                  jump_if(BPF_JEQ, result, 0, 2)};
    decide.push_back(arithmetic(BPF_MOV, result, rule.allow ? 1 : 0));
    decide.push_back(leave());

    std::vector<std::pair<unsigned char, int>> conditions;
    if (rule.type != 'a')
        conditions.emplace_back(type, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (rule.major && *rule.major >= 0)
        conditions.emplace_back(major, static_cast<int>(*rule.major));
    if (rule.minor && *rule.minor >= 0)
        conditions.emplace_back(minor, static_cast<int>(*rule.minor));

    std::vector<bpf_insn> code;
    for (std::size_t i = 0; i < conditions.size(); ++i)
        code.push_back(jump_if(BPF_JNE, conditions[i].first, conditions[i].second,
                               conditions.size() - i - 1 + decide.size()));
    code.insert(code.end(), decide.begin(), decide.end());
    return code;
}

long bpf(int command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

Fd load_program(std::span<const bpf_insn> code) {
    static constexpr char license[] = "Apache-2.0";
    char log[4096] = {};
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
    attributes.insn_cnt = static_cast<__u32>(code.size());
    attributes.license = reinterpret_cast<std::uintptr_t>(license);
    const long plain = bpf(BPF_PROG_LOAD, attributes);
    if (plain >= 0) return Fd(static_cast<int>(plain));
    const int error = errno;
    attributes.log_buf = reinterpret_cast<std::uintptr_t>(log);
    attributes.log_size = sizeof log;
    attributes.log_level = 1;
    const long with_log = bpf(BPF_PROG_LOAD, attributes);
    if (with_log >= 0) return Fd(static_cast<int>(with_log));
    throw_errno(error, "loading a device program of {} instructions {}", code.size(), log);
}

std::vector<Fd> open_attached(int cgroup_directory) {
    __u32 ids[64] = {};
    bpf_attr attributes{};
    attributes.query.target_fd = static_cast<__u32>(cgroup_directory);
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids);
    attributes.query.prog_cnt = std::size(ids);
    if (bpf(BPF_PROG_QUERY, attributes) != 0)
        throw_errno(errno, "listing the device programs of a cgroup");
    std::vector<Fd> programs;
    for (unsigned i = 0; i < attributes.query.prog_cnt; ++i) {
        bpf_attr open_attributes{};
        open_attributes.prog_id = ids[i];
        const long fd = bpf(BPF_PROG_GET_FD_BY_ID, open_attributes);
        if (fd < 0) throw_errno(errno, "opening device program {}", ids[i]);
        programs.emplace_back(static_cast<int>(fd));
    }
    return programs;
}

}  // namespace

std::vector<bpf_insn> compile_device_program(std::span<const DeviceRule> rules) {
    std::vector<bpf_insn> code = {
        load(type, offsetof(bpf_cgroup_dev_ctx, access_type)),
        copy(access, type),
        arithmetic(BPF_RSH, access, 16),
        arithmetic(BPF_AND, type, 0xffff),
        load(major, offsetof(bpf_cgroup_dev_ctx, major)),
        load(minor, offsetof(bpf_cgroup_dev_ctx, minor)),
    };
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
        const auto part = compile_rule(*rule);
        code.insert(code.end(), part.begin(), part.end());
        const bool decides_all = rule->type == 'a' && rule->major.value_or(-1) < 0 &&
                                 rule->minor.value_or(-1) < 0 && access_bits(rule->access) == 7;
        if (decides_all) break;  // the verifier refuses code that is never reached
    }
    code.push_back(arithmetic(BPF_MOV, result, 0));
    code.push_back(leave());
    return code;
}

void attach_device_program(int cgroup_directory, std::span<const DeviceRule> rules) {
    const std::vector<Fd> old = open_attached(cgroup_directory);
    const Fd program = load_program(compile_device_program(rules));
    bpf_attr attributes{};
    attributes.target_fd = static_cast<__u32>(cgroup_directory);
    attributes.attach_bpf_fd = static_cast<__u32>(program.get());
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;  // others may be attached above and below
    if (bpf(BPF_PROG_ATTACH, attributes) != 0) throw_errno(errno, "attaching a device program");
    for (const Fd& previous : old) {
        bpf_attr detach{};
        detach.target_fd = static_cast<__u32>(cgroup_directory);
        detach.attach_bpf_fd = static_cast<__u32>(previous.get());
        detach.attach_type = BPF_CGROUP_DEVICE;
        if (bpf(BPF_PROG_DETACH, detach) != 0)
            throw_errno(errno, "detaching the previous device program");
    }
}

}  // namespace hull::linux_
