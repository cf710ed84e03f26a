#include "cli/flags.hh"

#include "base/error.hh"
#include "cli/values.hh"

#include <algorithm>
#include <cassert>

namespace hull::cli {
namespace {

bool repeats(FlagType type) {
    switch (type) {
        case FlagType::list:
        case FlagType::map:
        case FlagType::filter:
        case FlagType::ulimit:
        case FlagType::mount:
        case FlagType::network:
        case FlagType::strings:
        case FlagType::gpus: return true;
        default: return false;
    }
}

std::string_view type_word(FlagType type) {
    switch (type) {
        case FlagType::boolean: return "";
        case FlagType::text: return "string";
        case FlagType::list: return "list";
        case FlagType::integer: return "int";
        case FlagType::unsigned_integer: return "uint16";
        case FlagType::bytes:
        case FlagType::swap_bytes: return "bytes";
        case FlagType::decimal: return "decimal";
        case FlagType::duration: return "duration";
        case FlagType::map: return "map";
        case FlagType::filter: return "filter";
        case FlagType::ulimit: return "ulimit";
        case FlagType::mount: return "mount";
        case FlagType::network: return "network";
        case FlagType::strings: return "strings";
        case FlagType::gpus: return "gpu-request";
    }
    return "";
}

void check_type(FlagType type, std::string_view value) {
    switch (type) {
        case FlagType::boolean: parse_bool(value); break;
        case FlagType::integer: parse_integer(value); break;
        case FlagType::unsigned_integer: parse_unsigned(value, 16); break;
        case FlagType::bytes: parse_bytes(value); break;
        case FlagType::swap_bytes: parse_swap_bytes(value); break;
        case FlagType::decimal: parse_nano_cpus(value); break;
        case FlagType::duration: parse_duration(value); break;
        case FlagType::filter: parse_filter(value); break;
        case FlagType::ulimit: parse_ulimit(value); break;
        case FlagType::mount: parse_mount(value); break;
        case FlagType::network: parse_network(value); break;
        case FlagType::gpus: parse_gpus(value); break;
        default: break;
    }
}

std::string spelled(const Flag& flag) {
    return flag.short_name ? fmt::format("-{}, --{}", flag.short_name, flag.name)
                           : fmt::format("--{}", flag.name);
}

}  // namespace

Arguments::Arguments(std::span<const Flag> flags) {
    slots_.reserve(flags.size());
    for (const Flag& flag : flags) slots_.push_back({&flag, {}, std::string(flag.initial)});
}

Arguments::Slot* Arguments::find_slot(std::string_view name) {
    for (Slot& slot : slots_)
        if (slot.flag->name == name) return &slot;
    return nullptr;
}

Arguments::Slot* Arguments::find_slot(char short_name) {
    for (Slot& slot : slots_)
        if (slot.flag->short_name == short_name) return &slot;
    return nullptr;
}

const Arguments::Slot& Arguments::get_slot(std::string_view name) const {
    const Slot* slot = const_cast<Arguments*>(this)->find_slot(name);
    assert(slot && "the command does not declare this flag");
    return *slot;
}

bool Arguments::given(std::string_view name) const { return get_slot(name).given; }

bool Arguments::flag(std::string_view name) const {
    const Slot& slot = get_slot(name);
    return !slot.last.empty() && parse_bool(slot.last);
}

const std::string& Arguments::text(std::string_view name) const { return get_slot(name).last; }

std::int64_t Arguments::integer(std::string_view name) const {
    const Slot& slot = get_slot(name);
    return slot.last.empty() ? 0 : parse_integer(slot.last);
}

const std::vector<std::string>& Arguments::list(std::string_view name) const {
    return get_slot(name).values;
}

void Arguments::set(Slot& slot, std::string_view value) {
    try {
        check_type(slot.flag->type, value);
        if (slot.flag->check) slot.flag->check(value);
    } catch (const Error& error) {
        throw Error(ErrorKind::invalid_argument, "invalid argument \"{}\" for \"{}\" flag: {}",
                    value, spelled(*slot.flag), error.message());
    }
    slot.given = true;
    slot.last = value;
    if (slot.flag->type == FlagType::strings) {
        for (std::string& part : split_csv(value)) slot.values.push_back(std::move(part));
    } else if (repeats(slot.flag->type)) {
        slot.values.emplace_back(value);
    }
}

Arguments parse_flags(std::span<const Flag> flags, std::span<const std::string> words,
                      bool end_at_positional) {
    Arguments arguments(flags);
    std::size_t next = 0;

    const auto parse_long = [&](const std::string& word) {
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        if (name.empty() || name[0] == '-')
            throw Error(ErrorKind::invalid_argument, "bad flag syntax: {}", word);
        Arguments::Slot* slot = arguments.find_slot(name);
        if (!slot) {
            if (name == "help") {
                arguments.help = true;
                return;
            }
            throw Error(ErrorKind::invalid_argument, "unknown flag: --{}", name);
        }
        if (equals != std::string::npos)
            Arguments::set(*slot, std::string_view(word).substr(equals + 1));
        else if (slot->flag->type == FlagType::boolean)
            Arguments::set(*slot, "true");
        else if (next < words.size())
            Arguments::set(*slot, words[next++]);
        else
            throw Error(ErrorKind::invalid_argument, "flag needs an argument: --{}", name);
    };

    const auto parse_cluster = [&](const std::string& word) {
        std::string_view rest = std::string_view(word).substr(1);
        while (!rest.empty() && !arguments.help) {
            Arguments::Slot* slot = arguments.find_slot(rest[0]);
            if (!slot) {
                if (rest[0] == 'h') {
                    arguments.help = true;
                    return;
                }
                throw Error(ErrorKind::invalid_argument, "unknown shorthand flag: '{}' in -{}",
                            rest[0], rest);
            }
            if (rest.size() > 2 && rest[1] == '=') {
                Arguments::set(*slot, rest.substr(2));
                return;
            }
            if (slot->flag->type == FlagType::boolean) {
                Arguments::set(*slot, "true");
                rest.remove_prefix(1);
            } else if (rest.size() > 1) {
                Arguments::set(*slot, rest.substr(1));
                return;
            } else if (next < words.size()) {
                Arguments::set(*slot, words[next++]);
                return;
            } else {
                throw Error(ErrorKind::invalid_argument, "flag needs an argument: '{}' in -{}",
                            rest[0], rest);
            }
        }
    };

    while (next < words.size() && !arguments.help) {
        const std::string& word = words[next++];
        if (word == "--") break;
        if (word.size() < 2 || word[0] != '-') {
            arguments.positional.push_back(word);
            if (end_at_positional) break;
        } else if (word[1] == '-') {
            parse_long(word);
        } else {
            parse_cluster(word);
        }
    }
    while (next < words.size()) arguments.positional.push_back(words[next++]);
    return arguments;
}

namespace {

struct Wrapped {
    std::string_view line, rest;
};

Wrapped wrap_line(std::string_view text, std::size_t width, std::size_t slop) {
    if (width + slop > text.size()) return {text, {}};
    const std::size_t space = text.substr(0, width).find_last_of(" \t\n");
    if (space == std::string_view::npos || space == 0) return {text, {}};
    const std::size_t newline = text.substr(0, width).rfind('\n');
    const std::size_t end = newline != std::string_view::npos && newline > 0 ? newline : space;
    return {text.substr(0, end), text.substr(end + 1)};
}

std::string indent_newlines(std::string_view text, std::size_t indent) {
    std::string result;
    for (char c : text) {
        result += c;
        if (c == '\n') result.append(indent, ' ');
    }
    return result;
}

}  // namespace

std::string format_flags(std::span<const Flag> flags, int width) {
    struct Line {
        std::string left, right;
    };
    std::vector<Line> lines;
    std::size_t left_width = 0;
    std::vector<const Flag*> sorted;
    for (const Flag& flag : flags)
        if (!flag.hidden) sorted.push_back(&flag);
    std::sort(sorted.begin(), sorted.end(),
              [](const Flag* a, const Flag* b) { return a->name < b->name; });
    for (const Flag* flag : sorted) {
        Line line;
        line.left = flag->short_name ? fmt::format("  -{}, --{}", flag->short_name, flag->name)
                                     : fmt::format("      --{}", flag->name);
        if (const std::string_view word = type_word(flag->type); !word.empty())
            line.left += fmt::format(" {}", word);
        line.right = flag->help;
        if (!flag->initial.empty() && flag->initial != "false" && flag->initial != "0") {
            line.right += flag->type == FlagType::text
                              ? fmt::format(" (default \"{}\")", flag->initial)
                              : fmt::format(" (default {})", flag->initial);
        }
        left_width = std::max(left_width, line.left.size());
        lines.push_back(std::move(line));
    }
    const std::size_t indent = left_width + 3;
    constexpr std::size_t slop = 5, narrowest = 24;
    const std::size_t columns = static_cast<std::size_t>(std::max(width, 0));
    std::string result;
    for (const Line& line : lines) {
        result += line.left;
        result.append(indent - line.left.size(), ' ');
        if (columns < indent + narrowest + slop) {
            result += indent_newlines(line.right, indent) + "\n";
            continue;
        }
        Wrapped wrapped = wrap_line(line.right, columns - indent - slop, slop);
        result += indent_newlines(wrapped.line, indent);
        while (!wrapped.rest.empty()) {
            wrapped = wrap_line(wrapped.rest, columns - indent - slop, slop);
            result += "\n" + std::string(indent, ' ') + indent_newlines(wrapped.line, indent);
        }
        result += "\n";
    }
    return result;
}

}  // namespace hull::cli
