#pragma once
#include "oci/runtime_spec.hh"

#include <span>
#include <string>
#include <string_view>

namespace hull::oci {

struct KernelVersion {
    int major = 0, minor = 0;
    auto operator<=>(const KernelVersion&) const = default;
};
/// Of the running kernel.
KernelVersion running_kernel();

/// Docker's default profile: JSON text in Docker's format.
std::string_view default_seccomp_profile();

/// Turns a profile in Docker's format (archMap, includes, excludes, minKernel) into a runtime-spec
/// one. `capabilities` are the names the container gets ("CAP_SYS_ADMIN"); `architecture` is Go's
/// name of the machine ("amd64", "arm64"). Plain runtime-spec profiles pass through unchanged.
/// Throws invalid_argument, with Docker's texts for the contradictions it refuses.
Seccomp expand_docker_profile(std::string_view text, std::span<const std::string> capabilities,
                              std::string_view architecture, KernelVersion kernel);

}  // namespace hull::oci
