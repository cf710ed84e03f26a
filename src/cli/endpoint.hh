#pragma once
#include <string>
#include <string_view>

namespace hull::cli {

class Arguments;
class Session;

inline constexpr std::string_view default_host = "unix:///run/hull.sock";

/// HULL_X of our environment, else DOCKER_X, else "".
std::string setting(std::string_view name);

/// Sets whom the session talks to, as Docker decides it: -H, DOCKER_HOST, --context,
/// DOCKER_CONTEXT, currentContext of config.json, else the default socket. Also the configuration
/// directory, the API version and the log level. Throws invalid_argument for contradictions.
/// A context that is missing is told when the daemon is needed, so that `context use` can repair.
void choose_endpoint(Session& session, const Arguments& global);

/// `unix:///path` for a path; throws invalid_argument for what is no address of a daemon.
std::string normal_host(std::string_view host);

}  // namespace hull::cli
