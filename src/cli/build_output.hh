#pragma once
#include <string>
#include <string_view>

namespace hull::cli {

class Session;

/// Where `build -o` wants the result besides the store.
struct BuildOutput {
    enum class Type { image, local, tar, docker, oci };
    Type type = Type::image;
    std::string destination;  ///< directory of local, else a file; "" is standard output
};

/// `DIR`, `-`, or `type=…,dest=…` as buildx has it. Throws invalid_argument.
BuildOutput parse_build_output(std::string_view text);
void check_build_output(std::string_view text);

/// Writes the image there; `name` is the first tag, or the id.
void write_build_output(Session& session, const BuildOutput& output, const std::string& name);

}  // namespace hull::cli
