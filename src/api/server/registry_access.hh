#pragma once
#include "api/server/call.hh"
#include "image/images.hh"

namespace hull::server {

/// What the client wants shown to the registry: X-Registry-Auth. A header that cannot be read
/// counts as none, as with Docker: public images need none.
image::RegistryAccess registry_access(Call& call);

}  // namespace hull::server
