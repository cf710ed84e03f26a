#include "build/dockerfile/check.hh"

#include "base/text.hh"
#include "build/dockerfile/arguments.hh"
#include "build/dockerfile/check_rules.hh"
#include "build/dockerfile/expand.hh"
#include "build/dockerfile/parser.hh"
#include "build/dockerfile/path_pattern.hh"
#include "build/dockerfile/text.hh"
#include "oci/reference.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

/// Nobody reads more, and finding each place takes time.
constexpr std::size_t most_findings = 1000;

using Variables = std::map<std::string, std::string, std::less<>>;

Lookup lookup_in(const Variables& variables) {
    return [&variables](std::string_view name) -> std::optional<std::string> {
        const auto entry = variables.find(name);
        if (entry == variables.end()) return std::nullopt;
        return entry->second;
    };
}

/// What a stage has set up to an instruction, as far as it can be told without running anything.
struct StageState {
    Variables variables;
    std::set<std::string, std::less<>> declared;  ///< by ARG, with or without a value
    bool base_is_known = true;                    ///< or an unknown image may set any variable
    bool has_shell = false;
    bool has_workdir = false;
};

bool is_lower(std::string_view text) { return lower(text) == text; }
bool is_upper(std::string_view text) { return upper(text) == text; }

/// Whether a part of `name` between underscores, at either end of it too, is one of `words`.
bool has_word(std::string_view name, std::initializer_list<std::string_view> words) {
    const std::vector<std::string> parts = split(lower(name), '_');
    return std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
        return std::find(words.begin(), words.end(), part) != words.end();
    });
}

bool sounds_secret(std::string_view name) {
    return has_word(name, {"apikey", "auth", "credential", "credentials", "key", "password",
                           "pword", "passwd", "secret", "token"}) &&
           !has_word(name, {"public", "file", "version"});
}

class Checker {
public:
    Checker(const Dockerfile& dockerfile, const CheckOptions& options, CheckSettings settings)
        : dockerfile_(dockerfile), options_(options), settings_(std::move(settings)) {}

    CheckResult run();

private:
    void check_names();
    void check_casing();
    void check_keyword_case(const std::string& keyword, const Location& location, bool lower_wins);
    void read_global_arguments();
    void check_stage(std::size_t index);
    StageState start_stage(std::size_t index);
    void check_from(const Stage& stage);
    void check_default_base(const Stage& stage);
    void check_platform(const Stage& stage);
    void check_instruction(const Instruction& instruction, StageState& state);
    void check_expansion(const Instruction& instruction, const StageState& state);
    void check_once(const Stage& stage);
    void check_expose(const Instruction& instruction, const Expose& expose);
    void check_sources(const Instruction& instruction, const Transfer& transfer,
                       std::string_view verb);
    void check_description(std::string_view keyword, const std::vector<std::string>& names,
                           const std::vector<std::string>& comments, const Location& location);
    void check_pairs(const Instruction& instruction, const std::vector<KeyValue>& pairs);
    void check_secret(const Instruction& instruction, const std::string& name);
    void check_arg(const Instruction& instruction, const Arg& arg, StageState& state);
    void check_workdir(const Instruction& instruction, const Workdir& workdir, StageState& state);
    void check_form(const Instruction& instruction, const CommandLine& command,
                    const StageState& state);

    void report(std::string_view rule, std::string message, const Location& location,
                std::string hint = "");
    void report(std::string_view rule, std::string message, const Instruction& instruction,
                std::string_view at, std::string hint = "");
    void report_failure(const Error& error, const Location& location);
    Location in_stage(const Stage& stage, std::string_view text) const {
        return locate_text(stage.location, dockerfile_.source, text);
    }

    const Dockerfile& dockerfile_;
    const CheckOptions& options_;
    const CheckSettings settings_;
    Variables globals_;       ///< with the build's arguments
    Variables default_args_;  ///< as if no argument were given
    std::set<std::string, std::less<>> global_names_;
    std::vector<StageState> finished_;
    CheckResult result_;
};

void Checker::report(std::string_view rule, std::string message, const Location& location,
                     std::string hint) {
    if (result_.findings.size() >= most_findings || !settings_.runs(get_check_rule(rule))) return;
    Diagnostic finding;
    finding.severity = Severity::warning;
    finding.rule = rule;
    finding.message = std::move(message);
    finding.hint = std::move(hint);
    finding.location = location;
    result_.findings.push_back(std::move(finding));
}

void Checker::report(std::string_view rule, std::string message, const Instruction& instruction,
                     std::string_view at, std::string hint) {
    if (result_.findings.size() >= most_findings) return;
    report(rule, std::move(message), locate(instruction, dockerfile_.source, at), std::move(hint));
}

/// Something with which the build would fail.
void Checker::report_failure(const Error& error, const Location& location) {
    Diagnostic finding;
    if (const auto* placed = dynamic_cast<const DockerfileError*>(&error)) {
        finding = placed->diagnostic();
    } else {
        finding.message = error.message();
        finding.location = location;
    }
    result_.findings.push_back(std::move(finding));
    result_.error = true;
}

void Checker::check_names() {
    std::set<std::string> seen;
    for (const Stage& stage : dockerfile_.stages) {
        if (stage.name.empty()) continue;
        const Location place = in_stage(stage, stage.name_as_written);
        if (!is_lower(stage.name_as_written))
            report("StageNameCasing",
                   fmt::format("Stage name '{}' should be lowercase", stage.name_as_written),
                   place);
        if (stage.name == "context" || stage.name == "scratch")
            report("ReservedStageName",
                   "Stage name should not use the same name as reserved stage " + quote(stage.name),
                   place);
        if (!seen.insert(stage.name).second)
            report("DuplicateStageName",
                   fmt::format("Duplicate stage name {}, stage names should be unique",
                               quote(stage.name)),
                   place);
    }
}

void Checker::check_keyword_case(const std::string& keyword, const Location& location,
                                 bool lower_wins) {
    if (lower_wins ? is_lower(keyword) : is_upper(keyword)) return;
    report("ConsistentInstructionCasing",
           fmt::format("Command '{}' should match the case of the command majority ({})", keyword,
                       lower_wins ? "lowercase" : "uppercase"),
           location);
}

void Checker::check_casing() {
    int lowers = 0, uppers = 0;
    const auto count = [&](const std::string& keyword) {
        if (is_lower(keyword))
            ++lowers;
        else if (is_upper(keyword))
            ++uppers;
    };
    for (const Stage& stage : dockerfile_.stages) {
        count(stage.keyword);
        for (const Instruction& instruction : stage.instructions) count(instruction.keyword);
    }
    for (const Stage& stage : dockerfile_.stages) {
        check_keyword_case(stage.keyword, stage.location, lowers > uppers);
        if (!stage.as_keyword.empty() && is_lower(stage.keyword) != is_lower(stage.as_keyword))
            report("FromAsCasing",
                   fmt::format("'{}' and '{}' keywords' casing do not match", stage.as_keyword,
                               stage.keyword),
                   in_stage(stage, " " + stage.as_keyword));
        for (const Instruction& instruction : stage.instructions)
            check_keyword_case(instruction.keyword, instruction.location, lowers > uppers);
    }
}

void Checker::read_global_arguments() {
    const std::map<std::string, std::string> platforms = platform_arguments(
        oci::host_platform(), oci::host_platform(), dockerfile_.stages.back().name);
    for (const auto& [name, value] : platforms) {
        globals_[name] = default_args_[name] = value;
        global_names_.insert(name);
    }
    const char escape = dockerfile_.directives.escape;
    for (const Instruction& instruction : dockerfile_.global_args) {
        const Arg& arg = std::get<Arg>(instruction.value);
        std::vector<std::string> names;
        for (const Argument& argument : arg.arguments) {
            names.push_back(argument.name);
            global_names_.insert(argument.name);
            const auto set = [&](Variables& variables) {
                if (!argument.value) return;
                try {
                    ExpandOptions options;
                    options.escape = escape;
                    variables[argument.name] =
                        expand_word(*argument.value, lookup_in(variables), options);
                } catch (const Error& error) {
                    if (&variables == &globals_)
                        report_failure(error,
                                       locate(instruction, dockerfile_.source, *argument.value));
                }
            };
            set(default_args_);
            const auto given = options_.build_args.find(argument.name);
            if (given != options_.build_args.end())
                globals_[argument.name] = given->second;
            else
                set(globals_);
        }
        check_description("ARG", names, instruction.comments, instruction.location);
    }
}

void Checker::check_description(std::string_view keyword, const std::vector<std::string>& names,
                                const std::vector<std::string>& comments,
                                const Location& location) {
    if (comments.empty() || names.empty() || names[0].empty()) return;
    const std::string first_word = comments.back().substr(0, comments.back().find(' '));
    if (std::find(names.begin(), names.end(), first_word) != names.end()) return;
    report("InvalidDefinitionDescription",
           fmt::format("Comment for {} should follow the format: `# {} <description>`", keyword,
                       names.size() > 1 ? "<arg_key>" : names[0]),
           location);
}

void Checker::check_from(const Stage& stage) {
    ExpandOptions options;
    options.escape = dockerfile_.directives.escape;
    UsedVariables used;
    for (const std::string& text : {stage.base, stage.platform}) {
        try {
            expand_word(text, lookup_in(globals_), options, &used);
        } catch (const Error& error) {
            report_failure(error, in_stage(stage, text));
        }
    }
    const std::vector<std::string> known(global_names_.begin(), global_names_.end());
    for (const std::string& name : used.unset) {
        if (global_names_.contains(name)) continue;
        const std::string match = nearest(name, known);
        report("UndefinedArgInFrom", fmt::format("FROM argument '{}' is not declared", name),
               in_stage(stage, name), match.empty() ? "" : "did you mean " + match + "?");
    }
    check_default_base(stage);
    if (!stage.platform.empty()) check_platform(stage);
    check_description("FROM", {stage.name}, stage.comments, stage.location);
}

void Checker::check_default_base(const Stage& stage) {
    ExpandOptions options;
    options.escape = dockerfile_.directives.escape;
    try {
        oci::Reference::parse(expand_word(stage.base, lookup_in(default_args_), options));
    } catch (const Error&) {
        report("InvalidDefaultArgInFrom",
               fmt::format("Default value for ARG {} results in empty or invalid base image name",
                           stage.base),
               in_stage(stage, stage.base));
    }
}

void Checker::check_platform(const Stage& stage) {
    ExpandOptions options;
    options.escape = dockerfile_.directives.escape;
    UsedVariables used;
    std::string value;
    try {
        value = expand_word(stage.platform, lookup_in(globals_), options, &used);
    } catch (const Error&) {
        return;  // said already
    }
    const Location place = in_stage(stage, stage.platform);
    if (used.matched == std::set<std::string>{"TARGETPLATFORM"} && used.unset.empty() &&
        value == globals_["TARGETPLATFORM"])
        report("RedundantTargetPlatform",
               fmt::format("Setting platform to predefined {} in FROM is redundant as this is the "
                           "default behavior",
                           stage.platform),
               place);
    if (!used.matched.empty() || !used.unset.empty()) return;
    try {
        const oci::Platform platform = oci::parse_platform(value);
        const auto in_name = [&](const std::string& part) {
            return !part.empty() && stage.name.find(part) != std::string::npos;
        };
        if (in_name(platform.os) || in_name(platform.architecture)) return;
    } catch (const Error& error) {
        report_failure(error, place);
        return;
    }
    report("FromPlatformFlagConstDisallowed",
           "FROM --platform flag should not use constant value " + quote(value), place);
}

StageState Checker::start_stage(std::size_t index) {
    const Stage& stage = dockerfile_.stages[index];
    ExpandOptions options;
    options.escape = dockerfile_.directives.escape;
    std::string base;
    try {
        base = expand_word(stage.base, lookup_in(globals_), options);
    } catch (const Error&) {
        // said already; the stage starts from something unknown
    }
    if (const std::optional<std::size_t> earlier = find_base_stage(dockerfile_, base, index))
        return finished_[*earlier];
    StageState state;
    state.variables["PATH"] = "";  // every image has one
    if (base == "scratch") return state;
    std::optional<std::vector<std::string>> environment;
    if (options_.base_environment) environment = options_.base_environment(base);
    state.base_is_known = environment.has_value();
    if (environment)
        for (const std::string& name : *environment) state.variables[name] = "";
    return state;
}

void Checker::check_secret(const Instruction& instruction, const std::string& name) {
    if (!sounds_secret(name)) return;
    report("SecretsUsedInArgOrEnv",
           fmt::format("Do not use ARG or ENV instructions for sensitive data ({} {})",
                       instruction_name(instruction.value), quote(name)),
           instruction, name, "use RUN --mount=type=secret");
}

void Checker::check_pairs(const Instruction& instruction, const std::vector<KeyValue>& pairs) {
    const std::string_view name = instruction_name(instruction.value);
    for (const KeyValue& pair : pairs) {
        if (pair.legacy)
            report("LegacyKeyValueFormat",
                   fmt::format(
                       "\"{} key=value\" should be used instead of legacy \"{} key value\" format",
                       name, name),
                   instruction, pair.key);
        if (name == "ENV") check_secret(instruction, pair.key);
    }
}

/// What no variable may stand for: reported where it is used.
void Checker::check_expansion(const Instruction& instruction, const StageState& state) {
    UsedVariables used;
    try {
        expand_instruction(instruction, lookup_in(state.variables), dockerfile_.directives.escape,
                           &used);
    } catch (const Error& error) {
        report_failure(error, instruction.location);
    }
    if (used.unset.empty()) return;
    std::vector<std::string> known;
    for (const auto& [name, value] : state.variables) known.push_back(name);
    known.insert(known.end(), state.declared.begin(), state.declared.end());
    for (const std::string& name : used.unset) {
        if (state.declared.contains(name)) continue;
        const std::string match = nearest(name, known);
        // The image may set it, unless it looks like a slip of the pen.
        if (!state.base_is_known && match.empty()) continue;
        report("UndefinedVar", fmt::format("Usage of undefined variable '${}'", name), instruction,
               name, match.empty() ? "" : "did you mean $" + match + "?");
    }
}

void Checker::check_expose(const Instruction& instruction, const Expose& expose) {
    for (const std::string& port : expose.ports) {
        const std::size_t slash = port.find('/');
        if (slash != std::string::npos && !is_lower(port.substr(slash)))
            report("ExposeProtoCasing",
                   fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase",
                               port),
                   instruction, port);
        if (port.find(':') != std::string::npos && port.find('$') == std::string::npos)
            report("ExposeInvalidFormat",
                   fmt::format(
                       "EXPOSE instruction should not define an IP address or host-port mapping, "
                       "found '{}'",
                       port),
                   instruction, port);
        if (port.find('$') != std::string::npos) continue;
        try {
            parse_ports({port});
        } catch (const Error& error) {
            report_failure(error, locate(instruction, dockerfile_.source, port));
        }
    }
}

void Checker::check_sources(const Instruction& instruction, const Transfer& transfer,
                            std::string_view verb) {
    if (options_.ignore == nullptr || options_.ignore->has_exceptions()) return;
    for (const std::string& source : transfer.sources) {
        if (source.find("://") != std::string::npos) continue;
        std::string path = clean_path(source);
        if (path.starts_with('/')) path.erase(0, 1);
        if (path.empty() || path == "." || !options_.ignore->is_excluded(path)) continue;
        report("CopyIgnoredFile",
               fmt::format("Attempting to {} file {} that is excluded by .dockerignore", verb,
                           quote(source)),
               instruction, source, "pattern " + options_.ignore->deciding_pattern(path));
    }
}

void Checker::check_arg(const Instruction& instruction, const Arg& arg, StageState& state) {
    std::vector<std::string> names;
    for (const Argument& argument : arg.arguments) {
        names.push_back(argument.name);
        check_secret(instruction, argument.name);
        state.declared.insert(argument.name);
        const auto given = options_.build_args.find(argument.name);
        const auto global = globals_.find(argument.name);
        if (given != options_.build_args.end())
            state.variables[argument.name] = given->second;
        else if (argument.value)
            state.variables[argument.name] = *argument.value;
        else if (global != globals_.end())
            state.variables[argument.name] = global->second;
    }
    check_description("ARG", names, instruction.comments, instruction.location);
}

void Checker::check_workdir(const Instruction& instruction, const Workdir& workdir,
                            StageState& state) {
    // What a variable stands for may be absolute.
    const bool relative = workdir.path.find_first_of("/$") != 0 && !workdir.path.starts_with("\"/");
    if (relative && !state.has_workdir)
        report(
            "WorkdirRelativePath",
            fmt::format("Relative workdir {} can have unexpected results if the base image changes",
                        quote(workdir.path)),
            instruction, workdir.path);
    state.has_workdir = true;
}

void Checker::check_form(const Instruction& instruction, const CommandLine& command,
                         const StageState& state) {
    if (command.exec || state.has_shell) return;
    report("JSONArgsRecommended",
           fmt::format("JSON arguments recommended for {} to prevent unintended behavior related "
                       "to OS signals",
                       instruction_name(instruction.value)),
           instruction.location);
}

void Checker::check_instruction(const Instruction& instruction, StageState& state) {
    check_expansion(instruction, state);
    if (const auto* env = std::get_if<Env>(&instruction.value)) {
        check_pairs(instruction, env->pairs);
        for (const KeyValue& pair : env->pairs) state.variables[pair.key] = pair.value;
    } else if (const auto* label = std::get_if<Label>(&instruction.value)) {
        check_pairs(instruction, label->pairs);
    } else if (const auto* arg = std::get_if<Arg>(&instruction.value)) {
        check_arg(instruction, *arg, state);
    } else if (const auto* copy = std::get_if<Copy>(&instruction.value)) {
        if (copy->from.empty()) check_sources(instruction, *copy, "Copy");
    } else if (const auto* add = std::get_if<Add>(&instruction.value)) {
        check_sources(instruction, *add, "Add");
    } else if (const auto* expose = std::get_if<Expose>(&instruction.value)) {
        check_expose(instruction, *expose);
    } else if (const auto* workdir = std::get_if<Workdir>(&instruction.value)) {
        check_workdir(instruction, *workdir, state);
    } else if (const auto* cmd = std::get_if<Cmd>(&instruction.value)) {
        check_form(instruction, cmd->command, state);
    } else if (const auto* entrypoint = std::get_if<Entrypoint>(&instruction.value)) {
        check_form(instruction, entrypoint->command, state);
    } else if (std::holds_alternative<Shell>(instruction.value)) {
        state.has_shell = true;
    } else if (std::holds_alternative<Maintainer>(instruction.value)) {
        report("MaintainerDeprecated",
               "Maintainer instruction is deprecated in favor of using label", instruction.location,
               "LABEL org.opencontainers.image.authors=…");
    }
}

/// CMD, ENTRYPOINT and HEALTHCHECK: all but the last of a stage are for nothing.
void Checker::check_once(const Stage& stage) {
    std::map<std::string_view, const Instruction*> previous;
    for (const Instruction& instruction : stage.instructions) {
        const std::string_view name = instruction_name(instruction.value);
        if (name != "CMD" && name != "ENTRYPOINT" && name != "HEALTHCHECK") continue;
        if (const Instruction*& before = previous[name]; before != nullptr)
            report("MultipleInstructionsDisallowed",
                   fmt::format("Multiple {} instructions should not be used in the same stage "
                               "because only the "
                               "last one will be used",
                               name),
                   before->location);
        previous[name] = &instruction;
    }
}

void Checker::check_stage(std::size_t index) {
    const Stage& stage = dockerfile_.stages[index];
    check_from(stage);
    StageState state = start_stage(index);
    for (const Instruction& instruction : stage.instructions) check_instruction(instruction, state);
    check_once(stage);
    finished_.push_back(std::move(state));
}

CheckResult Checker::run() {
    for (const Diagnostic& warning : dockerfile_.warnings)
        report(warning.rule, warning.message, warning.location, warning.hint);
    check_names();
    check_casing();
    read_global_arguments();
    for (std::size_t i = 0; i < dockerfile_.stages.size(); ++i) check_stage(i);
    std::stable_sort(result_.findings.begin(), result_.findings.end(),
                     [](const Diagnostic& left, const Diagnostic& right) {
        return std::pair(left.location.line, left.location.column) <
               std::pair(right.location.line, right.location.column);
    });
    if (settings_.error && !result_.findings.empty()) result_.error = true;
    return std::move(result_);
}

}  // namespace

CheckResult check(const Dockerfile& dockerfile, const CheckOptions& options) {
    const bool given = !options.directive.empty();
    CheckSettings settings;
    try {
        settings = parse_check_settings(given ? options.directive : dockerfile.directives.check);
    } catch (const Error& error) {
        if (given)
            throw Error(ErrorKind::invalid_argument, "failed to parse check options: {}",
                        error.message());
        Diagnostic diagnostic;
        diagnostic.message = "failed to parse check options: " + error.message();
        diagnostic.location = dockerfile.directives.check_location;
        throw DockerfileError(std::move(diagnostic));
    }
    return Checker(dockerfile, options, std::move(settings)).run();
}

}  // namespace hull::build::dockerfile
