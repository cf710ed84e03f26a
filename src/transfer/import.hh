#pragma once
#include "archive/byte_source.hh"
#include "transfer/messages.hh"
#include "transfer/staging.hh"

#include <set>
#include <string>
#include <string_view>

namespace hull::transfer {

/// Makes an image of one layer out of the tar of a root file system (plain, gzip or zstd).
/// `options` is JSON: {"changes": image config block, "message", "platform", "reference"}.
void import_image(archive::ByteSource& stream, std::string_view options, Staging& staging,
                  Messages& messages, const std::set<std::string>& known_layers);

}  // namespace hull::transfer
