#include "cli/template_functions.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "cli/template.hh"
#include "cli/template_lexer.hh"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace hull::cli {

using json::Value;

namespace {

[[noreturn]] void refuse(const FunctionCall& call, std::string_view what) {
    call.fail(-1, what);
    std::abort();  // fail throws
}

[[noreturn]] void refuse_argument(const FunctionCall& call, std::size_t argument,
                                  std::string_view what) {
    call.fail(static_cast<int>(argument), what);
    std::abort();
}

std::string to_title(std::string text) {
    bool start = true;
    for (char& c : text) {
        if (start) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        start = !is_word(c) && c != '\'';
    }
    return text;
}

Operand index(const FunctionCall& call) {
    const std::span<const Operand> operands = call.operands;
    static const Value null;
    Operand item = operands[0];
    for (std::size_t i = 1; i < operands.size(); ++i) {
        const Value& key = *operands[i].value;
        const Value& from = *item.value;
        if (from.is_array() || (from.is_null() && key.is_number())) {
            if (type_of(key) != "int")
                refuse(call,
                       fmt::format("error calling index: cannot index slice/array with type {}",
                                   type_of(key)));
            const std::int64_t at = key.as_int();
            const std::int64_t size =
                from.is_array() ? static_cast<std::int64_t>(from.as_array().size()) : 0;
            if (at < 0 || at >= size)
                refuse(call,
                       fmt::format("error calling index: {}: {}",
                                   from.is_null() ? "index of untyped nil" : "index out of range",
                                   at));
            item = {&from.as_array()[static_cast<std::size_t>(at)], ""};
        } else if (from.is_object()) {
            if (!key.is_string())
                refuse(call, fmt::format("error calling index: value has type {}; should be string",
                                         type_of(key)));
            const Value* member = from.as_object().find(key.as_string());
            // A missing key is the zero value of the map's elements: "" where they are strings.
            static const Value empty{""};
            const bool strings = std::all_of(from.as_object().begin(), from.as_object().end(),
                                             [](const auto& m) { return m.second.is_string(); });
            item = {member ? member : strings ? &empty : &null, ""};
        } else if (from.is_null()) {
            static const Value empty{""};
            item = {&empty, ""};
        } else {
            refuse(call,
                   fmt::format("error calling index: can't index item of type {}", type_of(from)));
        }
    }
    return item;
}

Value slice(const FunctionCall& call, const std::vector<const Value*>& arguments) {
    const Value& from = *arguments[0];
    if (!from.is_string() && !from.is_array())
        refuse(call,
               fmt::format("error calling slice: can't slice item of type {}", type_of(from)));
    const auto size = static_cast<std::int64_t>(from.is_string() ? from.as_string().size()
                                                                 : from.as_array().size());
    std::int64_t bounds[2] = {0, size};
    for (std::size_t i = 1; i < arguments.size() && i < 3; ++i) {
        if (type_of(*arguments[i]) != "int")
            refuse(call, fmt::format("error calling slice: cannot index slice/array with type {}",
                                     type_of(*arguments[i])));
        bounds[i - 1] = arguments[i]->as_int();
        if (bounds[i - 1] < 0 || bounds[i - 1] > size)
            refuse(call, fmt::format("error calling slice: index out of range: {}", bounds[i - 1]));
    }
    if (bounds[0] > bounds[1])
        refuse(call, fmt::format("error calling slice: invalid slice index: {} > {}", bounds[0],
                                 bounds[1]));
    if (from.is_string())
        return from.as_string().substr(static_cast<std::size_t>(bounds[0]),
                                       static_cast<std::size_t>(bounds[1] - bounds[0]));
    const json::Array& array = from.as_array();
    return json::Array(array.begin() + bounds[0], array.begin() + bounds[1]);
}

bool compare(const FunctionCall& call, std::string_view name,
             const std::vector<const Value*>& arguments) {
    const Value& left = *arguments[0];
    const auto equal = [&](const Value& right) {
        if (left.is_null() || right.is_null()) return left.is_null() && right.is_null();
        if (left.is_array() || left.is_object() || right.is_array() || right.is_object())
            refuse(call, fmt::format("error calling {}: non-comparable type {}: {}", name,
                                     print_go(left), type_of(left)));
        if (type_of(left) != type_of(right))
            refuse(call, fmt::format("error calling {}: incompatible types for comparison", name));
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
        refuse(call,
               fmt::format("error calling {}: {}", name,
                           type_of(left) == type_of(right) ? "invalid type for comparison"
                                                           : "incompatible types for comparison"));
    }
    if (name == "lt") return order < 0;
    if (name == "le") return order <= 0;
    if (name == "gt") return order > 0;
    return order >= 0;
}

std::string escape_html(std::string_view text) {
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

std::string escape_url(std::string_view text) {
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

std::string escape_script(std::string_view text) {
    std::string result;
    for (char c : text) {
        if (std::string_view("\\'\"").find(c) != std::string_view::npos)
            result += std::string("\\") + c;
        else if (std::string_view("<>&=").find(c) != std::string_view::npos ||
                 static_cast<unsigned char>(c) < ' ')
            result += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
        else
            result += c;
    }
    return result;
}

}  // namespace

Operand call_function(const FunctionCall& call) {
    const std::string_view name = call.name;
    const std::size_t count = call.operands.size();
    std::vector<const Value*> arguments;
    for (const Operand& operand : call.operands) arguments.push_back(operand.value);
    const auto want = [&](std::size_t min, std::size_t max) {
        if (count >= min && count <= max) return;
        refuse(call,
               min == max
                   ? fmt::format("wrong number of args for {}: want {} got {}", name, min, count)
                   : fmt::format("wrong number of args for {}: want at least {} got {}", name, min,
                                 count));
    };
    const auto text = [&](std::size_t i) -> const std::string& {
        if (!arguments[i]->is_string())
            refuse_argument(call, i,
                            fmt::format("wrong type for value; expected string; got {}",
                                        type_of(*arguments[i])));
        return arguments[i]->as_string();
    };
    const auto number = [&](std::size_t i) -> std::int64_t {
        if (type_of(*arguments[i]) != "int")
            refuse_argument(
                call, i,
                fmt::format("wrong type for value; expected int; got {}", type_of(*arguments[i])));
        return arguments[i]->as_int();
    };
    const auto give = [&](Value value) {
        return Operand{&call.kept.emplace_back(std::move(value)), ""};
    };

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
            refuse_argument(call, 0,
                            fmt::format("wrong type for value; expected []string; got {}",
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
        return give(text(0).substr(0, static_cast<std::size_t>(std::max<std::int64_t>(length, 0))));
    }
    if (name == "print" || name == "println") {
        std::string result;
        for (std::size_t i = 0; i < count; ++i) {
            const bool strings =
                i > 0 && (arguments[i]->is_string() || arguments[i - 1]->is_string());
            if (i > 0 && (name == "println" || !strings)) result += ' ';
            result += print_go(*arguments[i], call.operands[i].name);
        }
        if (name == "println") result += '\n';
        return give(result);
    }
    if (name == "printf") {
        want(1, 1000);
        return give(format_printf(text(0), call.operands.subspan(1)));
    }
    if (name == "len") {
        want(1, 1);
        const Value& value = *arguments[0];
        if (value.is_null()) return give(0);
        if (value.is_string()) return give(value.as_string().size());
        if (value.is_array()) return give(value.as_array().size());
        if (value.is_object()) return give(value.as_object().size());
        refuse(call, fmt::format("error calling len: len of type {}", type_of(value)));
    }
    if (name == "not") {
        want(1, 1);
        return give(!is_true(*arguments[0]));
    }
    if (name == "index") {
        want(1, 1000);
        return index(call);
    }
    if (name == "slice") {
        want(1, 4);
        return give(slice(call, arguments));
    }
    if (name == "html" || name == "js" || name == "urlquery") {
        std::string joined;
        for (const Value* value : arguments) joined += print_go(*value);
        return give(name == "html" ? escape_html(joined)
                    : name == "js" ? escape_script(joined)
                                   : escape_url(joined));
    }
    if (name == "call") {  // no value here is a function
        want(1, 1000);
        refuse(call,
               fmt::format("error calling call: non-function of type {}", type_of(*arguments[0])));
    }
    want(2, name == "eq" ? 1000 : 2);
    return give(compare(call, name, arguments));
}

}  // namespace hull::cli
