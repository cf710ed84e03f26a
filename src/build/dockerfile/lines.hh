#pragma once
#include "build/dockerfile/dockerfile.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// One instruction as it stands in the file: continuations joined, comments between them gone.
struct LogicalLine {
    std::string text;                   ///< without the blanks in front
    std::vector<std::string> comments;  ///< the block of comment lines right above, without `#`
    std::vector<Heredoc> heredocs;
    Location location;                           ///< of the instruction's keyword
    std::optional<Location> empty_continuation;  ///< the first empty line inside it
};

/// The file's lines, with the directives at its top taken off.
struct LogicalLines {
    Directives directives;
    std::vector<LogicalLine> lines;
};

/// Cuts the file into instructions. Throws DockerfileError for a wrong directive and for a heredoc
/// without an end. `source` has no byte order mark.
LogicalLines read_lines(const Source& source);

/// "<<EOF", "3<<-'EOF'": the heredoc a word announces, its content empty; nullopt for any other
/// word.
std::optional<Heredoc> parse_heredoc_word(std::string_view word);
/// Those of a RUN, COPY, ADD or of an ONBUILD of these; none for another instruction.
std::vector<Heredoc> find_heredocs(std::string_view line);

/// The location of the bytes [at, at + size) of `text`; what reaches over a line end is cut there.
Location location_at(std::string_view text, std::size_t at, std::size_t size);

}  // namespace hull::build::dockerfile
