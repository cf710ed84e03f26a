#pragma once
#include <string>

namespace hull::cli {

class Session;

enum class PullOutput { quiet, standard_output, standard_error };

/// Asks the daemon to pull `reference`, or all tags of that repository.
void pull_image(Session& session, const std::string& reference, const std::string& platform,
                PullOutput output, bool all_tags = false);

/// `name:latest` when `reference` has neither tag nor digest.
std::string with_default_tag(const std::string& reference);

}  // namespace hull::cli
