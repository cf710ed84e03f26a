#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// What a flag's value looks like; decides the word in help and the check while parsing.
enum class FlagType {
    boolean,
    text,
    list,  ///< repeatable text
    integer,
    unsigned_integer,
    bytes,       ///< 512m
    swap_bytes,  ///< bytes, or -1
    decimal,     ///< 1.5
    duration,
    map,      ///< repeatable key=value
    filter,   ///< repeatable name=value
    ulimit,   ///< repeatable nofile=1:2
    mount,    ///< repeatable type=…,target=…
    network,  ///< repeatable name or name=…,alias=…
    strings,  ///< repeatable and comma separated
    gpus,
};

struct Flag {
    std::string_view name;
    char short_name = 0;
    FlagType type = FlagType::boolean;
    std::string_view help;
    std::string_view initial = "";  ///< the value when it is not given
    /// Extra check while parsing: throws invalid_argument, which is shown as Docker shows it.
    void (*check)(std::string_view) = nullptr;
    bool hidden = false;
};

/// One flag of another command's, for a command that has it too. A name that is not there does not
/// compile.
consteval Flag flag_named(std::span<const Flag> flags, std::string_view name) {
    for (const Flag& flag : flags)
        if (flag.name == name) return flag;
    throw "no such flag";
}

/// What the command line gave. Asking for a flag that the command does not have is a bug (assert).
class Arguments {
public:
    explicit Arguments(std::span<const Flag> flags);

    bool given(std::string_view name) const;
    bool flag(std::string_view name) const;
    const std::string& text(std::string_view name) const;
    /// The last value, or the initial one, or 0.
    std::int64_t integer(std::string_view name) const;
    const std::vector<std::string>& list(std::string_view name) const;

    std::vector<std::string> positional;
    bool help = false;  ///< --help was given; nothing else was checked

private:
    friend Arguments parse_flags(std::span<const Flag>, std::span<const std::string>, bool);
    struct Slot {
        const Flag* flag;
        std::vector<std::string> values;
        std::string last;
        bool given = false;
    };
    const Slot& get_slot(std::string_view name) const;
    Slot* find_slot(std::string_view name);
    Slot* find_slot(char short_name);
    static void set(Slot& slot, std::string_view value);
    std::vector<Slot> slots_;
};

/// Parses as Go's pflag does: `-it`, `-eFOO=1`, `--flag=value`, `--flag value`, `--rm=false`, `--`.
/// Throws invalid_argument with pflag's text.
Arguments parse_flags(std::span<const Flag> flags, std::span<const std::string> words,
                      bool end_at_positional);

/// The block of option lines, wrapped to `width` columns as pflag wraps it.
std::string format_flags(std::span<const Flag> flags, int width);

}  // namespace hull::cli
