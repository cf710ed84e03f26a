#pragma once
#include "build/dockerfile/instruction.hh"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// The value of a variable, nullopt when it is not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

struct ExpandOptions {
    char escape = '\\';
    bool keep_quotes = false;    ///< quotes stay in the result
    bool keep_escapes = false;   ///< escape characters stay in the result
    bool keep_unset = false;     ///< `$x` stays as written when x is not set
    bool ignore_quotes = false;  ///< quotes are ordinary characters: heredoc contents
};

/// Names that were used while expanding.
struct UsedVariables {
    std::set<std::string> matched, unset;
};

/// Expands $x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?w} ${x?w} ${x#p} ${x##p} ${x%p} ${x%%p}
/// ${x/p/r} ${x//p/r} and takes quotes and escapes away; the result is one word.
/// Throws Error(invalid_argument) in Docker's words. Source: BuildKit
/// frontend/dockerfile/shell/lex.go.
std::string expand_word(std::string_view text, const Lookup& lookup,
                        const ExpandOptions& options = {}, UsedVariables* used = nullptr);
/// The same, split at blanks outside of quotes.
std::vector<std::string> expand_words(std::string_view text, const Lookup& lookup,
                                      const ExpandOptions& options = {},
                                      UsedVariables* used = nullptr);

/// The instruction with everything expanded that Docker expands, to be called when its turn comes:
///   ENV LABEL ARG      keys and values, all against the values before the instruction
///   COPY ADD           sources, destination, --chown, --chmod, --checksum, --exclude (not --from);
///                      contents of heredocs whose delimiter is not quoted
///   RUN                --mount values (fills `mounts`); nothing else, the shell does it
///   EXPOSE             each port, split into words
///   WORKDIR USER STOPSIGNAL VOLUME
///   the others         nothing
/// Throws DockerfileError at the instruction.
Instruction expand_instruction(const Instruction& instruction, const Lookup& lookup, char escape,
                               UsedVariables* used = nullptr);

}  // namespace hull::build::dockerfile
