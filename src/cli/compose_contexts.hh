#pragma once
#include "compose/project.hh"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// Services whose images are built before this one's: those it has as additional contexts.
std::vector<std::string> built_before(const compose::Node& service);

/// Additional contexts of a build that are images: name -> reference. Throws not_found for a
/// service that is not selected.
std::map<std::string, std::string> image_contexts(const compose::Project& project,
                                                  const std::string& service);
/// The others, directories and addresses, as `--build-context` takes them: NAME=PLACE.
std::vector<std::string> other_contexts(const compose::Project& project,
                                        const std::string& service);

/// The Dockerfile with one more stage for each image, in front of its first: `FROM NAME` and
/// `COPY --from=NAME` find it.
std::string with_stages(std::string_view dockerfile,
                        const std::map<std::string, std::string>& images);

}  // namespace hull::cli
