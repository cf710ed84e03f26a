#pragma once
#include "api/server/call.hh"

#include <span>

/// The index of the API: every route there is, in tables.
namespace hull::server {

/// GET of what POST would prune only says what would go. On Docker's daemon it does nothing either.
inline bool is_dry_run(const Call& call) { return call.exchange.method == "GET"; }

std::span<const Route> container_routes();
std::span<const Route> exec_routes();
std::span<const Route> file_routes();
std::span<const Route> usage_routes();
std::span<const Route> volume_routes();
std::span<const Route> image_routes();
std::span<const Route> network_routes();
std::span<const Route> secret_routes();
std::span<const Route> registry_routes();
/// POST /build?version=2: through the session that it names.
void hand_over_build(Call& call);
std::span<const Route> build_routes();
std::span<const Route> buildkit_routes();
std::span<const Route> build_history_routes();
std::span<const Route> system_routes();
/// Endpoints of Docker's API that are not served: 501, and 503 for Swarm.
std::span<const Route> unsupported_routes();

}  // namespace hull::server
