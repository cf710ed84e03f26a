#pragma once
#include "buildkit/host.hh"
#include "buildkit/progress.hh"
#include "buildkit/solve_request.hh"

#include <string>

namespace hull::buildkit {

/// The image is in the engine already, with its names: says so.
void export_image(Progress& progress, const std::string& image_id, const Target& exporter,
                  Attributes& response);
/// Sends the files of the image to the client, as a tar or one by one. `number` is the exporter's
/// among the request's.
void export_files(Host& host, Progress& progress, const std::string& session,
                  const std::string& image_id, const Target& exporter, int number);
/// Removes an image that was built for its files only. One with a name, or in use, stays.
void forget_image(Host& host, const std::string& image_id);

}  // namespace hull::buildkit
