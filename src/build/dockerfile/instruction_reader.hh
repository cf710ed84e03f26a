#pragma once
#include "build/dockerfile/flags.hh"
#include "build/dockerfile/parser.hh"
#include "build/dockerfile/text.hh"
#include "build/dockerfile/words.hh"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// Reads one instruction. Each `read_x` is what Docker does for X, its messages included.
class InstructionReader {
public:
    InstructionReader(const LogicalLine& line, const Source& source, char escape)
        : line_(line),
          source_(source),
          escape_(escape),
          parts_(split_command(line.text)),
          name_(upper(parts_.keyword)) {}

    Instruction read();
    Stage read_stage();

    using Read = InstructionValue (InstructionReader::*)();

private:
    InstructionValue read_run();
    InstructionValue read_cmd();
    InstructionValue read_entrypoint();
    InstructionValue read_env();
    InstructionValue read_label();
    InstructionValue read_arg();
    InstructionValue read_copy();
    InstructionValue read_add();
    InstructionValue read_workdir();
    InstructionValue read_user();
    InstructionValue read_expose();
    InstructionValue read_volume();
    InstructionValue read_stop_signal();
    InstructionValue read_healthcheck();
    InstructionValue read_shell();
    InstructionValue read_maintainer();
    InstructionValue read_on_build();

    Flags read_flags(const FlagNames& known);
    /// The rest as the one argument it has to be.
    std::string read_only_argument();
    CommandLine read_command(std::string_view text);
    std::vector<KeyValue> read_pairs();
    void read_transfer(Transfer& transfer);
    std::optional<std::vector<std::string>> read_json(std::string_view text);
    std::int64_t read_interval(const Flags& flags, const std::string& name);
    Network read_network(const Flags& flags);
    Security read_security(const Flags& flags);
    Device read_device(std::string_view text);
    std::string comment_about(std::string_view name) const;

    [[noreturn]] void fail(std::string message, std::string_view at = "",
                           std::string hint = "") const;

    const LogicalLine& line_;
    const Source& source_;
    const char escape_;
    const CommandParts parts_;
    const std::string name_;
};

}  // namespace hull::build::dockerfile
