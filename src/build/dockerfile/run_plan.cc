#include "build/dockerfile/instruction.hh"
#include "build/dockerfile/lines.hh"

namespace hull::build::dockerfile {
namespace {

const std::vector<std::string>& shell_or_default(const std::vector<std::string>& shell) {
    static const std::vector<std::string> posix_shell{"/bin/sh", "-c"};
    return shell.empty() ? posix_shell : shell;
}

}  // namespace

std::vector<std::string> with_shell(const CommandLine& command,
                                    const std::vector<std::string>& shell) {
    if (command.exec || command.arguments.empty()) return command.arguments;
    std::vector<std::string> arguments = shell_or_default(shell);
    arguments.push_back(command.arguments[0]);
    return arguments;
}

RunPlan plan_run(const Run& run, const std::vector<std::string>& shell) {
    if (run.heredocs.empty() || run.command.exec)
        return {with_shell(run.command, shell), std::nullopt};
    const std::string& line = run.command.arguments[0];
    if (!parse_heredoc_word(line)) {
        // The shell reads them as it would read them in a script.
        CommandLine command = run.command;
        for (const Heredoc& heredoc : run.heredocs)
            command.arguments[0] += "\n" + heredoc.content + heredoc.name;
        return {with_shell(command, shell), std::nullopt};
    }
    const Heredoc& script = run.heredocs[0];
    if (heredoc_text(script).starts_with("#!")) return {{"/dev/pipes/" + script.name}, script};
    return {with_shell({false, {heredoc_text(script)}}, shell), std::nullopt};
}

}  // namespace hull::build::dockerfile
