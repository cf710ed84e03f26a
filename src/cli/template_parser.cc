#include "base/error.hh"
#include "cli/numbers.hh"
#include "cli/template.hh"
#include "cli/template_lexer.hh"
#include "cli/template_tree.hh"

#include <algorithm>
#include <cassert>

namespace hull::cli {
namespace {

constexpr std::string_view functions[] = {
    "and",   "call",   "eq",      "ge",    "gt",    "html",  "index",    "join",  "js",
    "json",  "le",     "len",     "lower", "lt",    "ne",    "not",      "or",    "pad",
    "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery"};

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

}  // namespace

TemplateTree parse_template(std::string_view source) {
    TemplateTree tree;
    tree.source = source;
    tree.nodes = Parser(tree.source, lex_template(tree.source), tree.defined).run();
    return tree;
}

}  // namespace hull::cli
