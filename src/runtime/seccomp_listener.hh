#pragma once
#include "oci/runtime_spec.hh"

#include <string>
#include <string_view>

/// Seccomp notification: the listener of a filter goes to an agent of the user's.
/// Source: runtime-spec config-linux.md, "The Container Process State".
namespace hull::runtime {

/// Throws invalid_argument when the profile hands calls to a listener that nobody names, or calls
/// that the hand-over itself needs.
void check_listener(const oci::Seccomp& seccomp);

struct ListenerState {
    std::string oci_version, id, status;
    pid_t pid = 0;  ///< of the process under the filter, as the host counts
    Path bundle;
    std::map<std::string, std::string> annotations;
    std::string metadata;
};
/// The document that goes with the listener.
std::string listener_json(const ListenerState& state);

/// Connects to the agent and sends it `document` with `listener`.
void send_listener(const Path& socket, const std::string& document, int listener);

}  // namespace hull::runtime
