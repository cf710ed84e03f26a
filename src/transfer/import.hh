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

/// Makes an image of the layers of another one and the layer tar in `stream` on top; of those alone
/// when it is empty. `request` is JSON: {"config": image config of the other, "layers": its
/// descriptors, "block": config block of the new one, "author", "comment", "createdBy",
/// "reference"}.
void commit(archive::ByteSource& stream, std::string_view request, Staging& staging,
            Messages& messages, const std::set<std::string>& known_layers);

/// Takes the layer tar in `stream`, a build's step, without making an image. Says nothing when the
/// tar has no entries.
void take_step_layer(archive::ByteSource& stream, Staging& staging, Messages& messages,
                     const std::set<std::string>& known_layers);

}  // namespace hull::transfer
