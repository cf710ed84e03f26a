#pragma once
#include "base/fd.hh"

#include <sys/types.h>

namespace hull::linux_ {

struct Terminal {
    Fd master, slave;
};

/// A new pair from the devpts instance whose ptmx is `ptmx` (O_PATH). Throws when it is no ptmx of
/// a devpts: an image could have put anything there (CVE-2025-52565). `proc` is a trusted /proc.
Terminal open_terminal(int ptmx, int proc);
void set_window_size(int terminal, unsigned short rows, unsigned short columns);
/// Makes `slave` the controlling terminal; we must lead a session.
void make_controlling_terminal(int slave);

}  // namespace hull::linux_
