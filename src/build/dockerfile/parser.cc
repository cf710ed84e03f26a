#include "build/dockerfile/parser.hh"

#include "base/text.hh"
#include "build/dockerfile/flags.hh"
#include "build/dockerfile/mount.hh"
#include "build/dockerfile/text.hh"
#include "build/dockerfile/words.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

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

void InstructionReader::fail(std::string message, std::string_view at, std::string hint) const {
    Diagnostic diagnostic;
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    diagnostic.location = locate_text(line_.location, source_, at);
    throw DockerfileError(std::move(diagnostic));
}

Flags InstructionReader::read_flags(const FlagNames& known) {
    try {
        return Flags(parts_.flags, known);
    } catch (const FlagError& error) {
        fail(error.message, error.flag, error.hint);
    }
}

std::string InstructionReader::read_only_argument() {
    if (parts_.rest.empty()) fail(name_ + " requires exactly one argument");
    return std::string(parts_.rest);
}

std::optional<std::vector<std::string>> InstructionReader::read_json(std::string_view text) {
    try {
        return parse_json_strings(text);
    } catch (const Error& error) {
        fail(error.message(), text);
    }
}

CommandLine InstructionReader::read_command(std::string_view text) {
    if (std::optional<std::vector<std::string>> strings = read_json(text)) return {true, *strings};
    if (text.empty()) return {};
    return {false, {std::string(text)}};
}

std::string InstructionReader::comment_about(std::string_view name) const {
    for (const std::string& comment : line_.comments)
        if (!name.empty() && comment.size() > name.size() && comment.starts_with(name) &&
            comment[name.size()] == ' ')
            return comment.substr(name.size() + 1);
    return "";
}

/// `name value`, or `name=value` as often as wanted: the first word decides.
std::vector<KeyValue> InstructionReader::read_pairs() {
    const std::vector<std::string> words = split_words(parts_.rest, escape_);
    if (words.empty()) fail(name_ + " requires at least one argument");
    std::vector<KeyValue> pairs;
    if (words[0].find('=') == std::string::npos) {
        const std::size_t end = parts_.rest.find_first_of("\t\v\f\r ");
        if (end == std::string_view::npos)
            fail(name_ + " must have two arguments", words[0],
                 "write " + name_ + " " + words[0] + "=VALUE");
        const std::string_view value = parts_.rest.substr(end);
        pairs.push_back({std::string(parts_.rest.substr(0, end)),
                         std::string(value.substr(value.find_first_not_of("\t\v\f\r "))), true});
        return pairs;
    }
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            fail(fmt::format("Syntax error - can't find = in {}. Must be of the form: name=value",
                             quote(word)),
                 word, "put quotes around a value with blanks");
        if (equals == 0) fail(name_ + " names can not be blank", word);
        pairs.push_back({word.substr(0, equals), word.substr(equals + 1), false});
    }
    return pairs;
}

InstructionValue InstructionReader::read_env() {
    read_flags({});
    return Env{read_pairs()};
}

InstructionValue InstructionReader::read_label() {
    read_flags({});
    return Label{read_pairs()};
}

InstructionValue InstructionReader::read_arg() {
    read_flags({});
    Arg arg;
    for (const std::string& word : split_words(parts_.rest, escape_)) {
        const std::size_t equals = word.find('=');
        if (equals == 0) fail("ARG names can not be blank", word);
        Argument argument;
        argument.name = word.substr(0, equals);
        if (equals != std::string::npos) argument.value = word.substr(equals + 1);
        argument.comment = comment_about(argument.name);
        arg.arguments.push_back(std::move(argument));
    }
    if (arg.arguments.empty()) fail("ARG requires at least one argument");
    return arg;
}

Network InstructionReader::read_network(const Flags& flags) {
    const std::string value = flags.text("network");
    if (value.empty() && !flags.has("network")) return Network::default_;
    if (value == "default") return Network::default_;
    if (value == "none") return Network::none;
    if (value == "host") return Network::host;
    const std::string names[] = {"default", "none", "host"};
    const std::string match = nearest(value, names);
    fail("unsupported network mode " + quote(value), value.empty() ? "--network" : value,
         match.empty() ? "one of default, none, host" : "did you mean " + match + "?");
}

Security InstructionReader::read_security(const Flags& flags) {
    const std::string value = flags.text("security");
    if (!flags.has("security") || value == "sandbox") return Security::sandbox;
    if (value == "insecure") return Security::insecure;
    const std::string names[] = {"sandbox", "insecure"};
    const std::string match = nearest(value, names);
    fail("security " + quote(value) + " is not valid", value.empty() ? "--security" : value,
         match.empty() ? "one of sandbox, insecure" : "did you mean " + match + "?");
}

Device InstructionReader::read_device(std::string_view text) {
    Device device;
    try {
        for (const std::string& field : parse_csv_line(text)) {
            const std::size_t equals = field.find('=');
            const std::string key = lower(std::string_view(field).substr(0, equals));
            const std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
            if (equals == std::string::npos && key == "required") {
                device.required = true;
            } else if (equals == std::string::npos && device.name.empty()) {
                device.name = field;
            } else if (key == "name") {
                device.name = value;
            } else if (key == "required" && parse_bool(value)) {
                device.required = *parse_bool(value);
            } else {
                fail(fmt::format("unexpected key '{}' in '{}'", key, field), field);
            }
        }
    } catch (const DockerfileError&) {
        throw;
    } catch (const Error& error) {
        fail("failed to parse csv devices: " + error.message(), "--device");
    }
    if (device.name.empty()) fail("device name must not be empty", "--device");
    return device;
}

/// The field of a --mount that the message speaks of; all of it when none is named.
std::string_view blamed_field(std::string_view mount, const std::string& message) {
    for (const std::string_view field : split_views(mount, ',')) {
        const std::size_t equals = field.find('=');
        const std::string_view key = field.substr(0, equals);
        const std::string_view value =
            equals == std::string_view::npos ? "" : field.substr(equals + 1);
        const bool blamed = value.empty() || key == "from" || key == "type"
                                ? message.find(quote(value)) != std::string::npos ||
                                      message.find(fmt::format("'{}'", key)) != std::string::npos
                                : message.find(value) != std::string::npos ||
                                      message.find(fmt::format("'{}'", key)) != std::string::npos ||
                                      message.starts_with(key);
        if (blamed) return field;
    }
    return mount;
}

InstructionValue InstructionReader::read_run() {
    const Flags flags = read_flags({{"mount", FlagKind::texts},
                                    {"network", FlagKind::text},
                                    {"security", FlagKind::text},
                                    {"device", FlagKind::texts}});
    Run run;
    run.mount_flags = flags.texts("mount");
    for (const std::string& mount : run.mount_flags) {
        try {
            check_mount_from(mount);
            // Without a variable in it everything can be said now, at the right place.
            if (mount.find('$') == std::string::npos) parse_mount(mount);
        } catch (const Error& error) {
            fail(error.message(), blamed_field(mount, error.message()));
        }
    }
    run.network = read_network(flags);
    run.security = read_security(flags);
    for (const std::string& device : flags.texts("device"))
        run.devices.push_back(read_device(device));
    run.command = read_command(parts_.rest);
    run.heredocs = line_.heredocs;
    if (run.command.exec && !run.heredocs.empty())
        fail("a heredoc needs the shell form of RUN", "<<");
    if (run.command.arguments.empty()) fail("RUN requires at least one argument");
    return run;
}

InstructionValue InstructionReader::read_cmd() {
    read_flags({});
    return Cmd{read_command(parts_.rest)};
}

InstructionValue InstructionReader::read_entrypoint() {
    read_flags({});
    return Entrypoint{read_command(parts_.rest)};
}

void InstructionReader::read_transfer(Transfer& transfer) {
    std::optional<std::vector<std::string>> words = read_json(parts_.rest);
    if (!words) words = split_blanks(parts_.rest);
    if (words->size() < 2)
        fail(name_ +
                 " requires at least two arguments, but only one was provided. "
                 "Destination could not be determined",
             words->empty() ? "" : words->back());
    transfer.destination = std::move(words->back());
    words->pop_back();
    if (transfer.destination.find("<<") != std::string::npos &&
        parse_heredoc_word(transfer.destination))
        fail(name_ + " cannot accept a heredoc as a destination", transfer.destination);
    for (const std::string& word : *words) {
        std::optional<Heredoc> marker =
            word.find("<<") == std::string::npos ? std::nullopt : parse_heredoc_word(word);
        if (!marker) {
            transfer.sources.push_back(word);
            continue;
        }
        const auto same_name = [&](const Heredoc& heredoc) { return heredoc.name == marker->name; };
        const auto found = std::find_if(line_.heredocs.begin(), line_.heredocs.end(), same_name);
        if (found == line_.heredocs.end())
            transfer.sources.push_back(word);  // of the JSON form: no heredoc was read for it
        else
            transfer.heredocs.push_back(*found);
    }
}

InstructionValue InstructionReader::read_copy() {
    const Flags flags = read_flags({{"from", FlagKind::text},
                                    {"chown", FlagKind::text},
                                    {"chmod", FlagKind::text},
                                    {"link", FlagKind::boolean},
                                    {"parents", FlagKind::boolean},
                                    {"exclude", FlagKind::texts}});
    Copy copy;
    copy.from = flags.text("from");
    copy.chown = flags.text("chown");
    copy.chmod = flags.text("chmod");
    copy.link = flags.boolean("link").value_or(false);
    copy.parents = flags.boolean("parents").value_or(false);
    copy.excludes = flags.texts("exclude");
    const std::size_t dollar = copy.from.find('$');
    if (dollar != std::string::npos && dollar + 1 < copy.from.size())
        fail("'COPY --from' doesn't support variable expansion, define alias stage instead",
             copy.from, "write FROM " + copy.from + " AS name, then COPY --from=name");
    read_transfer(copy);
    return copy;
}

InstructionValue InstructionReader::read_add() {
    const Flags flags = read_flags({{"chown", FlagKind::text},
                                    {"chmod", FlagKind::text},
                                    {"link", FlagKind::boolean},
                                    {"keep-git-dir", FlagKind::boolean},
                                    {"checksum", FlagKind::text},
                                    {"unpack", FlagKind::boolean},
                                    {"exclude", FlagKind::texts}});
    Add add;
    add.chown = flags.text("chown");
    add.chmod = flags.text("chmod");
    add.link = flags.boolean("link").value_or(false);
    add.keep_git_dir = flags.boolean("keep-git-dir");
    add.checksum = flags.text("checksum");
    add.unpack = flags.boolean("unpack");
    add.excludes = flags.texts("exclude");
    read_transfer(add);
    return add;
}

InstructionValue InstructionReader::read_workdir() {
    read_flags({});
    return Workdir{read_only_argument()};
}

InstructionValue InstructionReader::read_user() {
    read_flags({});
    return User{read_only_argument()};
}

InstructionValue InstructionReader::read_stop_signal() {
    read_flags({});
    return StopSignal{read_only_argument()};
}

InstructionValue InstructionReader::read_maintainer() {
    read_flags({});
    return Maintainer{read_only_argument()};
}

InstructionValue InstructionReader::read_expose() {
    read_flags({});
    Expose expose{split_blanks(parts_.rest)};
    if (expose.ports.empty()) fail("EXPOSE requires at least one argument");
    std::sort(expose.ports.begin(), expose.ports.end());  // as Docker does: it shows in the history
    return expose;
}

InstructionValue InstructionReader::read_volume() {
    read_flags({});
    std::optional<std::vector<std::string>> paths = read_json(parts_.rest);
    if (!paths) paths = split_blanks(parts_.rest);
    if (paths->empty()) fail("VOLUME requires at least one argument");
    for (std::string& path : *paths) {
        path = std::string(trim_space(path));
        if (path.empty()) fail("VOLUME specified can not be an empty string");
    }
    return Volume{*paths};
}

std::int64_t InstructionReader::read_interval(const Flags& flags, const std::string& name) {
    const std::string value = flags.text(name);
    if (value.empty()) return 0;
    std::int64_t interval_ns = 0;
    try {
        interval_ns = parse_go_duration(value);
    } catch (const Error& error) {
        fail(error.message(), value, "a duration is a number and a unit: 500ms, 30s, 1m30s");
    }
    constexpr std::int64_t least_ns = 1'000'000;
    if (interval_ns != 0 && interval_ns < least_ns)
        fail(fmt::format("Interval {} cannot be less than 1ms", quote(name)), value);
    return interval_ns;
}

InstructionValue InstructionReader::read_healthcheck() {
    const std::size_t end = std::min(parts_.rest.find_first_of("\t\v\f\r "), parts_.rest.size());
    const std::string_view type = parts_.rest.substr(0, end);
    const std::string_view command = trim_space(parts_.rest.substr(end));
    if (type.empty())
        fail("HEALTHCHECK requires at least one argument", "",
             "HEALTHCHECK CMD … or HEALTHCHECK NONE");
    const Flags flags = read_flags({{"interval", FlagKind::text},
                                    {"timeout", FlagKind::text},
                                    {"start-period", FlagKind::text},
                                    {"start-interval", FlagKind::text},
                                    {"retries", FlagKind::text}});
    Healthcheck check;
    if (equal_fold(type, "NONE")) {
        if (!command.empty()) fail("HEALTHCHECK NONE takes no arguments", command);
        check.none = true;
        return check;
    }
    if (!equal_fold(type, "CMD"))
        fail(fmt::format("unknown type {} in HEALTHCHECK (try CMD)", quote(upper(type))), type);
    check.command = read_command(command);
    if (check.command.arguments.empty()) fail("missing command after HEALTHCHECK CMD", type);
    check.interval_ns = read_interval(flags, "interval");
    check.timeout_ns = read_interval(flags, "timeout");
    check.start_period_ns = read_interval(flags, "start-period");
    check.start_interval_ns = read_interval(flags, "start-interval");
    const std::string retries = flags.text("retries");
    if (retries.empty()) return check;
    if (retries.starts_with('-') && parse_number(retries.substr(1), 10, INT32_MAX))
        fail(fmt::format("--retries cannot be negative ({})", retries), retries);
    const std::optional<std::uint64_t> number = parse_number(retries, 10, INT32_MAX);
    if (!number)
        fail(fmt::format("strconv.ParseInt: parsing {}: invalid syntax", quote(retries)), retries,
             "--retries takes a whole number");
    check.retries = static_cast<int>(*number);
    return check;
}

InstructionValue InstructionReader::read_shell() {
    read_flags({});
    const CommandLine command = read_command(parts_.rest);
    if (command.arguments.empty()) fail("SHELL requires at least one argument");
    if (!command.exec)
        fail("SHELL requires the arguments to be in JSON form", parts_.rest,
             "write SHELL [\"/bin/bash\", \"-c\"]");
    return Shell{command.arguments};
}

InstructionValue InstructionReader::read_on_build() {
    read_flags({});
    if (parts_.rest.empty()) fail("ONBUILD requires at least one argument");
    const CommandParts trigger = split_command(parts_.rest);
    const std::string name = upper(trigger.keyword);
    if (name == "ONBUILD")
        fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", parts_.rest);
    if (name == "MAINTAINER" || name == "FROM")
        fail(name + " isn't allowed as an ONBUILD trigger", trigger.keyword);
    LogicalLine inner = line_;
    inner.text = parts_.rest;
    InstructionReader(inner, source_, escape_).read();  // what is wrong with it is said now
    OnBuild on_build{std::string(parts_.rest)};
    for (const Heredoc& heredoc : line_.heredocs)
        on_build.expression += "\n" + heredoc.content + heredoc.name;
    return on_build;
}

}  // namespace

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

bool is_stage_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
           std::all_of(name.begin(), name.end(), fits);
}

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
