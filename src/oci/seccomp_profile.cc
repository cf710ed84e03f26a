#include "oci/seccomp_profile.hh"

#include "oci/json_fields.hh"

#include <sys/utsname.h>

#include <algorithm>
#include <charconv>

namespace hull::oci {

namespace {

/// `includes` or `excludes` of a rule.
struct Condition {
    std::vector<std::string> caps, arches;
    std::optional<KernelVersion> min_kernel;
};

/// "4.8", also with more behind as uname has it. nullopt when malformed.
std::optional<KernelVersion> find_version(std::string_view text) {
    KernelVersion version;
    const char* end = text.data() + text.size();
    const auto [dot, error] = std::from_chars(text.data(), end, version.major);
    if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
    if (std::from_chars(dot + 1, end, version.minor).ec != std::errc()) return std::nullopt;
    return version;
}

constexpr std::pair<std::string_view, std::string_view> arch_words[] = {
    {"386", "SCMP_ARCH_X86"},
    {"amd64", "SCMP_ARCH_X86_64"},
    {"amd64p32", "SCMP_ARCH_X32"},
    {"arm", "SCMP_ARCH_ARM"},
    {"arm64", "SCMP_ARCH_AARCH64"},
    {"loong64", "SCMP_ARCH_LOONGARCH64"},
    {"mips", "SCMP_ARCH_MIPS"},
    {"mips64", "SCMP_ARCH_MIPS64"},
    {"mips64le", "SCMP_ARCH_MIPSEL64"},
    {"mips64p32", "SCMP_ARCH_MIPS64N32"},
    {"mips64p32le", "SCMP_ARCH_MIPSEL64N32"},
    {"mipsle", "SCMP_ARCH_MIPSEL"},
    {"ppc", "SCMP_ARCH_PPC"},
    {"ppc64", "SCMP_ARCH_PPC64"},
    {"ppc64le", "SCMP_ARCH_PPC64LE"},
    {"riscv64", "SCMP_ARCH_RISCV64"},
    {"s390", "SCMP_ARCH_S390"},
    {"s390x", "SCMP_ARCH_S390X"},
};

std::string_view find_arch_word(std::string_view architecture) {
    for (const auto& [go_name, word] : arch_words)
        if (go_name == architecture) return word;
    return "";
}

bool contains(std::span<const std::string> list, std::string_view text) {
    return std::ranges::find(list, text) != list.end();
}

}  // namespace

void load(const Field& field, Condition& target) {
    field.read("caps", target.caps);
    field.read("arches", target.arches);
    std::string version;
    field.read("minKernel", version);
    if (version.empty()) return;
    target.min_kernel = find_version(version);
    if (!target.min_kernel)
        field.member("minKernel").fail(fmt::format("invalid kernel version: {:?}", version));
}

void load(const Field& field, SeccompArgument& target);
void load(const Field& field, SeccompRule& target);

namespace {

class Expander {
public:
    Expander(std::span<const std::string> capabilities, std::string_view architecture,
             KernelVersion kernel)
        : capabilities_(capabilities), architecture_(architecture), kernel_(kernel) {}

    Seccomp expand(const json::Value& profile) const {
        const Field field(profile);
        Seccomp seccomp;
        // Everything but the rules and the architectures has the same form in both formats.
        json::Object plain = profile.as_object();
        plain.erase("syscalls");
        plain.erase("archMap");
        seccomp = parse_seccomp(plain);
        expand_architectures(field.member("archMap"), seccomp);
        const Field syscalls = field.member("syscalls");
        std::size_t index = 0;
        if (!syscalls.value().is_null())
            for (const json::Value& value : expect_array(syscalls))
                expand_rule(syscalls.element(value, index++), seccomp);
        return seccomp;
    }

private:
    void expand_architectures(const Field& arch_map, Seccomp& seccomp) const {
        if (arch_map.value().is_null() || expect_array(arch_map).empty()) return;
        if (!seccomp.architectures.empty())
            throw Error(ErrorKind::invalid_argument,
                        "both 'architectures' and 'archMap' are specified in the seccomp profile, "
                        "use either 'architectures' or 'archMap'");
        const std::string_view own = find_arch_word(architecture_);
        std::size_t index = 0;
        for (const json::Value& value : arch_map.value().as_array()) {
            const Field entry = arch_map.element(value, index++);
            std::string word;
            std::vector<std::string> more;
            entry.read("architecture", word);
            entry.read("subArchitectures", more);
            if (word != own) continue;
            seccomp.architectures.push_back(word);
            seccomp.architectures.insert(seccomp.architectures.end(), more.begin(), more.end());
            return;
        }
    }

    void expand_rule(const Field& field, Seccomp& seccomp) const {
        Condition includes, excludes;
        field.read("includes", includes);
        field.read("excludes", excludes);
        if (!is_included(includes) || is_excluded(excludes)) return;
        json::Object plain = expect_object(field);
        if (const json::Value* name = plain.find("name"); name && !name->is_null()) {
            if (const json::Value* names = plain.find("names"); names && !names->is_null())
                throw Error(ErrorKind::invalid_argument,
                            "both 'name' and 'names' are specified in the seccomp profile, use "
                            "either 'name' or 'names'");
            plain["names"] = json::Array{*name};
        }
        const json::Value value = std::move(plain);
        SeccompRule rule;
        load(Field(value, field.path()), rule);
        seccomp.syscalls.push_back(std::move(rule));
    }

    /// All capabilities, one of the architectures, at least this kernel.
    bool is_included(const Condition& condition) const {
        if (!condition.arches.empty() && !contains(condition.arches, architecture_)) return false;
        if (condition.min_kernel && kernel_ < *condition.min_kernel) return false;
        return std::ranges::all_of(
            condition.caps, [&](const std::string& name) { return contains(capabilities_, name); });
    }
    /// Any of them is enough.
    bool is_excluded(const Condition& condition) const {
        if (contains(condition.arches, architecture_)) return true;
        if (condition.min_kernel && kernel_ >= *condition.min_kernel) return true;
        return std::ranges::any_of(
            condition.caps, [&](const std::string& name) { return contains(capabilities_, name); });
    }

    std::span<const std::string> capabilities_;
    std::string_view architecture_;
    KernelVersion kernel_;
};

}  // namespace

KernelVersion running_kernel() {
    utsname names{};
    ::uname(&names);
    return find_version(names.release).value_or(KernelVersion{});
}

Seccomp expand_docker_profile(std::string_view text, std::span<const std::string> capabilities,
                              std::string_view architecture, KernelVersion kernel) {
    return with_context(
        [&] {
        const json::Value profile = json::parse(text);
        if (!profile.is_object())
            throw Error(ErrorKind::invalid_argument, "expected a JSON object");
        return Expander(capabilities, architecture, kernel).expand(profile);
        },
        "decoding seccomp profile failed");
}

}  // namespace hull::oci
