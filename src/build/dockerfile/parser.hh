#pragma once
#include "build/dockerfile/lines.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// Every instruction's name in upper case.
const std::vector<std::string>& instruction_names();

/// Reads one instruction other than FROM. Throws DockerfileError at its place in `source`.
Instruction read_instruction(const LogicalLine& line, const Source& source, char escape);
/// Reads a FROM.
Stage read_from(const LogicalLine& line, const Source& source);

/// The location of `text` between the lines of `place`; of the keyword when it is not there.
Location locate_text(const Location& place, const Source& source, std::string_view text);

}  // namespace hull::build::dockerfile
