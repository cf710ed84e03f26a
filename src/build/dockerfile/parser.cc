#include "build/dockerfile/parser.hh"

#include "base/text.hh"
#include "build/dockerfile/instruction_reader.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>

namespace hull::build::dockerfile {

const std::vector<std::string>& instruction_names() {
    static const std::vector<std::string> names{
        "ADD",    "ARG",   "CMD",         "COPY",  "ENTRYPOINT", "ENV",
        "EXPOSE", "FROM",  "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
        "RUN",    "SHELL", "STOPSIGNAL",  "USER",  "VOLUME",     "WORKDIR"};
    return names;
}

namespace {

struct ReaderEntry {
    std::string_view name;
    InstructionReader::Read read;
};

std::string hint_for_instruction(std::string_view keyword, char escape) {
    const bool in_small_letters = lower(keyword) == keyword;
    const std::string match = nearest(keyword, instruction_names());
    if (!match.empty()) return "did you mean " + (in_small_letters ? lower(match) : match) + "?";
    if (keyword == "&&" || keyword == "||" || keyword == "|" || keyword == ";" ||
        keyword.starts_with('-'))
        return fmt::format("does the line above lack a {} at its end?", escape);
    const bool like_a_program =
        keyword.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_./") ==
        std::string_view::npos;
    return like_a_program ? "a shell command needs RUN in front" : "";
}

}  // namespace

Instruction InstructionReader::read() {
    static constexpr ReaderEntry entries[] = {
        {"RUN", &InstructionReader::read_run},
        {"CMD", &InstructionReader::read_cmd},
        {"ENTRYPOINT", &InstructionReader::read_entrypoint},
        {"ENV", &InstructionReader::read_env},
        {"LABEL", &InstructionReader::read_label},
        {"ARG", &InstructionReader::read_arg},
        {"COPY", &InstructionReader::read_copy},
        {"ADD", &InstructionReader::read_add},
        {"WORKDIR", &InstructionReader::read_workdir},
        {"USER", &InstructionReader::read_user},
        {"EXPOSE", &InstructionReader::read_expose},
        {"VOLUME", &InstructionReader::read_volume},
        {"STOPSIGNAL", &InstructionReader::read_stop_signal},
        {"HEALTHCHECK", &InstructionReader::read_healthcheck},
        {"SHELL", &InstructionReader::read_shell},
        {"MAINTAINER", &InstructionReader::read_maintainer},
        {"ONBUILD", &InstructionReader::read_on_build},
    };
    const auto* entry = std::find_if(std::begin(entries), std::end(entries),
                                     [&](const ReaderEntry& known) { return known.name == name_; });
    if (entry == std::end(entries))
        fail(fmt::format("unknown instruction: {}", parts_.keyword), parts_.keyword,
             hint_for_instruction(parts_.keyword, escape_));
    Instruction instruction;
    instruction.keyword = parts_.keyword;
    instruction.original = trim_space(line_.text);
    instruction.comments = line_.comments;
    instruction.location = line_.location;
    instruction.value = (this->*entry->read)();
    return instruction;
}

namespace {

bool is_stage_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
           std::all_of(name.begin(), name.end(), fits);
}

}  // namespace

Stage InstructionReader::read_stage() {
    const Flags flags = read_flags({{"platform", FlagKind::text}});
    const std::vector<std::string> words = split_blanks(parts_.rest);
    Stage stage;
    if (words.size() == 3 && equal_fold(words[1], "as")) {
        stage.as_keyword = words[1];
        stage.name_as_written = words[2];
        stage.name = lower(words[2]);
        if (!is_stage_name(stage.name))
            fail(fmt::format("invalid name for build stage: {}, name can't start with a number or "
                             "contain symbols",
                             quote(words[2])),
                 words[2]);
    } else if (words.size() != 1) {
        fail("FROM requires either one or three arguments", words.size() > 1 ? words[1] : "",
             "FROM image AS name");
    }
    stage.base = words[0];
    stage.platform = flags.text("platform");
    stage.keyword = parts_.keyword;
    stage.original = trim_space(line_.text);
    stage.comment = comment_about(stage.name);
    stage.comments = line_.comments;
    stage.location = line_.location;
    return stage;
}

namespace {

std::size_t offset_of_line(std::string_view text, int line) {
    std::size_t at = 0;
    for (int i = 1; i < line; ++i) {
        const std::size_t end = text.find('\n', at);
        if (end == std::string_view::npos) return text.size();
        at = end + 1;
    }
    return at;
}

}  // namespace

Instruction read_instruction(const LogicalLine& line, const Source& source, char escape) {
    return InstructionReader(line, source, escape).read();
}

Stage read_from(const LogicalLine& line, const Source& source) {
    return InstructionReader(line, source, '\\').read_stage();
}

Location locate_text(const Location& place, const Source& source, std::string_view text) {
    text = text.substr(0, text.find('\n'));
    if (text.empty()) return place;
    const std::size_t start = offset_of_line(source.text, place.line);
    const std::size_t end = offset_of_line(source.text, place.last_line + 1);
    const std::string_view lines = std::string_view(source.text).substr(start, end - start);
    // Behind the keyword, unless the keyword itself is meant.
    const std::size_t keyword = static_cast<std::size_t>(place.column - 1);
    std::size_t found = lines.find(text, std::min(keyword, lines.size()));
    if (found == std::string_view::npos) {
        // Its words may stand on several lines: the first of them is enough.
        const std::string_view word = text.substr(0, text.find_first_of(" \t"));
        found = lines.find(word, std::min(keyword, lines.size()));
        if (found == std::string_view::npos || word.empty()) return place;
        text = word;
    }
    Location location = location_at(source.text, start + found, text.size());
    location.last_line = std::max(location.line, place.last_line);
    return location;
}

Location locate(const Instruction& instruction, const Source& source, std::string_view text) {
    return locate_text(instruction.location, source, text);
}

}  // namespace hull::build::dockerfile
