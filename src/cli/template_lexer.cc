#include "cli/template_lexer.hh"

#include "base/error.hh"
#include "cli/template.hh"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace hull::cli {

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80);
}

void fail_at(std::string_view source, std::size_t position, std::string_view what) {
    const auto line =
        1 + std::count(source.begin(), source.begin() + static_cast<long>(position), '\n');
    throw Error(ErrorKind::invalid_argument, "template: :{}: {}", line, what);
}

namespace {

class Lexer {
public:
    explicit Lexer(std::string_view source) : source_(source) {}

    std::vector<Token> run() {
        while (at_ < source_.size()) {
            const std::size_t open = source_.find("{{", at_);
            std::string text(
                source_.substr(at_, open == std::string_view::npos ? open : open - at_));
            const std::size_t text_start = at_;
            if (trim_next_) text.erase(0, text.find_first_not_of(" \t\r\n"));
            trim_next_ = false;
            if (open == std::string_view::npos) {
                add(TokenKind::text, text, text_start);
                break;
            }
            at_ = open + 2;
            if (at_ + 1 < source_.size() && source_[at_] == '-' &&
                std::isspace(static_cast<unsigned char>(source_[at_ + 1]))) {
                text.erase(text.find_last_not_of(" \t\r\n") + 1);
                ++at_;
            }
            if (!text.empty()) add(TokenKind::text, text, text_start);
            if (!skip_comment()) lex_action(open);
        }
        add(TokenKind::end, "", source_.size());
        return std::move(tokens_);
    }

private:
    void add(TokenKind kind, std::string text, std::size_t position) {
        tokens_.push_back({kind, std::move(text), position});
    }

    bool skip_comment() {
        std::size_t start = at_;
        while (start < source_.size() && std::isspace(static_cast<unsigned char>(source_[start])))
            ++start;
        if (source_.substr(start, 2) != "/*") return false;
        const std::size_t end = source_.find("*/", start);
        if (end == std::string_view::npos) fail_at(source_, start, "unclosed comment");
        at_ = end + 2;
        if (source_.substr(at_, 4) == " -}}") {
            trim_next_ = true;
            at_ += 4;
        } else if (source_.substr(at_, 2) == "}}") {
            at_ += 2;
        } else {
            fail_at(source_, at_, "comment ends before closing delimiter");
        }
        return true;
    }

    void lex_action(std::size_t open) {
        add(TokenKind::open, "{{", open);
        int depth = 0;
        for (;;) {
            if (at_ >= source_.size()) fail_at(source_, at_, "unclosed action");
            const std::size_t start = at_;
            const char c = source_[at_];
            if (source_.substr(at_, 2) == "}}" || closes_with_trim()) {
                if (depth > 0) fail_at(source_, at_, "unclosed left paren");
                trim_next_ = source_[at_] != '}';
                at_ = source_.find("}}", at_) + 2;
                add(TokenKind::close, "}}", start);
                return;
            }
            if (c == '\n') fail_at(source_, at_, "unclosed action");
            if (std::isspace(static_cast<unsigned char>(c))) {
                while (at_ < source_.size() &&
                       (source_[at_] == ' ' || source_[at_] == '\t' || source_[at_] == '\r') &&
                       !closes_with_trim())
                    ++at_;
                add(TokenKind::space, " ", start);
            } else if (source_.substr(at_, 2) == ":=") {
                at_ += 2;
                add(TokenKind::declare, ":=", start);
            } else if (c == '=') {
                ++at_;
                add(TokenKind::assign, "=", start);
            } else if (c == '|') {
                ++at_;
                add(TokenKind::pipe, "|", start);
            } else if (c == ',') {
                ++at_;
                add(TokenKind::comma, ",", start);
            } else if (c == '(') {
                ++at_;
                ++depth;
                add(TokenKind::left_paren, "(", start);
            } else if (c == ')') {
                ++at_;
                if (--depth < 0) fail_at(source_, start, "unexpected right paren");
                add(TokenKind::right_paren, ")", start);
            } else if (c == '"' || c == '\'') {
                lex_quoted(c);
            } else if (c == '`') {
                const std::size_t end = source_.find('`', at_ + 1);
                if (end == std::string_view::npos)
                    fail_at(source_, start, "unterminated raw quoted string");
                add(TokenKind::string, std::string(source_.substr(at_ + 1, end - at_ - 1)), start);
                at_ = end + 1;
            } else if (c == '.' && at_ + 1 < source_.size() && is_word(source_[at_ + 1]) &&
                       !std::isdigit(static_cast<unsigned char>(source_[at_ + 1]))) {
                ++at_;
                add(TokenKind::field, take_word(), start);
            } else if (c == '$') {
                ++at_;
                add(TokenKind::variable, "$" + take_word(), start);
            } else if (std::isdigit(static_cast<unsigned char>(c)) || c == '+' || c == '-' ||
                       (c == '.' && at_ + 1 < source_.size() &&
                        std::isdigit(static_cast<unsigned char>(source_[at_ + 1])))) {
                ++at_;
                while (at_ < source_.size() && (is_word(source_[at_]) || source_[at_] == '.' ||
                                                ((source_[at_] == '+' || source_[at_] == '-') &&
                                                 std::tolower(source_[at_ - 1]) == 'e')))
                    ++at_;
                add(TokenKind::number, std::string(source_.substr(start, at_ - start)), start);
            } else if (c == '.') {
                ++at_;
                add(TokenKind::dot, ".", start);
            } else if (is_word(c)) {
                add(TokenKind::identifier, take_word(), start);
            } else {
                fail_at(source_, start,
                        fmt::format("unexpected {} in command",
                                    quote_go(std::string_view(&source_[at_], 1))));
            }
        }
    }

    bool closes_with_trim() const {
        return std::isspace(static_cast<unsigned char>(source_[at_])) &&
               source_.substr(at_ + 1, 3) == "-}}";
    }

    std::string take_word() {
        const std::size_t start = at_;
        while (at_ < source_.size() && is_word(source_[at_])) ++at_;
        return std::string(source_.substr(start, at_ - start));
    }

    void lex_quoted(char quote) {
        const std::size_t start = at_++;
        std::string text;
        const std::string_view unterminated =
            quote == '"' ? "unterminated quoted string" : "unterminated character constant";
        for (;; ++at_) {
            if (at_ >= source_.size() || source_[at_] == '\n')
                fail_at(source_, start, unterminated);
            char c = source_[at_];
            if (c == quote) break;
            if (c == '\\') {
                if (++at_ >= source_.size()) fail_at(source_, start, unterminated);
                c = source_[at_];
                switch (c) {
                    case 'n': text += '\n'; break;
                    case 't': text += '\t'; break;
                    case 'r': text += '\r'; break;
                    case 'a': text += '\a'; break;
                    case 'b': text += '\b'; break;
                    case 'f': text += '\f'; break;
                    case 'v': text += '\v'; break;
                    case 'x': {
                        unsigned code = 0;
                        const std::string_view digits = source_.substr(at_ + 1, 2);
                        const auto [end, error] =
                            std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
                        if (error != std::errc() || end != digits.data() + 2)
                            fail_at(source_, start, "invalid syntax");
                        text += static_cast<char>(code);
                        at_ += 2;
                        break;
                    }
                    case '\\':
                    case '"':
                    case '\'': text += c; break;
                    default: fail_at(source_, start, "invalid syntax");
                }
            } else {
                text += c;
            }
        }
        ++at_;
        add(quote == '"' ? TokenKind::string : TokenKind::character, std::move(text), start);
    }

    std::string_view source_;
    std::size_t at_ = 0;
    bool trim_next_ = false;
    std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex_template(std::string_view source) { return Lexer(source).run(); }

}  // namespace hull::cli
