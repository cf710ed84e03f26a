#pragma once
#include "cli/command.hh"
#include "cli/compose_reporter.hh"
#include "compose/images.hh"
#include "compose/up.hh"

#include <array>

namespace hull::cli {

/// The flags that `up` and `create` share.
inline constexpr auto compose_create_flags = std::to_array<Flag>({
    {"build", 0, FlagType::boolean, "Build images first"},
    {"dry-run", 0, FlagType::boolean, "Say what would be done, and why; do nothing"},
    {"force-recreate", 0, FlagType::boolean, "Recreate containers even if nothing changed"},
    {"no-build", 0, FlagType::boolean, "Do not build an image that is missing"},
    {"no-recreate", 0, FlagType::boolean, "Keep containers that exist, changed or not"},
    {"pull", 0, FlagType::text, "When to pull images: \"always\", \"missing\" or \"never\"",
     "policy"},
    {"quiet-pull", 0, FlagType::boolean, "Pull without progress"},
    {"remove-orphans", 0, FlagType::boolean,
     "Remove containers of services that are not in the file"},
    {"scale", 0, FlagType::list, "Number of containers of a service (SERVICE=NUMBER)"},
    {"yes", 'y', FlagType::boolean,
     "Yes to every question: recreate changed volumes without their data"},
});

/// What those flags say.
compose::UpOptions compose_up_options(const Arguments& arguments);
compose::ImageOptions compose_image_options(const Arguments& arguments);
/// --pull: "" when the file's policy decides. Throws invalid_argument.
std::string compose_pull_policy(const Arguments& arguments);
/// SERVICE=NUMBER items. Throws invalid_argument.
std::map<std::string, int> parse_scale(const compose::Project& project,
                                       const std::vector<std::string>& items);

/// Pulls and builds with our own output.
compose::ImageMaker compose_image_maker(const Invocation& call, const compose::Project& project,
                                        bool quiet_pull, bool quiet_build);

/// Everything before containers: state, images, plan; warns about orphans.
struct PreparedUp {
    compose::State state;
    std::map<std::string, std::string> image_ids;
    compose::Plan plan;
};
PreparedUp prepare_up(const Invocation& call, ComposeWork& work, const compose::Project& project,
                      const compose::UpOptions& options, const compose::ImageOptions& images,
                      const compose::ImageMaker& maker, bool dry_run);

}  // namespace hull::cli
