#pragma once
#include "build/dockerfile/instruction.hh"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// `# syntax=`, `# escape=`, `# check=` at the top.
struct Directives {
    std::string syntax;  ///< "" when absent; Hull reads every version itself
    char escape = '\\';
    std::string check;  ///< "skip=A,B;error=true", "" when absent
    Location check_location{};
};

/// From one FROM to the next.
struct Stage {
    std::string base;      ///< image or stage as written; expand it with the global arguments
    std::string platform;  ///< value of --platform as written, "" when absent
    std::string name;      ///< lower case, "" when it has none
    std::string name_as_written;
    std::string keyword, as_keyword;  ///< as written
    std::string original;
    std::string comment;                ///< "# NAME description" on the line above
    std::vector<std::string> comments;  ///< every comment right above, without `#`
    Location location;
    std::vector<Instruction> instructions;
};

struct Dockerfile {
    Source source;
    Directives directives;
    std::vector<Instruction> global_args;  ///< every ARG before the first FROM
    std::vector<Stage> stages;             ///< one at least
    std::vector<Diagnostic> warnings;      ///< found while reading; `check` has them too
};

/// Throws DockerfileError. Any bytes are allowed.
Dockerfile parse_dockerfile(std::string_view text, std::string_view file_name = "Dockerfile");

/// Reads one trigger of `config.OnBuild`. FROM, MAINTAINER and ONBUILD are refused. Escape is '\\'.
Instruction parse_trigger(std::string_view expression);

/// The stage `name` means for COPY --from, --mount from= or --target: by name (without regard to
/// case; the last one of that name), then by index. Only stages before `before`. nullopt: an image
/// or context.
std::optional<std::size_t> find_stage(const Dockerfile& dockerfile, std::string_view name,
                                      std::size_t before);
/// The stage that FROM `base` (expanded) of stage number `stage` means: by name only.
std::optional<std::size_t> find_base_stage(const Dockerfile& dockerfile, std::string_view base,
                                           std::size_t stage);
/// The stage for `--target`; "" is the last. Throws Error(invalid_argument) with Docker's text
/// ("target stage \"x\" could not be found") and the nearest name.
std::size_t get_target(const Dockerfile& dockerfile, std::string_view target);

}  // namespace hull::build::dockerfile
