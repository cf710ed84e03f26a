#include "cli/template.hh"

#include "base/error.hh"
#include "cli/values.hh"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <deque>
#include <map>

namespace hull::cli {
namespace {

using json::Value;

// ---- words ------------------------------------------------------------------------------------

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

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80);
}

[[noreturn]] void fail_at(std::string_view source, std::size_t position, std::string_view what) {
    const auto line =
        1 + std::count(source.begin(), source.begin() + static_cast<long>(position), '\n');
    throw Error(ErrorKind::invalid_argument, "template: :{}: {}", line, what);
}

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

// ---- tree -------------------------------------------------------------------------------------

struct Pipeline;

struct Term {
    enum class Kind { dot, field, variable, function, constant, parenthesis } kind = Kind::dot;
    std::vector<std::string> fields;  // .A.B after a dot, a variable or a parenthesis
    std::string name;                 // function or variable
    Value constant;
    std::shared_ptr<Pipeline> inner;  // shared by copies of the tree only
    std::size_t position = 0;
    std::string source;  // for error messages
};

struct Call {
    std::vector<Term> terms;  // [0] is what is evaluated, the rest its arguments
    std::string source;
};

struct Pipeline {
    std::vector<std::string> variables;
    bool declares = false;
    std::vector<Call> calls;
};

struct Node {
    enum class Kind { text, action, if_, range, with, template_, break_, continue_ } kind;
    std::string text;  // or the name of the template
    Pipeline pipeline;
    std::vector<Node> body, otherwise;
};

constexpr std::string_view functions[] = {
    "and",     "eq",    "ge",    "gt",    "html",     "index", "join",    "json",  "le",
    "len",     "lower", "lt",    "ne",    "not",      "or",    "pad",     "print", "printf",
    "println", "slice", "split", "title", "truncate", "upper", "urlquery"};

class Parser {
public:
    Parser(std::string_view source, std::vector<Token> tokens,
           std::map<std::string, std::vector<Node>>& defined)
        : source_(source), tokens_(std::move(tokens)), defined_(defined) {}

    std::vector<Node> run() {
        std::vector<Node> nodes;
        std::string stop = parse_list(nodes, 0);
        if (!stop.empty()) fail(fmt::format("unexpected {{{{{}}}}}", stop));
        return nodes;
    }

private:
    const Token& peek() const { return tokens_[at_]; }
    Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    void skip_space() {
        while (peek().kind == TokenKind::space) ++at_;
    }
    [[noreturn]] void fail(std::string_view what) const {
        fail_at(source_, std::min(peek().position, source_.size()), what);
    }
    [[noreturn]] void fail_unexpected(std::string_view where) const {
        if (peek().kind == TokenKind::end) fail("unexpected EOF");
        const std::string shown = peek().kind == TokenKind::close
                                      ? std::string("\"}}\"")
                                      : fmt::format("<{}>", peek().text);
        fail(fmt::format("unexpected {} in {}", shown, where));
    }

    /// Parses nodes up to {{end}} or {{else…}} of `depth` > 0; returns the word that stopped it.
    std::string parse_list(std::vector<Node>& nodes, int loop_depth) {
        for (;;) {
            const Token token = take();
            if (token.kind == TokenKind::end) return "";
            if (token.kind == TokenKind::text) {
                nodes.push_back({Node::Kind::text, token.text, {}, {}, {}});
                continue;
            }
            assert(token.kind == TokenKind::open);
            skip_space();
            if (peek().kind == TokenKind::identifier) {
                const std::string word = peek().text;
                if (word == "end") {
                    take();
                    expect_close("end");
                    return "end";
                }
                if (word == "else") {
                    take();
                    skip_space();
                    return "else";
                }
                if (word == "if" || word == "with" || word == "range") {
                    take();
                    nodes.push_back(parse_branch(word, loop_depth));
                    continue;
                }
                if (word == "break" || word == "continue") {
                    take();
                    if (loop_depth == 0)
                        fail(fmt::format("{{{{{}}}}} outside {{{{range}}}}", word));
                    expect_close(word);
                    nodes.push_back({word == "break" ? Node::Kind::break_ : Node::Kind::continue_,
                                     "",
                                     {},
                                     {},
                                     {}});
                    continue;
                }
                if (word == "define" || word == "block" || word == "template") {
                    take();
                    parse_named(word, nodes);
                    continue;
                }
            }
            Node node{Node::Kind::action, "", {}, {}, {}};
            node.pipeline = parse_pipeline("command", TokenKind::close);
            nodes.push_back(std::move(node));
        }
    }

    void expect_close(std::string_view where) {
        skip_space();
        if (take().kind != TokenKind::close) {
            --at_;
            fail_unexpected(where);
        }
    }

    Node parse_branch(const std::string& word, int loop_depth) {
        Node node{word == "if"     ? Node::Kind::if_
                  : word == "with" ? Node::Kind::with
                                   : Node::Kind::range,
                  "",
                  {},
                  {},
                  {}};
        node.pipeline = parse_pipeline(word, TokenKind::close);
        const int inner = loop_depth + (word == "range" ? 1 : 0);
        std::string stop = parse_list(node.body, inner);
        if (stop == "else") {
            if (peek().kind == TokenKind::identifier &&
                (peek().text == "if" || peek().text == "with")) {
                const std::string nested = take().text;
                node.otherwise.push_back(parse_branch(nested, loop_depth));
                return node;  // the nested branch took our {{end}}
            }
            expect_close("else");
            stop = parse_list(node.otherwise, inner);
            if (stop == "else") fail("expected end; found {{else}}");
        }
        if (stop.empty()) fail("unexpected EOF");
        return node;
    }

    void parse_named(const std::string& word, std::vector<Node>& nodes) {
        skip_space();
        if (peek().kind != TokenKind::string) fail_unexpected(word + " clause");
        const std::string name = take().text;
        skip_space();
        Node use{Node::Kind::template_, name, {}, {}, {}};
        if (word != "define" && peek().kind != TokenKind::close)
            use.pipeline = parse_pipeline(word, TokenKind::close);
        else
            expect_close(word);
        if (word != "template") {
            std::vector<Node> body;
            if (parse_list(body, 0) != "end") fail("unexpected EOF");
            defined_[name] = std::move(body);
        }
        if (word != "define") nodes.push_back(std::move(use));
    }

    Pipeline parse_pipeline(std::string_view where, TokenKind end) {
        Pipeline pipeline;
        parse_variables(pipeline, where);
        for (;;) {
            skip_space();
            Call call;
            while (peek().kind != TokenKind::pipe && peek().kind != end) {
                call.terms.push_back(parse_term(where));
                call.source += (call.source.empty() ? "" : " ") + call.terms.back().source;
                if (peek().kind != TokenKind::space && peek().kind != TokenKind::pipe &&
                    peek().kind != end)
                    fail_unexpected(where);
                skip_space();
            }
            if (call.terms.empty())
                fail(pipeline.calls.empty() ? fmt::format("missing value for {}", where)
                                            : fmt::format("missing value for {}", where));
            if (!pipeline.calls.empty() && call.terms[0].kind == Term::Kind::constant)
                fail(fmt::format("non executable command in pipeline stage {}",
                                 pipeline.calls.size() + 1));
            pipeline.calls.push_back(std::move(call));
            if (take().kind == end) return pipeline;
        }
    }

    void parse_variables(Pipeline& pipeline, std::string_view where) {
        skip_space();
        const std::size_t start = at_;
        std::vector<std::string> names;
        while (peek().kind == TokenKind::variable) {
            names.push_back(take().text);
            skip_space();
            if (peek().kind == TokenKind::declare || peek().kind == TokenKind::assign) {
                pipeline.declares = take().kind == TokenKind::declare;
                for (const std::string& name : names)
                    if (pipeline.declares) known_.push_back(name);
                pipeline.variables = std::move(names);
                return;
            }
            if (peek().kind != TokenKind::comma || where != "range") break;
            take();
            skip_space();
        }
        at_ = start;
    }

    Term parse_term(std::string_view where) {
        Term term;
        const Token token = peek();
        term.position = token.position;
        switch (token.kind) {
            case TokenKind::dot: term.source = "."; break;
            case TokenKind::field: term.kind = Term::Kind::field; break;  // the loop below takes it
            case TokenKind::variable:
                term.kind = Term::Kind::variable;
                term.name = term.source = token.text;
                if (token.text != "$" &&
                    std::find(known_.begin(), known_.end(), token.text) == known_.end())
                    fail(fmt::format("undefined variable \"{}\"", token.text));
                break;
            case TokenKind::string:
                term.kind = Term::Kind::constant;
                term.constant = token.text;
                term.source = quote_go(token.text);
                break;
            case TokenKind::character:
                term.kind = Term::Kind::constant;
                term.constant = token.text.empty() ? 0 : static_cast<int>(token.text[0]);
                term.source = "'" + token.text + "'";
                break;
            case TokenKind::number: {
                term.kind = Term::Kind::constant;
                term.source = token.text;
                try {
                    if (token.text.find_first_of(".eE") != std::string::npos &&
                        token.text.find_first_of("xX") == std::string::npos)
                        term.constant = std::stod(token.text);
                    else
                        term.constant = parse_integer(token.text);
                } catch (const std::exception&) {
                    fail(fmt::format("bad number syntax: {}", quote_go(token.text)));
                }
                break;
            }
            case TokenKind::identifier:
                term.source = token.text;
                if (token.text == "true" || token.text == "false" || token.text == "nil") {
                    term.kind = Term::Kind::constant;
                    if (token.text != "nil") term.constant = token.text == "true";
                    break;
                }
                term.kind = Term::Kind::function;
                term.name = token.text;
                if (std::find(std::begin(functions), std::end(functions), token.text) ==
                    std::end(functions))
                    fail(fmt::format("function \"{}\" not defined", token.text));
                break;
            case TokenKind::left_paren: {
                take();
                term.kind = Term::Kind::parenthesis;
                term.inner = std::make_shared<Pipeline>(
                    parse_pipeline("parenthesized pipeline", TokenKind::right_paren));
                term.source = "(";
                for (const Call& call : term.inner->calls)
                    term.source += (term.source.size() > 1 ? " | " : "") + call.source;
                term.source += ")";
                --at_;  // so that the take() below takes the parenthesis
                break;
            }
            default:
                if (token.kind == TokenKind::end) fail("unclosed action");
                fail_unexpected(where);
        }
        if (token.kind != TokenKind::field) take();
        bool first = token.kind == TokenKind::field;
        while (peek().kind == TokenKind::field) {
            if (term.kind == Term::Kind::constant || term.kind == Term::Kind::function)
                fail(fmt::format("unexpected . after term {}", quote_go(term.source)));
            // Go reports a chain at its second member.
            if (!first && term.fields.size() == 1) term.position = peek().position;
            first = false;
            term.fields.push_back(take().text);
            term.source += "." + term.fields.back();
        }
        return term;
    }

    std::string_view source_;
    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    std::vector<std::string> known_;
    std::map<std::string, std::vector<Node>>& defined_;
};

// ---- values as Go sees them -------------------------------------------------------------------

bool is_true(const Value& value) {
    if (value.is_null()) return false;
    if (value.is_bool()) return value.as_bool();
    if (value.is_number()) return value.as_double() != 0;
    if (value.is_string()) return !value.as_string().empty();
    if (value.is_array()) return !value.as_array().empty();
    return !value.as_object().empty();
}

std::string_view type_of(const Value& value) {
    if (value.is_null()) return "<nil>";
    if (value.is_bool()) return "bool";
    if (value.is_string()) return "string";
    if (value.is_array()) return "[]interface {}";
    if (value.is_object()) return "map[string]interface {}";
    try {
        value.as_int();
        return "int";
    } catch (const Error&) {
        return "float64";
    }
}

/// Members of Docker's structs that are pointers: nil prints as <nil>.
constexpr std::string_view pointer_members[] = {
    "BindOptions",  "DriverConfig", "Health",           "Healthcheck",    "IPAMConfig",
    "ImageOptions", "Init",         "MemorySwappiness", "OomKillDisable", "PidsLimit",
    "SizeRootFs",   "SizeRw",       "StopTimeout",      "TmpfsOptions",   "VolumeOptions"};
/// Members that are Go maps.
constexpr std::string_view map_members[] = {
    "Annotations", "Config",       "Data",  "DriverOpts", "ExposedPorts", "Labels", "Networks",
    "Options",     "PortBindings", "Ports", "StorageOpt", "Sysctls",      "Tmpfs",  "Volumes"};
/// Members with `omitempty` that are strings or slices.
constexpr std::string_view other_optional_members[] = {"ArgsEscaped",
                                                       "Cgroup",
                                                       "MacAddress",
                                                       "Mounts",
                                                       "NetworkDisabled",
                                                       "OsVersion",
                                                       "Runtime",
                                                       "Shell",
                                                       "StopSignal",
                                                       "Variant",
                                                       "Platform",
                                                       "GwPriority",
                                                       "ImageManifestDescriptor"};

template <std::size_t N>
bool contains(const std::string_view (&list)[N], std::string_view name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

/// Go prints structs as {…} and maps as map[…]; a JSON object whose members are all exported Go
/// names was a struct.
bool looks_like_struct(const json::Object& object) {
    return !object.empty() && std::all_of(object.begin(), object.end(), [](const auto& member) {
        return !member.first.empty() && member.first[0] >= 'A' && member.first[0] <= 'Z' &&
               std::all_of(member.first.begin(), member.first.end(),
                           [](unsigned char c) { return std::isalnum(c); });
    });
}

std::vector<const json::Object::Member*> sorted_members(const json::Object& object) {
    std::vector<const json::Object::Member*> members;
    for (const auto& member : object) members.push_back(&member);
    std::sort(members.begin(), members.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    return members;
}

std::string print_number(const Value& value) {
    if (type_of(value) == "int") return fmt::format("{}", value.as_int());
    const double number = value.as_double();
    const double magnitude = std::fabs(number);
    if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e21)) {
        char text[64];
        const auto [end, error] =
            std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
        return std::string(text, end);
    }
    char text[64];
    const auto [end, error] =
        std::to_chars(text, text + sizeof text, number, std::chars_format::fixed);
    return std::string(text, end);
}

std::string to_title(std::string text) {
    bool start = true;
    for (char& c : text) {
        if (start) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        start = !is_word(c) && c != '\'';
    }
    return text;
}

std::size_t next_rune(std::string_view text, std::size_t at) {
    do ++at;
    while (at < text.size() && (text[at] & 0xc0) == 0x80);
    return at;
}

// ---- execution --------------------------------------------------------------------------------

struct Operand {
    const Value* value = nullptr;
    std::string name;  // the member it came from
};

struct LoopBreak {};
struct LoopContinue {};

class Executor {
public:
    Executor(const TemplateScope& scope, std::string_view source,
             const std::map<std::string, std::vector<Node>>& defined)
        : scope_(scope), source_(source), defined_(defined) {}

    std::string run(const std::vector<Node>& nodes, const Value& data) {
        root_ = &data;
        variables_.push_back({"$", {&data, ""}});
        walk(nodes, {&data, ""});
        return std::move(output_);
    }

private:
    [[noreturn]] void fail(const Term& term, std::string_view what) const {
        const std::string_view before = source_.substr(0, term.position);
        const std::size_t newline = before.rfind('\n');
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const std::size_t column =
            newline == std::string_view::npos ? term.position : term.position - newline - 1;
        const std::string context =
            term.source.size() > 20 ? term.source.substr(0, 20) + "..." : term.source;
        throw Error(ErrorKind::invalid_argument, "template: :{}:{}: executing \"{}\" at <{}>: {}",
                    line, column, name_, context, what);
    }

    const Value* keep(Value value) { return &kept_.emplace_back(std::move(value)); }

    void walk(const std::vector<Node>& nodes, const Operand& dot) {
        for (const Node& node : nodes) {
            switch (node.kind) {
                case Node::Kind::text: output_ += node.text; break;
                case Node::Kind::action: {
                    const Operand result = evaluate(node.pipeline, dot);
                    if (node.pipeline.variables.empty()) output_ += print_operand(result);
                    break;
                }
                case Node::Kind::if_:
                case Node::Kind::with: {
                    const std::size_t mark = variables_.size();
                    const Operand result = evaluate(node.pipeline, dot);
                    if (is_true(*result.value))
                        walk(node.body, node.kind == Node::Kind::with ? result : dot);
                    else
                        walk(node.otherwise, dot);
                    variables_.resize(mark);
                    break;
                }
                case Node::Kind::range: walk_range(node, dot); break;
                case Node::Kind::template_: {
                    const auto found = defined_.find(node.text);
                    if (found == defined_.end())
                        throw Error(ErrorKind::invalid_argument,
                                    "template: :1: template \"{}\" not defined", node.text);
                    if (++depth_ > 1000)
                        throw Error(ErrorKind::invalid_argument,
                                    "template: exceeded maximum template depth (1000)");
                    static const Value null;
                    const Operand data = node.pipeline.calls.empty() ? Operand{&null, ""}
                                                                     : evaluate(node.pipeline, dot);
                    auto outer = std::exchange(variables_, {{"$", data}});
                    walk(found->second, data);
                    variables_ = std::move(outer);
                    --depth_;
                    break;
                }
                case Node::Kind::break_: throw LoopBreak();
                case Node::Kind::continue_: throw LoopContinue();
            }
        }
    }

    void walk_range(const Node& node, const Operand& dot) {
        const std::size_t mark = variables_.size();
        const Operand over = evaluate(node.pipeline, dot, true);
        const std::size_t loop_mark = variables_.size();
        bool any = false;
        const auto one = [&](const Value* key, const Value* element) {
            any = true;
            const std::vector<std::string>& names = node.pipeline.variables;
            const auto bind = [&](const std::string& name, const Value* value) {
                if (node.pipeline.declares)
                    variables_.push_back({name, {value, ""}});
                else
                    set_variable(name, {value, ""});
            };
            if (names.size() == 1) bind(names[0], element);
            if (names.size() == 2) {
                bind(names[0], key);
                bind(names[1], element);
            }
            const std::size_t inner_mark = variables_.size();
            try {
                walk(node.body, {element, ""});
            } catch (const LoopContinue&) {
            }
            (void)inner_mark;
            variables_.resize(loop_mark);
        };
        try {
            if (over.value->is_array()) {
                int index = 0;
                for (const Value& element : over.value->as_array())
                    one(keep(Value(index++)), &element);
            } else if (over.value->is_object()) {
                for (const auto* member : sorted_members(over.value->as_object()))
                    one(keep(Value(member->first)), &member->second);
            } else if (over.value->is_number() && type_of(*over.value) == "int") {
                for (std::int64_t i = 0; i < over.value->as_int(); ++i)
                    one(keep(Value(static_cast<long long>(i))),
                        keep(Value(static_cast<long long>(i))));
            } else if (!over.value->is_null()) {
                Term term = node.pipeline.calls[0].terms[0];
                term.source = node.pipeline.calls[0].source;
                fail(term, fmt::format("range can't iterate over {}", print_go(*over.value)));
            }
        } catch (const LoopBreak&) {
            any = true;
        }
        variables_.resize(mark);
        if (!any) walk(node.otherwise, dot);
    }

    void set_variable(const std::string& name, Operand value) {
        for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable) {
            if (variable->first == name) {
                variable->second = std::move(value);
                return;
            }
        }
    }

    Operand evaluate(const Pipeline& pipeline, const Operand& dot, bool in_range = false) {
        Operand result;
        bool first = true;
        for (const Call& call : pipeline.calls) {
            result = evaluate_call(call, dot, first ? nullptr : &result);
            first = false;
        }
        if (!in_range && !pipeline.variables.empty()) {
            if (pipeline.declares)
                variables_.push_back({pipeline.variables[0], result});
            else
                set_variable(pipeline.variables[0], result);
        }
        return result;
    }

    Operand evaluate_call(const Call& call, const Operand& dot, const Operand* piped) {
        const Term& head = call.terms[0];
        if (head.kind == Term::Kind::function) return call_function(call, dot, piped);
        if (head.kind == Term::Kind::field && (call.terms.size() > 1 || piped)) {
            std::vector<const Value*> arguments;
            for (std::size_t i = 1; i < call.terms.size(); ++i)
                arguments.push_back(evaluate_term(call.terms[i], dot).value);
            if (piped) arguments.push_back(piped->value);
            if (scope_.method && head.fields.size() == 1) {
                if (std::optional<Value> value = scope_.method(head.fields[0], arguments))
                    return {keep(std::move(*value)), ""};
            }
            fail(head, fmt::format("{} is not a method but has arguments", head.fields.back()));
        }
        if (call.terms.size() > 1 || piped)
            fail(head, fmt::format("can't give argument to non-function {}", head.source));
        return evaluate_term(head, dot);
    }

    Operand evaluate_term(const Term& term, const Operand& dot) {
        switch (term.kind) {
            case Term::Kind::dot: return follow(term, dot);
            case Term::Kind::field: return follow(term, dot);
            case Term::Kind::constant: return {&term.constant, ""};
            case Term::Kind::parenthesis: return follow(term, evaluate(*term.inner, dot));
            case Term::Kind::variable:
                for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable)
                    if (variable->first == term.name) return follow(term, variable->second);
                fail(term, fmt::format("undefined variable \"{}\"", term.name));
            case Term::Kind::function: return call_function({{term}, term.source}, dot, nullptr);
        }
        return dot;
    }

    Operand follow(const Term& term, Operand from) {
        for (const std::string& name : term.fields) {
            const Value& receiver = *from.value;
            if (!receiver.is_object()) {
                if (receiver.is_null())
                    fail(term, fmt::format("nil pointer evaluating interface {{}}.{}", name));
                fail(term,
                     fmt::format("can't evaluate field {} in type {}", name,
                                 receiver.is_array() || receiver.is_string() ? "interface {}"
                                                                             : type_of(receiver)));
            }
            const Value* member = receiver.as_object().find(name);
            if (!member) {
                if (&receiver == root_ && scope_.method) {
                    if (std::optional<Value> value = scope_.method(name, {})) {
                        from = {keep(std::move(*value)), name};
                        continue;
                    }
                }
                if (!scope_.docker_members ||
                    !(contains(pointer_members, name) || contains(map_members, name) ||
                      contains(other_optional_members, name))) {
                    if (&receiver == root_ && !scope_.type_name.empty())
                        fail(term, fmt::format("can't evaluate field {} in type {}", name,
                                               scope_.type_name));
                    fail(term, fmt::format("map has no entry for key {}", quote_go(name)));
                }
                static const Value null, empty{""};
                member =
                    contains(other_optional_members, name) && name != "Mounts" && name != "Shell"
                        ? &empty
                        : &null;
            }
            from = {member, name};
        }
        return from;
    }

    std::string print_operand(const Operand& operand) {
        if (operand.value->is_null() && operand.name.empty()) return "<no value>";
        return print_go(*operand.value, operand.name);
    }

    Operand call_function(const Call& call, const Operand& dot, const Operand* piped) {
        const Term& head = call.terms[0];
        const std::string& name = head.name;
        const std::size_t count = call.terms.size() - 1 + (piped ? 1 : 0);
        const auto argument = [&](std::size_t i) -> Operand {
            return i + 1 < call.terms.size() ? evaluate_term(call.terms[i + 1], dot) : *piped;
        };
        if (name == "and" || name == "or") {  // these stop at the first that decides
            if (count == 0)
                fail(head, fmt::format("wrong number of args for {}: want at least 1 got 0", name));
            Operand last;
            for (std::size_t i = 0; i < count; ++i) {
                last = argument(i);
                if (is_true(*last.value) == (name == "or")) break;
            }
            return last;
        }
        std::vector<Operand> operands;
        std::vector<const Value*> arguments;
        for (std::size_t i = 0; i < count; ++i) operands.push_back(argument(i));
        for (const Operand& operand : operands) arguments.push_back(operand.value);
        const auto want = [&](std::size_t min, std::size_t max) {
            if (count >= min && count <= max) return;
            fail(head,
                 min == max
                     ? fmt::format("wrong number of args for {}: want {} got {}", name, min, count)
                     : fmt::format("wrong number of args for {}: want at least {} got {}", name,
                                   min, count));
        };
        const auto text = [&](std::size_t i) -> const std::string& {
            if (!arguments[i]->is_string())
                fail(call.terms[std::min(i + 1, call.terms.size() - 1)],
                     fmt::format("wrong type for value; expected string; got {}",
                                 type_of(*arguments[i])));
            return arguments[i]->as_string();
        };
        const auto number = [&](std::size_t i) -> std::int64_t {
            if (type_of(*arguments[i]) != "int")
                fail(call.terms[std::min(i + 1, call.terms.size() - 1)],
                     fmt::format("wrong type for value; expected int; got {}",
                                 type_of(*arguments[i])));
            return arguments[i]->as_int();
        };
        const auto give = [&](Value value) { return Operand{keep(std::move(value)), ""}; };

        if (name == "json") {
            want(1, 1);
            return give(json::dump(*arguments[0]));
        }
        if (name == "lower" || name == "upper" || name == "title") {
            want(1, 1);
            std::string result = text(0);
            if (name == "lower") result = lower(result);
            if (name == "upper")
                std::transform(result.begin(), result.end(), result.begin(),
                               [](unsigned char c) { return std::toupper(c); });
            if (name == "title") result = to_title(result);
            return give(result);
        }
        if (name == "join") {
            want(2, 2);
            if (!arguments[0]->is_array() && !arguments[0]->is_null())
                fail(call.terms[1], fmt::format("wrong type for value; expected []string; got {}",
                                                type_of(*arguments[0])));
            std::string result;
            if (arguments[0]->is_array()) {
                for (const Value& item : arguments[0]->as_array())
                    result +=
                        (&item == arguments[0]->as_array().data() ? "" : text(1)) + print_go(item);
            }
            return give(result);
        }
        if (name == "split") {
            want(2, 2);
            json::Array parts;
            std::string_view rest = text(0);
            const std::string& separator = text(1);
            while (!rest.empty() && separator.empty()) {
                const std::size_t end = next_rune(rest, 0);
                parts.push_back(rest.substr(0, end));
                rest.remove_prefix(end);
            }
            if (!separator.empty()) {
                for (std::size_t at; (at = rest.find(separator)) != std::string_view::npos;
                     rest.remove_prefix(at + separator.size()))
                    parts.push_back(rest.substr(0, at));
                parts.push_back(rest);
            }
            return give(std::move(parts));
        }
        if (name == "pad") {
            want(3, 3);
            if (text(0).empty()) return give("");
            return give(
                std::string(static_cast<std::size_t>(std::max<std::int64_t>(number(1), 0)), ' ') +
                text(0) +
                std::string(static_cast<std::size_t>(std::max<std::int64_t>(number(2), 0)), ' '));
        }
        if (name == "truncate") {
            want(2, 2);
            const std::int64_t length = number(1);
            return give(
                text(0).substr(0, static_cast<std::size_t>(std::max<std::int64_t>(length, 0))));
        }
        if (name == "print" || name == "println") {
            std::string result;
            for (std::size_t i = 0; i < count; ++i) {
                const bool strings =
                    i > 0 && (arguments[i]->is_string() || arguments[i - 1]->is_string());
                if (i > 0 && (name == "println" || !strings)) result += ' ';
                result += print_go(*arguments[i], operands[i].name);
            }
            if (name == "println") result += '\n';
            return give(result);
        }
        if (name == "printf") {
            want(1, 1000);
            return give(format(text(0), std::span(operands).subspan(1)));
        }
        if (name == "len") {
            want(1, 1);
            const Value& value = *arguments[0];
            if (value.is_null()) return give(0);
            if (value.is_string()) return give(value.as_string().size());
            if (value.is_array()) return give(value.as_array().size());
            if (value.is_object()) return give(value.as_object().size());
            fail(head, fmt::format("error calling len: len of type {}", type_of(value)));
        }
        if (name == "not") {
            want(1, 1);
            return give(!is_true(*arguments[0]));
        }
        if (name == "index") {
            want(1, 1000);
            return index(head, operands);
        }
        if (name == "slice") {
            want(1, 4);
            return give(slice(head, arguments));
        }
        if (name == "html" || name == "urlquery") {
            std::string joined;
            for (const Value* value : arguments) joined += print_go(*value);
            return give(name == "html" ? escape_html(joined) : escape_url(joined));
        }
        want(2, name == "eq" ? 1000 : 2);
        return give(compare(head, name, arguments));
    }

    Operand index(const Term& head, const std::vector<Operand>& operands) {
        static const Value null;
        Operand item = operands[0];
        for (std::size_t i = 1; i < operands.size(); ++i) {
            const Value& key = *operands[i].value;
            const Value& from = *item.value;
            if (from.is_array() || (from.is_null() && key.is_number())) {
                if (type_of(key) != "int")
                    fail(head,
                         fmt::format("error calling index: cannot index slice/array with type {}",
                                     type_of(key)));
                const std::int64_t at = key.as_int();
                const std::int64_t size =
                    from.is_array() ? static_cast<std::int64_t>(from.as_array().size()) : 0;
                if (at < 0 || at >= size)
                    fail(head, fmt::format("error calling index: {}: {}",
                                           from.is_null() ? "index of untyped nil"
                                                          : "reflect: slice index out of range",
                                           at));
                item = {&from.as_array()[static_cast<std::size_t>(at)], ""};
            } else if (from.is_object()) {
                if (!key.is_string())
                    fail(head,
                         fmt::format("error calling index: value has type {}; should be string",
                                     type_of(key)));
                const Value* member = from.as_object().find(key.as_string());
                // A missing key is the zero value of the map's elements: "" where they are strings.
                static const Value empty{""};
                const bool strings =
                    std::all_of(from.as_object().begin(), from.as_object().end(),
                                [](const auto& m) { return m.second.is_string(); });
                item = {member ? member : strings ? &empty : &null, ""};
            } else if (from.is_null()) {
                static const Value empty{""};
                item = {&empty, ""};
            } else {
                fail(head, fmt::format("error calling index: can't index item of type {}",
                                       type_of(from)));
            }
        }
        return item;
    }

    Value slice(const Term& head, const std::vector<const Value*>& arguments) {
        const Value& from = *arguments[0];
        if (!from.is_string() && !from.is_array())
            fail(head,
                 fmt::format("error calling slice: can't slice item of type {}", type_of(from)));
        const auto size = static_cast<std::int64_t>(from.is_string() ? from.as_string().size()
                                                                     : from.as_array().size());
        std::int64_t bounds[2] = {0, size};
        for (std::size_t i = 1; i < arguments.size() && i < 3; ++i) {
            if (type_of(*arguments[i]) != "int")
                fail(head, fmt::format("error calling slice: cannot index slice/array with type {}",
                                       type_of(*arguments[i])));
            bounds[i - 1] = arguments[i]->as_int();
            if (bounds[i - 1] < 0 || bounds[i - 1] > size)
                fail(head,
                     fmt::format("error calling slice: index out of range: {}", bounds[i - 1]));
        }
        if (bounds[0] > bounds[1])
            fail(head, fmt::format("error calling slice: invalid slice index: {} > {}", bounds[0],
                                   bounds[1]));
        if (from.is_string())
            return from.as_string().substr(static_cast<std::size_t>(bounds[0]),
                                           static_cast<std::size_t>(bounds[1] - bounds[0]));
        const json::Array& array = from.as_array();
        return json::Array(array.begin() + bounds[0], array.begin() + bounds[1]);
    }

    bool compare(const Term& head, std::string_view name,
                 const std::vector<const Value*>& arguments) {
        const Value& left = *arguments[0];
        const auto equal = [&](const Value& right) {
            if (left.is_number() && right.is_number()) return left.as_double() == right.as_double();
            if (left.is_null() || right.is_null()) return left.is_null() && right.is_null();
            if (left.is_array() || left.is_object() || right.is_array() || right.is_object())
                fail(head, fmt::format("error calling {}: non-comparable type {}: {}", name,
                                       print_go(left), type_of(left)));
            if (type_of(left) != type_of(right))
                fail(head,
                     fmt::format("error calling {}: incompatible types for comparison", name));
            return left == right;
        };
        if (name == "eq")
            return std::any_of(arguments.begin() + 1, arguments.end(),
                               [&](const Value* right) { return equal(*right); });
        const Value& right = *arguments[1];
        if (name == "ne") return !equal(right);
        int order = 0;
        if (left.is_number() && right.is_number()) {
            const double a = left.as_double(), b = right.as_double();
            order = a < b ? -1 : a > b ? 1 : 0;
        } else if (left.is_string() && right.is_string()) {
            order = left.as_string().compare(right.as_string());
        } else {
            fail(head, fmt::format("error calling {}: {}", name,
                                   type_of(left) == type_of(right)
                                       ? "invalid type for comparison"
                                       : "incompatible types for comparison"));
        }
        if (name == "lt") return order < 0;
        if (name == "le") return order <= 0;
        if (name == "gt") return order > 0;
        return order >= 0;
    }

    static std::string escape_html(std::string_view text) {
        std::string result;
        for (char c : text) {
            if (c == '&')
                result += "&amp;";
            else if (c == '<')
                result += "&lt;";
            else if (c == '>')
                result += "&gt;";
            else if (c == '"')
                result += "&#34;";
            else if (c == '\'')
                result += "&#39;";
            else
                result += c;
        }
        return result;
    }

    static std::string escape_url(std::string_view text) {
        std::string result;
        for (char c : text) {
            if (std::isalnum(static_cast<unsigned char>(c)) ||
                std::string_view("-_.~").find(c) != std::string_view::npos)
                result += c;
            else if (c == ' ')
                result += '+';
            else
                result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
        return result;
    }

    /// Go's fmt.Sprintf for the verbs that templates use.
    static std::string format(std::string_view pattern, std::span<const Operand> operands) {
        std::string result;
        std::size_t next = 0;
        for (std::size_t at = 0; at < pattern.size(); ++at) {
            if (pattern[at] != '%') {
                result += pattern[at];
                continue;
            }
            bool left = false, zero = false, plus = false, sharp = false, precise = false;
            std::size_t width = 0, precision = 0;
            for (++at; at < pattern.size() &&
                       std::string_view("-0+# ").find(pattern[at]) != std::string_view::npos;
                 ++at) {
                left |= pattern[at] == '-';
                zero |= pattern[at] == '0';
                plus |= pattern[at] == '+';
                sharp |= pattern[at] == '#';
            }
            const auto read_count = [&](std::size_t& count) {
                if (at < pattern.size() && pattern[at] == '*' && next < operands.size()) {
                    ++at;
                    const Value& given = *operands[next++].value;
                    count = given.is_number() && given.as_double() > 0 && given.as_double() < 4096
                                ? static_cast<std::size_t>(given.as_double())
                                : 0;
                    return;
                }
                for (; at < pattern.size() && std::isdigit(static_cast<unsigned char>(pattern[at]));
                     ++at)
                    count = std::min<std::size_t>(
                        count * 10 + static_cast<std::size_t>(pattern[at] - '0'), 4096);
            };
            read_count(width);
            if (at < pattern.size() && pattern[at] == '.') {
                ++at;
                precise = true;
                read_count(precision);
            }
            if (at >= pattern.size()) {
                result += "%!(NOVERB)";
                break;
            }
            const char verb = pattern[at];
            if (verb == '%') {
                result += '%';
                continue;
            }
            if (next >= operands.size()) {
                result += fmt::format("%!{}(MISSING)", verb);
                continue;
            }
            const Operand& operand = operands[next++];
            const Value& value = *operand.value;
            std::string text =
                format_verb(verb, value, operand.name, precise, precision, plus, sharp);
            std::size_t runes = 0;
            for (std::size_t i = 0; i < text.size(); i = next_rune(text, i)) ++runes;
            const std::size_t padding = width > runes ? width - runes : 0;
            if (left)
                result += text + std::string(padding, ' ');
            else if (zero && value.is_number() && !text.empty() && text[0] == '-')
                result += "-" + std::string(padding, '0') + text.substr(1);
            else
                result += std::string(padding, zero ? '0' : ' ') + text;
        }
        if (next < operands.size()) {
            result += "%!(EXTRA ";
            for (std::size_t i = next; i < operands.size(); ++i)
                result += fmt::format("{}{}={}", i > next ? ", " : "", type_of(*operands[i].value),
                                      print_go(*operands[i].value));
            result += ")";
        }
        return result;
    }

    static std::string format_verb(char verb, const Value& value, const std::string& name,
                                   bool precise, std::size_t precision, bool plus, bool sharp) {
        const bool integer = type_of(value) == "int";
        switch (verb) {
            case 'v': return print_go(value, name);
            case 's':
                if (value.is_number() || value.is_bool()) break;
                return precise ? print_go(value).substr(0, precision) : print_go(value);
            case 'q':
                if (value.is_string()) return quote_go(value.as_string());
                break;
            case 'd':
                if (integer)
                    return fmt::format("{}{}", plus && value.as_int() >= 0 ? "+" : "",
                                       value.as_int());
                break;
            case 'x':
            case 'X':
                if (integer)
                    return verb == 'x' ? fmt::format("{}{:x}", sharp ? "0x" : "", value.as_int())
                                       : fmt::format("{}{:X}", sharp ? "0X" : "", value.as_int());
                if (value.is_string()) {
                    std::string hex;
                    for (unsigned char c : value.as_string()) hex += fmt::format("{:02x}", c);
                    return hex;
                }
                break;
            case 'o':
                if (integer) return fmt::format("{}{:o}", sharp ? "0" : "", value.as_int());
                break;
            case 'c':
                if (integer) return std::string(1, static_cast<char>(value.as_int()));
                break;
            case 't':
                if (value.is_bool()) return value.as_bool() ? "true" : "false";
                break;
            case 'T': return std::string(type_of(value));
            case 'f':
            case 'e':
            case 'g':
                if (value.is_number() && !integer)
                    return verb == 'f'
                               ? fmt::format("{:.{}f}", value.as_double(), precise ? precision : 6)
                           : verb == 'e'
                               ? fmt::format("{:.{}e}", value.as_double(), precise ? precision : 6)
                               : print_number(value);
                break;
            default: break;
        }
        return fmt::format("%!{}({}={})", verb, type_of(value), print_go(value));
    }

    const TemplateScope& scope_;
    std::string_view source_;
    const std::map<std::string, std::vector<Node>>& defined_;
    const Value* root_ = nullptr;
    std::vector<std::pair<std::string, Operand>> variables_;
    std::deque<Value> kept_;
    std::string output_;
    std::string name_;
    int depth_ = 0;
};

}  // namespace

std::string print_go(const Value& value, std::string_view name) {
    if (value.is_null()) {
        if (name.empty() || contains(pointer_members, name)) return "<nil>";
        return contains(map_members, name) ? "map[]" : "[]";
    }
    if (value.is_bool()) return value.as_bool() ? "true" : "false";
    if (value.is_string()) return value.as_string();
    if (value.is_number()) return print_number(value);
    std::string result;
    if (value.is_array()) {
        for (const Value& item : value.as_array())
            result += (result.empty() ? "[" : " ") + print_go(item);
        return result.empty() ? "[]" : result + "]";
    }
    const json::Object& object = value.as_object();
    if (looks_like_struct(object) && !contains(map_members, name)) {
        for (const auto& member : object)
            result += (result.empty() ? "{" : " ") + print_go(member.second, member.first);
        return result + "}";
    }
    result = "map[";
    for (const auto* member : sorted_members(object)) {
        const bool unit = member->second.is_object() && member->second.as_object().empty();
        result += (result.size() > 4 ? " " : "") + member->first + ":" +
                  (unit ? "{}" : print_go(member->second, "[]"));
    }
    return result + "]";
}

std::string quote_go(std::string_view text) {
    std::string result = "\"";
    for (char c : text) {
        switch (c) {
            case '"': result += "\\\""; break;
            case '\\': result += "\\\\"; break;
            case '\n': result += "\\n"; break;
            case '\t': result += "\\t"; break;
            case '\r': result += "\\r"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                    result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
                else
                    result += c;
        }
    }
    return result + "\"";
}

struct Template::Program {
    std::string source;
    std::vector<Node> nodes;
    std::map<std::string, std::vector<Node>> defined;
};

Template::Template(std::string_view text) : program_(std::make_unique<Program>()) {
    program_->source = text;
    std::vector<Token> tokens = Lexer(program_->source).run();
    program_->nodes = Parser(program_->source, std::move(tokens), program_->defined).run();
}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

std::string Template::execute(const Value& data, const TemplateScope& scope) const {
    return Executor(scope, program_->source, program_->defined).run(program_->nodes, data);
}

}  // namespace hull::cli
