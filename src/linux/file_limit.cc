#include "linux/file_limit.hh"

#include <sys/resource.h>

#include <algorithm>

namespace hull::linux_ {

namespace {

/// Of the process, as the limit itself; written before there are other threads.
std::optional<FileLimit> original;

}  // namespace

void raise_file_limit() {
    constexpr rlim_t enough = 1 << 20;  // the kernel's own limit (fs.nr_open) by default
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const FileLimit before{limit.rlim_cur, limit.rlim_max};
    const rlim_t most = std::max(limit.rlim_max, enough);
    const rlimit wanted{most, most}, allowed{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0 || ::setrlimit(RLIMIT_NOFILE, &allowed) == 0)
        original = before;
}

std::size_t file_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

std::optional<FileLimit> original_file_limit() { return original; }

}  // namespace hull::linux_
