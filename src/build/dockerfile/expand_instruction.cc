#include "build/dockerfile/expand.hh"
#include "build/dockerfile/mount.hh"

namespace hull::build::dockerfile {
namespace {

/// Expands the fields of each instruction that Docker expands.
class InstructionExpander {
public:
    InstructionExpander(const Lookup& lookup, char escape, UsedVariables* used)
        : lookup_(lookup), used_(used) {
        options_.escape = escape;
    }

    void operator()(Env& env) const { expand_pairs(env.pairs); }
    void operator()(Label& label) const { expand_pairs(label.pairs); }
    void operator()(Arg& arg) const {
        for (Argument& argument : arg.arguments) {
            word(argument.name);
            if (argument.value) word(*argument.value);
        }
    }
    void operator()(Copy& copy) const { expand_transfer(copy); }
    void operator()(Add& add) const {
        word(add.checksum);
        expand_transfer(add);
    }
    void operator()(Run& run) const {
        run.mounts.clear();
        for (const std::string& flag : run.mount_flags) {
            current_ = flag;
            run.mounts.push_back(parse_mount(flag, [&](std::string value) {
                word(value);
                return value;
            }));
        }
    }
    void operator()(Expose& expose) const {
        std::vector<std::string> ports;
        for (const std::string& port : expose.ports) {
            current_ = port;
            for (std::string& expanded : expand_words(port, lookup_, options_, used_))
                ports.push_back(std::move(expanded));
        }
        expose.ports = std::move(ports);
    }
    void operator()(Workdir& workdir) const { word(workdir.path); }
    void operator()(User& user) const { word(user.user); }
    void operator()(StopSignal& stop_signal) const { word(stop_signal.signal); }
    void operator()(Volume& volume) const {
        for (std::string& path : volume.paths) word(path);
    }
    // The shell of the container, or nobody, expands these.
    void operator()(Cmd&) const {}
    void operator()(Entrypoint&) const {}
    void operator()(Healthcheck&) const {}
    void operator()(Shell&) const {}
    void operator()(Maintainer&) const {}
    void operator()(OnBuild&) const {}

    /// The word that was expanded last, as written.
    const std::string& current() const { return current_; }

private:
    void word(std::string& text) const {
        current_ = text;
        text = expand_word(text, lookup_, options_, used_);
    }
    void expand_pairs(std::vector<KeyValue>& pairs) const {
        for (KeyValue& pair : pairs) {
            word(pair.key);
            word(pair.value);
        }
    }
    void expand_transfer(Transfer& transfer) const {
        word(transfer.chown);
        word(transfer.chmod);
        for (std::string& source : transfer.sources) word(source);
        for (std::string& exclude : transfer.excludes) word(exclude);
        word(transfer.destination);
        // In a file quotes are characters, and the escape is the shell's whatever the directive
        // says.
        ExpandOptions content;
        content.ignore_quotes = true;
        for (Heredoc& heredoc : transfer.heredocs)
            if (heredoc.expand)
                heredoc.content = expand_word(heredoc.content, lookup_, content, used_);
    }

    const Lookup& lookup_;
    ExpandOptions options_;
    UsedVariables* used_;
    mutable std::string current_;  ///< std::visit wants a const visitor
};

}  // namespace

Instruction expand_instruction(const Instruction& instruction, const Lookup& lookup, char escape,
                               UsedVariables* used) {
    Instruction expanded = instruction;
    const InstructionExpander expander(lookup, escape, used);
    try {
        std::visit(expander, expanded.value);
    } catch (const Error& error) {
        Diagnostic diagnostic;
        diagnostic.message = error.message();
        diagnostic.location = instruction.location;
        diagnostic.at = expander.current();
        throw DockerfileError(std::move(diagnostic));
    }
    return expanded;
}

}  // namespace hull::build::dockerfile
