#pragma once
#include "base/file.hh"

#include <optional>
#include <string>
#include <string_view>

/// AppArmor profiles: the one for containers is written here, and given to the kernel by
/// apparmor_parser, the only compiler of its binary form. Source: apparmor.d(5).
namespace hull::linux_ {

/// Docker's name for what containers run under, which users name in `--security-opt`.
inline constexpr std::string_view default_apparmor_profile = "docker-default";

/// The text of the profile for containers: everything a program needs, without mounting, writing to
/// the kernel's settings, or tracing what is outside of it.
std::string make_apparmor_profile(std::string_view name);

/// Whether a profile of this name is loaded, in whatever mode.
bool has_apparmor_profile(std::string_view name);

/// apparmor_parser, where Debian, Fedora and the others put it.
std::optional<Path> find_apparmor_parser();

/// Makes sure that docker-default is loaded; one that somebody else has loaded stays.
/// Throws unsupported without apparmor_parser, and unavailable, with what that says, when it fails.
void load_default_apparmor_profile();

}  // namespace hull::linux_
