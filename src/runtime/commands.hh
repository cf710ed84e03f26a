#pragma once
#include "runtime/options.hh"
#include "runtime/state.hh"

#include <span>
#include <string_view>

/// The commands of hull-runtime: runc's, word for word, so that callers of runc find what they
/// know.
namespace hull::runtime {

struct GlobalOptions {
    StateDirectory states{"/run/hull-runtime"};
    bool systemd_cgroup = false;
    std::optional<bool> rootless;  ///< absent: auto
    bool debug = false;
};

struct RuntimeCommand {
    std::string_view name, usage, summary;
    std::span<const Flag> flags;
    /// Returns the exit code.
    int (*run)(GlobalOptions&, const Options&);
    bool stop_at_positional = false;
};

std::span<const RuntimeCommand> runtime_commands();

// commands_lifecycle.cc
int run_create(GlobalOptions& global, const Options& options);
int run_start(GlobalOptions& global, const Options& options);
int run_run(GlobalOptions& global, const Options& options);
int run_kill(GlobalOptions& global, const Options& options);
int run_delete(GlobalOptions& global, const Options& options);
int run_pause(GlobalOptions& global, const Options& options);
int run_resume(GlobalOptions& global, const Options& options);
// commands_exec.cc
int run_exec(GlobalOptions& global, const Options& options);
// commands_query.cc
int run_state(GlobalOptions& global, const Options& options);
int run_list(GlobalOptions& global, const Options& options);
int run_ps(GlobalOptions& global, const Options& options);
int run_events(GlobalOptions& global, const Options& options);
int run_features(GlobalOptions& global, const Options& options);
int run_spec(GlobalOptions& global, const Options& options);
// commands_update.cc
int run_update(GlobalOptions& global, const Options& options);

/// Number of "KILL", "SIGKILL", "9", "RTMIN+3". Throws invalid_argument.
int parse_signal(std::string_view text);
/// Sends a terminal's master to whoever listens on `console_socket`.
void send_terminal(const Path& console_socket, int terminal);

}  // namespace hull::runtime
