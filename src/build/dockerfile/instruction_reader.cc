#include "build/dockerfile/instruction_reader.hh"

#include "base/text.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>

namespace hull::build::dockerfile {

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

}  // namespace hull::build::dockerfile
