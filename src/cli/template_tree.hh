#pragma once
#include "base/json.hh"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// A parsed template.
namespace hull::cli {

struct Pipeline;

struct Term {
    enum class Kind { dot, field, variable, function, constant, parenthesis } kind = Kind::dot;
    std::vector<std::string> fields;  // .A.B after a dot, a variable or a parenthesis
    std::string name;                 // function or variable
    json::Value constant;
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

struct TemplateTree {
    std::string source;
    std::vector<Node> nodes;
    std::map<std::string, std::vector<Node>> defined;  ///< by {{define}} and {{block}}
};

/// Throws invalid_argument, Go's texts.
TemplateTree parse_template(std::string_view source);

}  // namespace hull::cli
