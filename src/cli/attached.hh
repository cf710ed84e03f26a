#pragma once
#include <string>
#include <string_view>

namespace hull::cli {

class Arguments;
class MountAdvice;
class Session;

/// How to join a container with our terminal or pipes.
struct AttachPlan {
    std::string id;
    bool terminal = false;
    bool use_stdin = false, use_stdout = true, use_stderr = true;
    bool proxy_signals = true;
    bool start = false;             ///< start it once we are attached
    std::string wait_condition;     ///< "next-exit", "removed", "not-running"
    std::string detach_keys;        ///< as typed, "" = the default ones
    MountAdvice* advice = nullptr;  ///< reads along; told when the program fails
};

struct AttachResult {
    bool detached = false;  ///< the user typed the detach keys: it goes on without us
    bool broken = false;    ///< nobody reads our output any more
    int exit_code = 0;
};

/// Attaches, then waits, then starts, so that no output and no exit is missed; copies until the
/// end. Errors of the start leave as StartError.
AttachResult attach(Session& session, const AttachPlan& plan);

/// The exit code Docker's CLI derives from the message of a failed start: 127 not found, 126 not
/// executable, else 125.
int start_failure_code(std::string_view message);

/// Throws invalid_argument "the input device is not a TTY" when a terminal is wanted for input that
/// is none.
void require_terminal(bool use_stdin, bool terminal);

/// --detach-keys, else detachKeys of config.json, else "".
std::string chosen_detach_keys(Session& session, const Arguments& arguments);

}  // namespace hull::cli
