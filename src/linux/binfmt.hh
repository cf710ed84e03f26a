#pragma once
#include <string>
#include <string_view>

namespace hull::linux_ {

/// Whether the kernel runs programs of another architecture (Go's name for it): itself, as it does
/// 386 on amd64, or by an emulator in binfmt_misc. `entries`: the directory of the latter.
bool can_emulate(std::string_view architecture,
                 const std::string& entries = "/proc/sys/fs/binfmt_misc");

}  // namespace hull::linux_
