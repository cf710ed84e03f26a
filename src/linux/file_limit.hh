#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

namespace hull::linux_ {

struct FileLimit {
    std::uint64_t soft = 0, hard = 0;
};

/// Lets this process open as many files as the kernel allows: a socket holds each published port.
/// What it starts inherits that, so containers get `original_file_limit`.
void raise_file_limit();
/// How many this process may have open now.
std::size_t file_limit();
/// What this process was started with; nullopt unless that was raised.
std::optional<FileLimit> original_file_limit();

}  // namespace hull::linux_
