#pragma once
#include <string_view>

namespace hull::build::dockerfile {

/// Whether a file that begins so is what Docker unpacks, as a context or by ADD: a tar, plain or in
/// one of four compressions.
bool begins_archive(std::string_view head);

}  // namespace hull::build::dockerfile
