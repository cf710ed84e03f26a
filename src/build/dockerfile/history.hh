#pragma once
#include "build/dockerfile/instruction.hh"

#include <string>
#include <utility>
#include <vector>

namespace hull::build::dockerfile {

/// What `history_text` needs to know of the stage.
struct HistoryContext {
    std::vector<std::string> shell;  ///< empty: /bin/sh -c
    std::string working_dir;         ///< after the instruction; for WORKDIR
    /// The stage's arguments with their values, in the order of declaration: RUN names them.
    std::vector<std::pair<std::string, std::string>> arguments;
};

/// `created_by` as BuildKit writes it: "RUN /bin/sh -c make # buildkit", "ENV A=1". Give the
/// expanded instruction; of an ARG, the values in effect. "" for ONBUILD, which has no entry.
/// The entry's comment is `history_comment`.
std::string history_text(const InstructionValue& value, const HistoryContext& context);
constexpr const char* history_comment = "buildkit.dockerfile.v0";

}  // namespace hull::build::dockerfile
