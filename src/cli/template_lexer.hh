#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// The words of a template: text, and what stands between {{ and }}.
namespace hull::cli {

enum class TokenKind {
    text,
    open,
    close,
    space,
    identifier,
    field,     // .Name
    dot,       // .
    variable,  // $x
    string,
    character,
    number,
    pipe,
    left_paren,
    right_paren,
    declare,  // :=
    assign,   // =
    comma,
    end,
};

struct Token {
    TokenKind kind;
    std::string text;
    std::size_t position;
};

/// A letter, digit, underscore or part of a character that is not ASCII.
bool is_word(char c);
/// Throws invalid_argument with Go's "template: :LINE: …".
[[noreturn]] void fail_at(std::string_view source, std::size_t position, std::string_view what);

/// Throws invalid_argument, Go's texts. The last token is `end`.
std::vector<Token> lex_template(std::string_view source);

}  // namespace hull::cli
