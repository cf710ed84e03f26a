#include "base/error.hh"
#include "linux/seccomp.hh"
#include "oci/seccomp_profile.hh"

#include <cstdint>
#include <cstdlib>

namespace {

hull::linux_::SeccompProfile convert(const hull::oci::Seccomp& seccomp) {
    hull::linux_::SeccompProfile profile;
    profile.default_action = seccomp.default_action;
    profile.default_errno_return = seccomp.default_errno_return;
    profile.architectures = seccomp.architectures;
    profile.flags = seccomp.flags;
    for (const auto& rule : seccomp.syscalls) {
        hull::linux_::SeccompRule made{rule.names, rule.action, rule.errno_return, {}};
        for (const auto& argument : rule.arguments)
            made.arguments.push_back(
                {argument.index, argument.value, argument.value_two, argument.op});
        profile.syscalls.push_back(std::move(made));
    }
    return profile;
}

}  // namespace

/// Every profile that compiles gives a program that ends in a return for any call.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const std::string capabilities[] = {"CAP_SYS_ADMIN", "CAP_KILL"};
        const auto seccomp = hull::oci::expand_docker_profile(text, capabilities, "amd64", {6, 1});
        const auto compiled = hull::linux_::compile_seccomp(convert(seccomp));
        for (const std::uint32_t audit : {0xc000003eU, 0x40000003U, 0U})
            for (std::uint32_t number = 0; number < 600; number += 7)
                hull::linux_::evaluate_seccomp(compiled.instructions,
                                               {audit, number, {number, ~0ULL, 1, 0, 5, 6}});
    } catch (const hull::Error& error) {
        // Input may be refused; a program without an end or with a foreign instruction may not be.
        if (error.kind() == hull::ErrorKind::data_loss) std::abort();
    }
    return 0;
}
