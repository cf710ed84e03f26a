#pragma once
#include "base/json.hh"
#include "buildkit/jobs.hh"

namespace hull::buildkit {

/// POST /build?version=2 of the docker CLI before buildx: the build goes through the session that
/// the query names, and what is written to `socket`, whose reply has begun, are Docker's messages;
/// BuildKit's own travel in moby.buildkit.trace. `query` is a list of names and values. Returns
/// when the build has ended.
void build_over_http(Host& host, Jobs& jobs, const json::Value& query, Fd socket);

}  // namespace hull::buildkit
