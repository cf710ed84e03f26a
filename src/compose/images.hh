#pragma once
#include "compose/project.hh"
#include "compose/work.hh"

#include <functional>
#include <map>
#include <string>

namespace hull::compose {

struct ImageOptions {
    bool build = false, no_build = false;
    std::string pull;  ///< "", "always", "missing", "never", "build"
};

/// How images come to be; the command line does these, so that their output is its own.
struct ImageMaker {
    std::function<void(const std::string& image, const std::string& platform)> pull;
    /// Of several services, at the same time.
    std::function<void(const std::vector<std::string>& services)> build;
};

/// Pulls and builds what the services need and returns the image's id for each. Throws not_found
/// when there is no image and the policy forbids to get it.
std::map<std::string, std::string> ensure_images(const Work& work, const Project& project,
                                                 const ImageOptions& options,
                                                 const ImageMaker& maker);

/// The id of an image, "" when the daemon has none of this name.
std::string find_image(client::Client& daemon, const std::string& image);

}  // namespace hull::compose
