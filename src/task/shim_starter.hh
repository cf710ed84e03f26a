#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/locked.hh"
#include "base/process.hh"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace hull::task {

/// Starts shims, and has one ready: executing it and its first page faults are then no part of the
/// next start. A spare one knows no container; it ends with the daemon. Thread-safe.
class ShimStarter {
public:
    struct Shim {
        Process process;
        Fd channel;
    };

    explicit ShimStarter(const Path& program);

    /// A shim for the container of `launch_file`, whose errors go to `diary`.
    Shim start(const Path& launch_file, const Fd& diary);
    /// Whether refill() has something to do: a shim was started since.
    bool wants_refill() const { return wants_refill_; }
    /// Starts the spare one; one thread calls it. When that fails the next start does without.
    void refill() noexcept;

private:
    Shim spawn(std::vector<std::string> arguments, int diary) const;
    std::optional<Shim> take_spare();
    bool has_spare();

    Fd file_;
    Path program_;
    Locked<std::optional<Shim>> spare_;
    std::atomic<bool> wants_refill_ = false;
};

}  // namespace hull::task
