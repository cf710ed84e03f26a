#include "build/dockerfile/dockerfile.hh"

#include "base/text.hh"
#include "build/dockerfile/lines.hh"
#include "build/dockerfile/parser.hh"
#include "build/dockerfile/text.hh"
#include "build/dockerfile/words.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

/// Names are looked up among all stages before: nobody writes so many, and the time grows with the
/// square.
constexpr std::size_t most_stages = 10'000;

[[noreturn]] void fail(std::string message, const Location& location, std::string hint = "") {
    Diagnostic diagnostic;
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    diagnostic.location = location;
    throw DockerfileError(std::move(diagnostic));
}

void warn_of_empty_continuation(const LogicalLine& line, Dockerfile& dockerfile) {
    Diagnostic warning;
    warning.severity = Severity::warning;
    warning.rule = "NoEmptyContinuation";
    warning.message = "Empty continuation line found in: " + std::string(trim_space(line.text));
    warning.location = *line.empty_continuation;
    dockerfile.warnings.push_back(std::move(warning));
}

std::string hint_for_target(const Dockerfile& dockerfile, std::string_view target) {
    std::vector<std::string> names;
    for (const Stage& stage : dockerfile.stages)
        if (!stage.name.empty()) names.push_back(stage.name);
    const std::string match = nearest(target, names);
    if (!match.empty()) return "did you mean " + match + "?";
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    return list.empty() ? "no stage has a name" : "stages are " + list;
}

/// The number a stage is called by; nullopt for anything else.
std::optional<std::size_t> stage_number(std::string_view text, std::size_t count) {
    const std::optional<std::uint64_t> number = parse_number(text, 10, 1'000'000);
    if (!number || *number >= count) return std::nullopt;
    return static_cast<std::size_t>(*number);
}

}  // namespace

Dockerfile parse_dockerfile(std::string_view text, std::string_view file_name) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    Dockerfile dockerfile;
    dockerfile.source = {std::string(file_name), std::string(text)};
    if (text.empty()) fail("the Dockerfile cannot be empty", {}, "it starts with FROM");
    LogicalLines lines = read_lines(dockerfile.source);
    dockerfile.directives = std::move(lines.directives);
    if (lines.lines.empty()) fail("file with no instructions", {}, "it starts with FROM");

    for (const LogicalLine& line : lines.lines) {
        if (line.empty_continuation) warn_of_empty_continuation(line, dockerfile);
        if (equal_fold(split_command(line.text).keyword, "FROM")) {
            if (dockerfile.stages.size() == most_stages)
                fail(fmt::format("more than {} stages", most_stages), line.location);
            dockerfile.stages.push_back(read_from(line, dockerfile.source));
            continue;
        }
        Instruction instruction =
            read_instruction(line, dockerfile.source, dockerfile.directives.escape);
        if (!dockerfile.stages.empty())
            dockerfile.stages.back().instructions.push_back(std::move(instruction));
        else if (std::holds_alternative<Arg>(instruction.value))
            dockerfile.global_args.push_back(std::move(instruction));
        else
            fail("no build stage in current context", line.location,
                 "only ARG may stand before the first FROM");
    }
    if (dockerfile.stages.empty())
        fail("dockerfile contains no stages to build", lines.lines.back().location,
             "a FROM is missing");
    return dockerfile;
}

Instruction parse_trigger(std::string_view expression) {
    Source source{"ONBUILD trigger", std::string(expression)};
    // A trigger is one instruction: what stands in it is no directive and no comment.
    LogicalLines lines = read_lines(source);
    if (lines.lines.size() != 1)
        fail(lines.lines.empty() ? "ONBUILD requires at least one argument"
                                 : "ONBUILD trigger has more than one instruction",
             {});
    const std::string name = upper(split_command(lines.lines[0].text).keyword);
    if (name == "ONBUILD")
        fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", lines.lines[0].location);
    if (name == "FROM" || name == "MAINTAINER")
        fail(name + " isn't allowed as an ONBUILD trigger", lines.lines[0].location);
    return read_instruction(lines.lines[0], source, '\\');
}

std::optional<std::size_t> find_base_stage(const Dockerfile& dockerfile, std::string_view base,
                                           std::size_t stage) {
    const std::string name = lower(base);
    for (std::size_t i = std::min(stage, dockerfile.stages.size()); i-- > 0;)
        if (!name.empty() && dockerfile.stages[i].name == name) return i;
    return std::nullopt;
}

std::optional<std::size_t> find_stage(const Dockerfile& dockerfile, std::string_view name,
                                      std::size_t before) {
    if (const std::optional<std::size_t> named = find_base_stage(dockerfile, name, before))
        return named;
    return stage_number(name, std::min(before, dockerfile.stages.size()));
}

std::size_t get_target(const Dockerfile& dockerfile, std::string_view target) {
    if (target.empty()) return dockerfile.stages.size() - 1;
    if (const std::optional<std::size_t> found =
            find_stage(dockerfile, target, dockerfile.stages.size()))
        return *found;
    throw Error(ErrorKind::invalid_argument, "target stage {} could not be found ({})",
                quote(target), hint_for_target(dockerfile, target));
}

}  // namespace hull::build::dockerfile
