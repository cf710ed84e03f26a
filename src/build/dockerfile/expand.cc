#include "build/dockerfile/expand.hh"

#include "build/dockerfile/shell_pattern.hh"
#include "build/dockerfile/text.hh"

namespace hull::build::dockerfile {
namespace {

/// What expansion gives: the text as one word, and split at blanks that no quote protects.
class Result {
public:
    void add(std::string_view text) {
        whole_ += text;
        for (std::size_t at = 0; at < text.size();) {
            const Character character = decode(text, at);
            if (is_space(character.code)) {
                // A quoted empty word ('') does not count: Docker drops it too.
                if (!word_.empty()) words_.push_back(std::exchange(word_, {}));
            } else {
                word_ += text.substr(at, character.size);
            }
            at += character.size;
        }
    }
    void add_quoted(std::string_view text) {
        whole_ += text;
        word_ += text;
    }
    std::string take_whole() { return std::move(whole_); }
    std::vector<std::string> take_words() {
        if (!word_.empty()) words_.push_back(std::move(word_));
        return std::move(words_);
    }

private:
    std::string whole_, word_;
    std::vector<std::string> words_;
};

template <typename... Args>
Error bad(fmt::format_string<Args...> text, Args&&... args) {
    return Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

constexpr char no_stop = '\0';
/// ${a:-${b:-…}} is written by people; a thousand levels are not.
constexpr int max_depth = 100;

class Expander {
public:
    Expander(std::string_view text, const Lookup& lookup, const ExpandOptions& options,
             UsedVariables* used)
        : text_(text), lookup_(lookup), options_(options), used_(used) {}

    Result run() { return read_until(no_stop, options_.keep_escapes); }

private:
    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool next_is(char c) const { return !at_end() && text_[at_] == c; }
    /// The next character with all of its bytes.
    std::string_view take() {
        const std::string_view bytes = text_.substr(at_, decode(text_, at_).size);
        at_ += bytes.size();
        return bytes;
    }

    Result read_until(char stop, bool keep_escapes);
    std::string read_single_quotes();
    std::string read_double_quotes(bool keep_escapes);
    std::string read_dollar(bool keep_escapes);
    std::string read_braces(bool keep_escapes);
    std::string read_replacement(const std::string& name);
    std::string read_name();
    std::string read_operand(char stop, bool keep_escapes, std::string_view missing);
    std::optional<std::string> value_of(const std::string& name);

    std::string_view text_;
    const Lookup& lookup_;
    const ExpandOptions& options_;
    UsedVariables* used_;
    std::size_t at_ = 0;
    int depth_ = 0;
};

Result Expander::read_until(char stop, bool keep_escapes) {
    Result result;
    while (!at_end()) {
        if (stop != no_stop && next_is(stop)) {
            take();
            return result;
        }
        if (next_is('$')) {
            result.add(read_dollar(keep_escapes));
        } else if (!options_.ignore_quotes && next_is('\'')) {
            result.add_quoted(read_single_quotes());
        } else if (!options_.ignore_quotes && next_is('"')) {
            result.add_quoted(read_double_quotes(keep_escapes));
        } else if (next_is(options_.escape)) {
            const std::string_view escape = take();
            if (keep_escapes) result.add_quoted(escape);
            if (!at_end()) result.add_quoted(take());
        } else {
            result.add(take());
        }
    }
    if (stop != no_stop)
        throw bad("unexpected end of statement while looking for matching {}", stop);
    return result;
}

std::string Expander::read_single_quotes() {
    std::string result;
    const std::string_view quote = take();
    if (options_.keep_quotes) result += quote;
    while (!at_end()) {
        const std::string_view character = take();
        if (character != quote) {
            result += character;
            continue;
        }
        if (options_.keep_quotes) result += quote;
        return result;
    }
    throw bad("unexpected end of statement while looking for matching single-quote");
}

std::string Expander::read_double_quotes(bool keep_escapes) {
    std::string result;
    const std::string_view quote = take();
    if (options_.keep_quotes) result += quote;
    while (!at_end()) {
        if (next_is('$')) {
            result += read_dollar(keep_escapes);
            continue;
        }
        std::string_view character = take();
        if (character == quote) {
            if (options_.keep_quotes) result += quote;
            return result;
        }
        if (character[0] == options_.escape) {
            if (keep_escapes) result += character;
            if (at_end()) break;
            // Only these can be escaped between double quotes; before others the escape stays.
            if (next_is('"') || next_is('$') || next_is(options_.escape)) character = take();
        }
        result += character;
    }
    throw bad("unexpected end of statement while looking for matching double-quote");
}

std::string Expander::read_name() {
    const auto is_special = [](char c) {
        return std::string_view("@*#?-$!").find(c) != std::string_view::npos;
    };
    if (!at_end() && is_special(peek())) return std::string(take());
    std::string name;
    const bool number = !at_end() && is_digit(static_cast<unsigned char>(peek()));
    while (!at_end()) {
        const char32_t code = decode(text_, at_).code;
        const bool fits =
            number ? is_digit(code) : is_letter(code) || is_digit(code) || code == '_';
        if (!fits) break;
        name += take();
    }
    return name;
}

std::optional<std::string> Expander::value_of(const std::string& name) {
    std::optional<std::string> value = lookup_(name);
    if (used_ != nullptr) (value ? used_->matched : used_->unset).insert(name);
    return value;
}

std::string Expander::read_dollar(bool keep_escapes) {
    take();
    if (next_is('{')) {
        take();
        return read_braces(keep_escapes);
    }
    const std::string name = read_name();
    if (name.empty()) return "$";
    const std::optional<std::string> value = value_of(name);
    if (!value && options_.keep_unset) return "$" + name;
    return value.value_or("");
}

/// What stands before `stop`, itself expanded. `missing` is said when `stop` does not come.
std::string Expander::read_operand(char stop, bool keep_escapes, std::string_view missing) {
    if (++depth_ > max_depth) throw bad("substitutions are nested deeper than {}", max_depth);
    try {
        std::string operand = read_until(stop, keep_escapes).take_whole();
        --depth_;
        return operand;
    } catch (const Error&) {
        if (at_end()) throw bad("{}", missing);
        throw;
    }
}

std::string Expander::read_braces(bool keep_escapes) {
    constexpr std::string_view no_end = "syntax error: missing '}'";
    if (at_end()) throw bad("{}", no_end);
    if (next_is('{') || next_is('}') || next_is(':')) throw bad("syntax error: bad substitution");
    const std::string name = read_name();
    if (at_end()) throw bad("{}", no_end);
    if (next_is('}')) {
        take();
        const std::optional<std::string> value = value_of(name);
        if (!value && options_.keep_unset) return "${" + name + "}";
        return value.value_or("");
    }
    if (next_is('/')) {
        take();
        return read_replacement(name);
    }
    std::string modifier;
    const bool empty_is_unset = next_is(':');
    if (empty_is_unset) modifier += take();
    if (at_end()) throw bad("{}", no_end);
    const std::string operation(take());
    modifier += operation;
    const bool is_pattern = operation == "#" || operation == "%";
    if (!is_pattern && operation != "-" && operation != "+" && operation != "?")
        throw bad("unsupported modifier ({}) in substitution", modifier);

    std::string word = read_operand('}', is_pattern || keep_escapes, no_end);
    const std::optional<std::string> value = value_of(name);
    if (!value && options_.keep_unset) return "${" + name + modifier + word + "}";
    const bool missing = !value || (empty_is_unset && value->empty());
    if (operation == "-") return missing ? word : *value;
    if (operation == "+") return missing ? "" : word;
    if (operation == "?") {
        if (!missing) return *value;
        if (word.empty())
            word = value ? "is not allowed to be empty" : "is not allowed to be unset";
        throw bad("{}: {}", name, word);
    }
    const bool longest = word.starts_with(operation);
    if (longest) word.erase(0, 1);
    const ShellPattern pattern(word);
    return operation == "%" ? pattern.without_suffix(value.value_or(""), longest)
                            : pattern.without_prefix(value.value_or(""), longest);
}

std::string Expander::read_replacement(const std::string& name) {
    const bool all = next_is('/');
    if (all) take();
    const std::string pattern = read_operand('/', true, "syntax error: missing '/' in ${}");
    const std::string replacement = read_operand('}', true, "syntax error: missing '}'");
    const std::optional<std::string> value = value_of(name);
    if (!value && options_.keep_unset)
        return "${" + name + (all ? "//" : "/") + pattern + "/" + replacement + "}";
    return ShellPattern(pattern).replace(value.value_or(""), replacement, all);
}

Result expand(std::string_view text, const Lookup& lookup, const ExpandOptions& options,
              UsedVariables* used) {
    try {
        return Expander(text, lookup, options, used).run();
    } catch (Error& error) {
        error.add_context("failed to process " + quote(text));
        throw;
    }
}

}  // namespace

std::string expand_word(std::string_view text, const Lookup& lookup, const ExpandOptions& options,
                        UsedVariables* used) {
    return expand(text, lookup, options, used).take_whole();
}

std::vector<std::string> expand_words(std::string_view text, const Lookup& lookup,
                                      const ExpandOptions& options, UsedVariables* used) {
    return expand(text, lookup, options, used).take_words();
}

}  // namespace hull::build::dockerfile
