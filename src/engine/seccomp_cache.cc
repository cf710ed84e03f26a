#include "engine/seccomp_cache.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "linux/seccomp.hh"

#include <string>

namespace hull::engine {

namespace {

/// Part of the file's name: a newer compiler must not use files of an older one.
constexpr std::string_view compiler_version = "1";

linux_::SeccompProfile to_linux(const oci::Seccomp& profile) {
    linux_::SeccompProfile result;
    result.default_action = profile.default_action;
    result.default_errno_return = profile.default_errno_return;
    result.architectures = profile.architectures;
    result.flags = profile.flags;
    for (const oci::SeccompRule& rule : profile.syscalls) {
        linux_::SeccompRule converted{rule.names, rule.action, rule.errno_return, {}};
        for (const oci::SeccompArgument& argument : rule.arguments)
            converted.arguments.push_back(
                {argument.index, argument.value, argument.value_two, argument.op});
        result.syscalls.push_back(std::move(converted));
    }
    return result;
}

}  // namespace

SeccompChoice SeccompCache::get(std::string_view profile,
                                const std::vector<std::string>& capabilities) {
    std::string key(compiler_version);
    key += host_.kernel_release + host_.machine;
    for (const std::string& name : capabilities) key += " " + name;
    key += "\n";
    key += profile;
    // The text itself is the key in memory: hashing 20 KB would cost more than comparing it.
    if (auto known = known_.lock(); known->contains(key)) return known->at(key);
    SeccompChoice choice = make(profile, capabilities, sha256_hex(key));
    known_.lock()->emplace(std::move(key), choice);
    return choice;
}

SeccompChoice SeccompCache::make(std::string_view profile,
                                 const std::vector<std::string>& capabilities,
                                 const std::string& hash) {
    SeccompChoice choice;
    oci::Seccomp expanded =
        oci::expand_docker_profile(profile, capabilities, host_.architecture, host_.kernel);
    linux_::CompiledSeccomp compiled = linux_::compile_seccomp(to_linux(expanded));
    if (compiled.flags != 0 || compiled.notifies) {
        choice.profile = std::move(expanded);
        return choice;
    }
    sys::mkdir_all(directory_, 0700);
    choice.filter = join(directory_, hash + ".bpf");
    if (!sys::find_stat(choice.filter)) {
        Path temporary = choice.filter + "." + random_hex(4);
        linux_::write_seccomp_file(temporary, compiled.instructions);
        sys::rename(temporary, choice.filter);
    }
    return choice;
}

}  // namespace hull::engine
