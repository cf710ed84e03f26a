#pragma once
#include <string_view>
#include <vector>

namespace hull::linux_ {

/// The numbers of a list like "0-3,8" (cpuset(7), "List format"), for CPUs and memory nodes. Throws
/// invalid_argument for anything else, and for numbers from `end` on.
std::vector<unsigned> parse_cpu_list(std::string_view list, unsigned end);

}  // namespace hull::linux_
