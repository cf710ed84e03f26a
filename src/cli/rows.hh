#pragma once
#include "api/types/container.hh"
#include "api/types/image.hh"
#include "cli/format.hh"

#include <cstdint>
#include <vector>

/// Rows that more than one listing shows. `now_s`: unix seconds, for ages.
namespace hull::cli {

/// The row refers to `container`, which must outlive it.
Row make_container_row(const api::ContainerSummary& container, bool shorten, std::int64_t now_s);

/// One row for each name of the image; with `digests` one for each name and digest.
std::vector<Row> make_image_rows(const api::ImageSummary& image, bool shorten, bool digests,
                                 std::int64_t now_s);

}  // namespace hull::cli
