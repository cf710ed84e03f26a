#pragma once
#include "base/stop.hh"

#include <cstddef>
#include <functional>
#include <string_view>

namespace hull {

/// Gives every line that is not empty to `take` until the writers of `fd` have closed it. Throws
/// cancelled when `stop` (may be null) is requested, data_loss for a line beyond `max_line_bytes`.
void read_lines(int fd, StopEvent* stop, std::size_t max_line_bytes,
                const std::function<void(std::string_view line)>& take);

}  // namespace hull
