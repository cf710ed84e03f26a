#pragma once
#include "base/json.hh"

#include <string>
#include <vector>

namespace hull::server {

/// Makes the image `config` block of `--change` lines (import, commit): the Dockerfile instructions
/// CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME and
/// WORKDIR, which is relative to `working_dir`. Throws invalid_argument for others and malformed
/// ones. Source: docker import reference, "--change".
json::Value parse_changes(const std::vector<std::string>& lines,
                          const std::string& working_dir = "");

}  // namespace hull::server
