#pragma once
#include "cli/template_values.hh"

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace hull::cli {

/// One call of a function in a template; `and` and `or` are not here, they stop before their last
/// argument.
struct FunctionCall {
    std::string_view name;
    std::span<const Operand> operands;
    /// Throws Go's error about the call (argument -1) or about one of its arguments.
    std::function<void(int argument, std::string_view what)> fail;
    std::deque<json::Value>& kept;  ///< owns the results
};

/// Source: https://pkg.go.dev/text/template#hdr-Functions and docker/cli templates/templates.go.
Operand call_function(const FunctionCall& call);

/// Go's fmt.Sprintf.
std::string format_printf(std::string_view pattern, std::span<const Operand> operands);

}  // namespace hull::cli
