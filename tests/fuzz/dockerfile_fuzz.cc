#include "build/dockerfile/check.hh"
#include "build/dockerfile/expand.hh"
#include "build/dockerfile/history.hh"

#include <cstdint>
#include <cstdlib>

using namespace hull::build::dockerfile;

namespace {

/// A variable whose name begins with an 'S' is set, to something that has to be quoted.
std::optional<std::string> look_up(std::string_view name) {
    if (name.starts_with('S')) return "a 'b' $c";
    return std::nullopt;
}

void use(const Instruction& instruction, const Dockerfile& dockerfile) {
    const Location place = locate(instruction, dockerfile.source, instruction.original);
    if (place.line < 1 || place.column < 1 || place.length < 1) std::abort();
    try {
        const Instruction expanded =
            expand_instruction(instruction, look_up, dockerfile.directives.escape);
        // A trigger that was accepted can be read when the child is built.
        if (const auto* trigger = std::get_if<OnBuild>(&expanded.value))
            if (dockerfile.directives.escape == '\\') parse_trigger(trigger->expression);
        history_text(expanded.value, {});
    } catch (const hull::Error&) {
    }
}

}  // namespace

/// Any bytes are a Dockerfile or an explained error; what was read can be expanded and checked.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const Dockerfile dockerfile = parse_dockerfile(text);
        if (dockerfile.stages.empty()) std::abort();
        for (const Stage& stage : dockerfile.stages)
            for (const Instruction& instruction : stage.instructions) use(instruction, dockerfile);
        for (const Diagnostic& finding : check(dockerfile).findings)
            render(finding, dockerfile.source);
    } catch (const DockerfileError& error) {
        if (render(error.diagnostic(), {"Dockerfile", std::string(text)}).empty()) std::abort();
    }
    return 0;
}
