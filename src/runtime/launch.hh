#pragma once
#include "runtime/channel.hh"
#include "runtime/init.hh"

#include <sys/types.h>

#include <functional>

/// What the start of a container and of an exec share, on the runtime's side of the clone.
namespace hull::runtime {

/// The seccomp filter of `file` (raw instructions), or else `seccomp` compiled; null: none.
void load_filter_into(InitContext& context, const Path& file, const oci::Seccomp* seccomp);

/// A process of the container must not look into the copy of us that init is (ptrace(2)). Without
/// root init becomes so later, once its id maps, which belong to root then, are written.
void become_undumpable();

void set_oom_score(pid_t pid, const oci::Process& process);

/// Reads what init says: until it is ready, or until its end of the channel closes in execve.
/// Throws LaunchError with what init reports as its failure.
class Conversation {
public:
    explicit Conversation(const Channel& channel) : channel_(channel) {}
    Fd terminal;

    void wait_until_ready(const std::function<void()>& run_hooks);
    void wait_until_executed();

private:
    Message next();
    void handle(Message& message);

    const Channel& channel_;
};

}  // namespace hull::runtime
