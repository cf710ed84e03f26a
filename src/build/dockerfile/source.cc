#include "build/dockerfile/source.hh"

#include "base/text.hh"
#include "build/dockerfile/parser.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>
#include <numeric>

namespace hull::build::dockerfile {
namespace {

constexpr char32_t replacement = 0xFFFD;

/// Messages travel in JSON and to terminals: no control characters, no invalid UTF-8.
std::string printable(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        const Character character = decode(text, at);
        if (character.code < 0x20 || character.code == 0x7F)
            result += ' ';
        else if (character.code == replacement)
            result += "\xEF\xBF\xBD";
        else
            result += text.substr(at, character.size);
        at += character.size;
    }
    return result;
}

std::string full_message(const Diagnostic& diagnostic) {
    std::string text = diagnostic.message;
    if (!diagnostic.hint.empty()) text += " (" + diagnostic.hint + ")";
    return printable(text);
}

/// Levenshtein's distance in bytes; two swapped neighbours count once.
std::size_t distance(std::string_view left, std::string_view right) {
    using Row = std::vector<std::size_t>;
    Row before(right.size() + 1), previous(right.size() + 1), row(right.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= left.size(); ++i) {
        before = std::exchange(previous, row);
        row[0] = i;
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t changed = previous[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
            row[j] = std::min({changed, previous[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
    }
    return row[right.size()];
}

/// The line as it is shown: one column for each character, whatever the terminal makes of a tab.
std::string shown_line(std::string_view line) {
    std::string result = printable(line);
    while (!result.empty() && result.back() == ' ') result.pop_back();
    return result;
}

}  // namespace

DockerfileError::DockerfileError(Diagnostic diagnostic)
    : Error(ErrorKind::invalid_argument, "dockerfile parse error on line {}: {}",
            diagnostic.location.line, full_message(diagnostic)),
      diagnostic_(std::move(diagnostic)) {}

std::string render(const Diagnostic& diagnostic, const Source& source) {
    const Location place = locate_text(diagnostic.location, source, diagnostic.at);
    std::string text = fmt::format("{}:{}:{}: {}: ", source.name, place.line, place.column,
                                   diagnostic.severity == Severity::error ? "error" : "warning");
    if (!diagnostic.rule.empty()) text += diagnostic.rule + ": ";
    text += full_message(diagnostic);
    if (source.text.empty()) return text;

    const std::vector<std::string_view> lines = split_views(source.text, '\n');
    const int last_line = std::min(static_cast<int>(lines.size()), place.line);
    constexpr int lines_before = 2;
    for (int line = std::max(1, place.line - lines_before); line <= last_line; ++line) {
        const std::string shown = shown_line(lines[static_cast<std::size_t>(line - 1)]);
        text += fmt::format("\n{:4} |{}{}", line, shown.empty() ? "" : " ", shown);
    }
    if (last_line == place.line && place.column >= 1) {
        const std::string blanks(static_cast<std::size_t>(place.column - 1), ' ');
        const std::string tildes(static_cast<std::size_t>(std::max(place.length, 1) - 1), '~');
        text += fmt::format("\n     | {}^{}", blanks, tildes);
    }
    return text;
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
    constexpr std::size_t too_far = 3;
    constexpr std::size_t longest_word =
        128;  // stage names of strangers: the distance is quadratic
    if (word.size() > longest_word) return "";
    std::string best;
    std::size_t best_distance = too_far;
    const std::string wanted = lower(word);
    for (const std::string& candidate : candidates) {
        if (candidate.size() > longest_word) continue;
        const std::size_t now = distance(wanted, lower(candidate));
        if (now == 0 && word == candidate) return "";  // then the word is not what is wrong
        if (now < best_distance && now < wanted.size()) {
            best_distance = now;
            best = candidate;
        }
    }
    return best;
}

}  // namespace hull::build::dockerfile
