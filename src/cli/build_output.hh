#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

class Session;
struct BuildAnswer;

/// Where `build -o` wants the result besides the store.
struct BuildOutput {
    enum class Type { image, registry, local, tar, docker, oci, cacheonly };
    Type type = Type::image;
    std::string destination;  ///< directory of local, else a file; "" is standard output
    bool has_destination = false;
    bool is_tar = true;     ///< of oci and docker; else a directory
    bool push = false;      ///< of image
    bool replaces = false;  ///< of local: what was in the directory goes
    /// Of local and tar: each platform in a directory of its own. By default when there are
    /// several.
    std::optional<bool> splits;
    std::vector<std::string> names;        ///< of the image, besides --tag
    std::vector<std::string> annotations;  ///< as --annotation has them
};

/// `DIR`, `-`, or `type=…,dest=…` as buildx has it. Throws invalid_argument.
BuildOutput parse_build_output(std::string_view text);
void check_build_output(std::string_view text);

/// Whether it goes to standard output.
bool writes_to_stdout(const BuildOutput& output);
/// Whether an image is wanted by it.
bool keeps_image(const BuildOutput& output);

/// Pushes an image under a name that goes afterwards.
void push_and_forget(Session& session, const std::string& image, const std::string& name);

/// Writes what was built there; `tags` are its names.
void write_build_output(Session& session, const BuildOutput& output, const BuildAnswer& answer,
                        const std::vector<std::string>& tags);

}  // namespace hull::cli
