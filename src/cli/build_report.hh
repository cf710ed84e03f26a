#pragma once
#include <functional>
#include <string>

namespace hull::cli {

class Session;

/// Prints what each step of a build has stored for nothing.
void print_waste(Session& session, const std::string& record_id);

/// A build that was done.
struct FinishedBuild {
    std::string image_id, record_id;
};
/// Builds once more, with `build_again` (which gives the image's id) and into the record
/// `second_id`, and compares. Returns the exit code: 1 when the images differ, with the steps that
/// do.
int verify_build(Session& session, const FinishedBuild& first, const std::string& second_id,
                 const std::function<std::string()>& build_again);

}  // namespace hull::cli
