#include "compose/environment.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "compose/interpolate.hh"

#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace hull::compose {
namespace {

class EnvFileParser {
public:
    EnvFileParser(std::string_view text, std::string_view file, const Lookup& lookup)
        : text_(text), file_(file), lookup_(lookup) {
        if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    }

    std::vector<EnvironmentLine> parse() {
        for (skip_blank(); !text_.empty(); skip_blank()) {
            if (text_[0] == '#') {
                take_line();
                continue;
            }
            line_.push_back(read_line());
        }
        return std::move(line_);
    }

private:
    template <typename... Args>
    [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
        throw Error(ErrorKind::invalid_argument, "{}:{}: {}", file_, number_,
                    fmt::format(text, std::forward<Args>(args)...));
    }

    void drop(std::size_t count) {
        number_ += static_cast<int>(
            std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(count), '\n'));
        text_.remove_prefix(count);
    }
    void skip_blank() {
        std::size_t count = 0;
        while (count < text_.size() && std::isspace(static_cast<unsigned char>(text_[count])))
            ++count;
        drop(count);
    }
    std::string_view take_line() {
        const std::string_view line = text_.substr(0, text_.find('\n'));
        drop(std::min(line.size() + 1, text_.size()));
        return line;
    }

    EnvironmentLine read_line() {
        if (text_.starts_with("export") && text_.size() > 6 &&
            (text_[6] == ' ' || text_[6] == '\t')) {
            drop(6);
            while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t')) drop(1);
        }
        std::size_t size = 0;
        const auto is_name = [](char letter) {
            return std::isalnum(static_cast<unsigned char>(letter)) ||
                   std::string_view("_.-[]").find(letter) != std::string_view::npos;
        };
        while (size < text_.size() && is_name(text_[size])) ++size;
        if (size == 0)
            refuse("unexpected character \"{}\" in variable name",
                   printable(text_.empty() ? '\n' : text_[0]));
        EnvironmentLine line{std::string(text_.substr(0, size)), std::nullopt};
        std::size_t at = size;
        while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t' || text_[at] == '\r'))
            ++at;
        if (at == text_.size() || text_[at] == '\n' || text_[at] == '#') {
            take_line();
            line.value = lookup_(line.name);
            return line;
        }
        if (text_[at] != '=' && text_[at] != ':')
            refuse("unexpected character \"{}\" in variable name \"{}\"", printable(text_[at]),
                   line.name);
        drop(at + 1);
        while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t')) drop(1);
        line.value = read_value();
        return line;
    }

    static std::string printable(char letter) {
        return std::isprint(static_cast<unsigned char>(letter))
                   ? std::string(1, letter)
                   : fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
    }

    std::string read_value() {
        if (!text_.empty() && (text_[0] == '\'' || text_[0] == '"')) return read_quoted(text_[0]);
        std::string_view line = take_line();
        for (std::size_t at = 0; at < line.size(); ++at)
            if (line[at] == '#' && (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t')) {
                line = line.substr(0, at);
                break;
            }
        return expand(trim(line), number_ - 1);
    }

    std::string read_quoted(char quote) {
        const int begin = number_;
        std::size_t at = 1;
        while (at < text_.size() && text_[at] != quote)
            at += text_[at] == '\\' && at + 1 < text_.size() ? 2 : 1;
        if (at >= text_.size())
            refuse("unterminated quoted value {}",
                   text_.substr(0, std::min<std::size_t>(text_.find('\n'), 40)));
        const std::string raw(text_.substr(1, at - 1));
        drop(at + 1);
        const std::string_view rest = trim(take_line());
        if (!rest.empty() && rest[0] != '#') {
            --number_;
            refuse("unexpected text \"{}\" after the closing quote", rest.substr(0, 40));
        }
        if (quote == '\'') return raw;
        return expand(unescape(raw), begin);
    }

    static std::string unescape(std::string_view raw) {
        std::string value;
        for (std::size_t at = 0; at < raw.size(); ++at) {
            if (raw[at] != '\\' || at + 1 == raw.size()) {
                value += raw[at];
                continue;
            }
            switch (const char next = raw[++at]) {
                case 'n': value += '\n'; break;
                case 'r': value += '\r'; break;
                case 't': value += '\t'; break;
                case '$': value += "$$"; break;  // interpolation makes one of it
                case '"':
                case '\\':
                case '\'': value += next; break;
                default: value += '\\'; value += next;
            }
        }
        return value;
    }

    std::string expand(std::string_view value, int line) const {
        if (value.find('$') == std::string_view::npos) return std::string(value);
        Environment known;
        // Earlier lines are looked at last: the shell's variables win.
        for (const EnvironmentLine& earlier : line_)
            if (earlier.value) known[earlier.name] = {*earlier.value, file_};
        // The names are found by expanding with what is known; those of `lookup_` are added as
        // needed.
        Interpolation seen;
        try {
            interpolate_text(value, {}, seen);
        } catch (const Error&) {
            // Of a variable that is required; the second time tells.
        }
        for (const auto& [name, use] : seen.uses)
            if (std::optional<std::string> outer = lookup_(name))
                known[name] = {*outer, "the environment"};
        for (const auto& [name, use] : seen.uses)
            for (const std::string& nested : {use.default_value, use.alternate_value})
                add_nested(nested, known);
        return with_context([&] { return interpolate_text(value, known, seen); }, "{}:{}", file_,
                            line);
    }

    void add_nested(const std::string& text, Environment& known) const {
        Interpolation seen;
        try {
            interpolate_text(text, {}, seen);
        } catch (const Error&) {
        }
        for (const auto& [name, use] : seen.uses)
            if (std::optional<std::string> outer = lookup_(name))
                known[name] = {*outer, "the environment"};
    }

    std::string_view text_;
    std::string file_;
    const Lookup& lookup_;
    int number_ = 1;
    std::vector<EnvironmentLine> line_;
};

}  // namespace

Environment own_environment() {
    Environment environment;
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string_view text = *entry;
        const std::size_t equal = text.find('=');
        if (equal != std::string_view::npos && equal > 0)
            environment[std::string(text.substr(0, equal))] = {std::string(text.substr(equal + 1)),
                                                               "the environment"};
    }
    return environment;
}

Lookup lookup_in(const Environment& environment) {
    return [&environment](std::string_view name) -> std::optional<std::string> {
        const auto found = environment.find(name);
        if (found == environment.end()) return std::nullopt;
        return found->second.value;
    };
}

std::vector<EnvironmentLine> parse_env_file(std::string_view text, std::string_view file,
                                            const Lookup& lookup) {
    return EnvFileParser(text, file, lookup).parse();
}

std::vector<EnvironmentLine> parse_raw_env_file(std::string_view text, std::string_view file) {
    std::vector<EnvironmentLine> lines;
    int number = 0;
    for (std::string_view line : split_views(text, '\n')) {
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (trim(line).empty() || trim(line)[0] == '#') continue;
        const std::size_t equal = line.find('=');
        const std::string_view name = trim(line.substr(0, equal));
        if (name.empty())
            throw Error(ErrorKind::invalid_argument, "{}:{}: no variable name on line '{}'", file,
                        number, line.substr(0, 60));
        EnvironmentLine entry{std::string(name), std::nullopt};
        if (equal != std::string_view::npos) entry.value = std::string(line.substr(equal + 1));
        lines.push_back(std::move(entry));
    }
    return lines;
}

}  // namespace hull::compose
