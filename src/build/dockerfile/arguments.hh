#pragma once
#include "oci/platform.hh"

#include <map>
#include <string>
#include <string_view>

namespace hull::build::dockerfile {

/// The arguments every build has in its global scope; a stage sees them after `ARG NAME`:
/// BUILDPLATFORM BUILDOS BUILDOSVERSION BUILDARCH BUILDVARIANT, the same with TARGET, TARGETSTAGE.
std::map<std::string, std::string> platform_arguments(const oci::Platform& build_platform,
                                                      const oci::Platform& target_platform,
                                                      std::string_view target_stage);
/// HTTP_PROXY, HTTPS_PROXY, FTP_PROXY, NO_PROXY, ALL_PROXY in both cases: RUN sees them without ARG
/// when the client gives them; they are neither in the history nor in a cache key.
bool is_proxy_argument(std::string_view name);
/// Arguments the builder itself reads (BUILDKIT_*, SOURCE_DATE_EPOCH): no warning that they were
/// not consumed.
bool is_builder_argument(std::string_view name);

}  // namespace hull::build::dockerfile
