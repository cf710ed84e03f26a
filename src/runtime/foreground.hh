#pragma once
#include "base/fd.hh"
#include "base/process.hh"

#include <sys/types.h>

#include <memory>

namespace hull::runtime {

/// Stands in front of a process of a container: passes signals on, copies between our terminal (in
/// raw mode meanwhile) and `terminal` when there is one, and reaps. Make it before the
/// process, so that no signal gets lost.
class Foreground {
public:
    Foreground();   ///< blocks the signals that get passed on; becomes the subreaper
    ~Foreground();  ///< restores the terminal and the mask
    Foreground(const Foreground&) = delete;
    Foreground& operator=(const Foreground&) = delete;

    /// Blocks until `pid`, a child of ours, ends.
    ExitStatus wait(pid_t pid, Fd terminal);

private:
    struct Saved;
    std::unique_ptr<Saved> saved_;
};

}  // namespace hull::runtime
