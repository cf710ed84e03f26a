#pragma once
#include <string>

namespace hull::cli {

class Session;

/// Asks the daemon to pull `reference`; progress goes to standard error unless `quiet`.
void pull_image(Session& session, const std::string& reference, const std::string& platform,
                bool quiet);

/// `name:latest` when `reference` has neither tag nor digest.
std::string with_default_tag(const std::string& reference);

}  // namespace hull::cli
