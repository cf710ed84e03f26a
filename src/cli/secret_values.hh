#pragma once
#include "api/types/host_config.hh"

#include <string_view>

namespace hull::cli {

/// "NAME" or "source=NAME[,target=FILE|,env=VARIABLE][,uid=N][,gid=N][,mode=0400]".
/// Throws invalid_argument.
api::SecretUse parse_secret_use(std::string_view text);
void check_secret_use(std::string_view text);

}  // namespace hull::cli
