#include "build/dockerfile/lines.hh"

#include "base/text.hh"
#include "build/dockerfile/expand.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>
#include <set>

namespace hull::build::dockerfile {
namespace {

std::string_view without_line_end(std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    return line;
}

bool is_comment(std::string_view line) { return trim_left_space(line).starts_with('#'); }

/// The name and value of `# name = value`; an empty name for any other comment.
struct DirectiveText {
    std::string name;
    std::string_view value;
};
DirectiveText split_directive(std::string_view line) {
    line = trim_space(line.substr(1));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string_view name = trim_space(line.substr(0, equals));
    const std::string_view value = trim_space(line.substr(equals + 1));
    const auto is_word = [](char c) {
        return is_letter(static_cast<unsigned char>(c)) || is_digit(c);
    };
    if (name.empty() || value.empty() || is_digit(name[0]) ||
        !std::all_of(name.begin(), name.end(), is_word))
        return {};
    return {lower(name), value};
}

class LineReader {
public:
    explicit LineReader(const Source& source) : text_(source.text) {}

    LogicalLines read();

private:
    /// The next line with its end; false at the end of the file.
    bool next(std::string_view& line);
    bool read_directive(std::string_view line);
    void read_instruction(std::string_view first);
    void read_heredocs(LogicalLine& line, std::size_t keyword_at);
    /// Takes the continuation mark off; true when there was one.
    bool take_continuation(std::string_view& line) const;
    [[noreturn]] void fail(std::string message, std::size_t at, std::size_t size,
                           std::string hint = "") const;
    /// As location_at, without counting lines from the start: `line` is the last one read.
    Location on_this_line(std::string_view line, std::size_t at, std::size_t size) const {
        Location location = location_at(line, at - offset_of(line), size);
        location.line = location.last_line = line_number_;
        return location;
    }
    std::size_t offset_of(std::string_view part) const {
        return static_cast<std::size_t>(part.data() - text_.data());
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_number_ = 0;
    std::vector<std::string> comments_;
    std::set<std::string> seen_directives_;
    LogicalLines result_;
};

bool LineReader::next(std::string_view& line) {
    if (at_ >= text_.size()) return false;
    const std::size_t end = text_.find('\n', at_);
    line = text_.substr(at_, end == std::string_view::npos ? end : end + 1 - at_);
    at_ += line.size();
    ++line_number_;
    return true;
}

void LineReader::fail(std::string message, std::size_t at, std::size_t size,
                      std::string hint) const {
    Diagnostic diagnostic;
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    diagnostic.location = location_at(text_, at, size);
    throw DockerfileError(std::move(diagnostic));
}

/// True while directives go on; the first line that is none ends them.
bool LineReader::read_directive(std::string_view line) {
    // A script's first line may say what reads it; directives follow.
    if (line_number_ == 1 && line.starts_with("#!")) return true;
    if (!is_comment(line)) return false;
    const DirectiveText directive = split_directive(trim_left_space(line));
    if (directive.name != "syntax" && directive.name != "escape" && directive.name != "check")
        return false;
    const std::size_t at = offset_of(line);
    if (!seen_directives_.insert(directive.name).second)
        fail("only one " + directive.name + " parser directive can be used", at, line.size());
    if (directive.name == "syntax") result_.directives.syntax = directive.value;
    if (directive.name == "check") {
        result_.directives.check = directive.value;
        result_.directives.check_location =
            location_at(text_, offset_of(directive.value), directive.value.size());
    }
    if (directive.name == "escape") {
        if (directive.value != "\\" && directive.value != "`")
            fail(fmt::format("invalid escape token '{}' does not match ` or \\", directive.value),
                 offset_of(directive.value), directive.value.size());
        result_.directives.escape = directive.value[0];
    }
    return true;
}

bool LineReader::take_continuation(std::string_view& line) const {
    const char escape = result_.directives.escape;
    const std::size_t last = line.find_last_not_of(" \t");
    if (last == std::string_view::npos || line[last] != escape) return false;
    if (last > 0 && line[last - 1] == escape) return false;  // an escaped escape
    line = line.substr(0, last);
    return true;
}

void LineReader::read_instruction(std::string_view first) {
    LogicalLine result;
    std::string_view part = trim_left_space(without_line_end(first));
    const std::size_t keyword_at = offset_of(part);
    const std::size_t keyword_size = part.find_first_of(" \t\v\f\r");
    const int first_line = line_number_;
    bool goes_on = take_continuation(part);
    if (!goes_on && part.empty()) return;
    result.text = part;
    std::string_view line;
    while (goes_on && next(line)) {
        part = without_line_end(line);
        if (is_comment(part)) continue;
        if (trim_left_space(part).empty()) {
            if (!result.empty_continuation)
                result.empty_continuation = on_this_line(line, offset_of(line), 1);
            continue;
        }
        goes_on = take_continuation(part);
        result.text += part;
    }
    result.location = on_this_line(first, keyword_at, std::min(keyword_size, result.text.size()));
    result.location.line = first_line;  // continuations were read since
    result.comments = std::exchange(comments_, {});
    read_heredocs(result, keyword_at);
    result.location.last_line = line_number_;
    result_.lines.push_back(std::move(result));
}

void LineReader::read_heredocs(LogicalLine& result, std::size_t keyword_at) {
    try {
        result.heredocs = find_heredocs(result.text);
    } catch (const Error& error) {
        const std::size_t marker = std::min(text_.find("<<", keyword_at), text_.size());
        fail(error.message(), marker, 2);
    }
    std::size_t marker = keyword_at;
    for (Heredoc& heredoc : result.heredocs) {
        marker = std::min(text_.find("<<", marker), text_.size() - 2) + 2;
        std::string_view line;
        bool ended = false;
        while (!ended && next(line)) {
            std::string_view candidate = without_line_end(line);
            if (heredoc.strip_tabs)
                candidate.remove_prefix(
                    std::min(candidate.find_first_not_of('\t'), candidate.size()));
            ended = candidate == heredoc.name;
            if (!ended) heredoc.content += line;
        }
        if (ended) continue;
        fail("unterminated heredoc", marker - 2, heredoc.name.size() + 2,
             fmt::format("no line is {} alone", quote(heredoc.name)));
    }
}

LogicalLines LineReader::read() {
    bool directives = true;
    std::string_view line;
    while (next(line)) {
        const std::string_view bare = without_line_end(line);
        if (directives && (directives = read_directive(bare))) continue;
        if (is_comment(bare)) {
            const std::string_view comment = trim_space(trim_left_space(bare).substr(1));
            if (comment.empty())
                comments_.clear();
            else
                comments_.emplace_back(comment);
            continue;
        }
        if (trim_left_space(bare).empty()) {
            comments_.clear();
            continue;
        }
        read_instruction(line);
    }
    return std::move(result_);
}

bool may_have_heredocs(std::string_view keyword) {
    return equal_fold(keyword, "RUN") || equal_fold(keyword, "COPY") || equal_fold(keyword, "ADD");
}

std::optional<std::string> nothing_is_set(std::string_view) { return std::nullopt; }

}  // namespace

LogicalLines read_lines(const Source& source) { return LineReader(source).read(); }

std::optional<Heredoc> parse_heredoc_word(std::string_view word) {
    const std::size_t arrows = word.find("<<");
    if (arrows == std::string_view::npos) return std::nullopt;
    Heredoc heredoc;
    for (const char c : word.substr(0, arrows)) {
        if (!is_digit(static_cast<unsigned char>(c)) || heredoc.descriptor > 100000)
            return std::nullopt;
        heredoc.descriptor = heredoc.descriptor * 10 + (c - '0');
    }
    std::string_view rest = word.substr(arrows + 2);
    if (rest.starts_with('-')) {
        heredoc.strip_tabs = true;
        rest.remove_prefix(1);
    }
    if (rest.empty() || rest.find('<') != std::string_view::npos) return std::nullopt;

    ExpandOptions options;
    options.keep_unset = true;
    const std::vector<std::string> bare = expand_words(rest, nothing_is_set, options);
    options.keep_quotes = options.keep_escapes = true;
    const std::vector<std::string> raw = expand_words(rest, nothing_is_set, options);
    if (bare.size() != 1 || raw.size() != 1) return std::nullopt;
    heredoc.name = bare[0];
    heredoc.expand = bare[0] == raw[0];  // any quote or escape makes the content literal
    return heredoc;
}

std::vector<Heredoc> find_heredocs(std::string_view line) {
    if (line.find("<<") == std::string_view::npos) return {};
    const auto take_keyword = [](std::string_view& text) {
        const std::size_t end = std::min(text.find_first_of(" \t\v\f\r"), text.size());
        const std::string_view keyword = text.substr(0, end);
        text = trim_left_space(text.substr(end));
        return keyword;
    };
    std::string_view rest = trim_left_space(line);
    std::string_view keyword = take_keyword(rest);
    if (equal_fold(keyword, "ONBUILD")) keyword = take_keyword(rest);
    if (!may_have_heredocs(keyword)) return {};

    ExpandOptions options;
    options.keep_unset = options.keep_quotes = options.keep_escapes = true;
    std::vector<Heredoc> found;
    for (const std::string& word : expand_words(rest, nothing_is_set, options))
        if (std::optional<Heredoc> heredoc = parse_heredoc_word(word)) found.push_back(*heredoc);
    return found;
}

std::string heredoc_text(const Heredoc& heredoc) {
    if (!heredoc.strip_tabs) return heredoc.content;
    std::string result;
    bool at_start = true;
    for (const char c : heredoc.content) {
        if (at_start && c == '\t') continue;
        at_start = c == '\n';
        result += c;
    }
    return result;
}

Location location_at(std::string_view text, std::size_t at, std::size_t size) {
    at = std::min(at, text.size());
    const std::string_view before = text.substr(0, at);
    Location location;
    location.line = location.last_line =
        1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    location.column = 1 + static_cast<int>(count_characters(before.substr(line_start)));
    std::string_view part = text.substr(at, size);
    part = part.substr(0, part.find_first_of("\r\n"));
    location.length = std::max(1, static_cast<int>(count_characters(part)));
    return location;
}

}  // namespace hull::build::dockerfile
