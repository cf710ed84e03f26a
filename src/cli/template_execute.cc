#include "base/error.hh"
#include "cli/template.hh"
#include "cli/template_functions.hh"
#include "cli/template_tree.hh"
#include "cli/template_values.hh"

#include <algorithm>
#include <deque>
#include <map>

namespace hull::cli {
namespace {

using json::Value;

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
        if (head.kind == Term::Kind::function) return call_named(call, dot, piped);
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
        if (head.source == "nil") fail(head, "nil is not a command");
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
            case Term::Kind::function: return call_named({{term}, term.source}, dot, nullptr);
        }
        return dot;
    }

    /// Docker's structs have Go's spelling of a name, ID for Id, beside that of JSON.
    const Value* find_member(const json::Object& object, const std::string& name) const {
        const Value* member = object.find(name);
        return member || !scope_.docker_members ? member : object.find_folded(name);
    }

    Operand follow(const Term& term, Operand from) {
        for (const std::string& name : term.fields) {
            const Value& receiver = *from.value;
            // A map of Docker's without such a key: Go's zero value of any type.
            const bool of_map = scope_.docker_members && &receiver != root_ &&
                                is_map_member(from.name) && from.name != "Config";
            if (of_map && (receiver.is_null() ||
                           (receiver.is_object() && !receiver.as_object().find(name)))) {
                static const Value none;
                from = {&none, ""};
                continue;
            }
            if (!receiver.is_object()) {
                if (receiver.is_null())
                    fail(term, fmt::format("nil pointer evaluating interface {{}}.{}", name));
                fail(term,
                     fmt::format("can't evaluate field {} in type {}", name,
                                 receiver.is_array() || receiver.is_string() ? "interface {}"
                                                                             : type_of(receiver)));
            }
            const Value* member = find_member(receiver.as_object(), name);
            if (!member && &receiver == root_ && scope_.method) {
                if (std::optional<Value> value = scope_.method(name, {})) {
                    from = {keep(std::move(*value)), name};
                    continue;
                }
            }
            const bool named_root = &receiver == root_ && name == "Name";  // images have none
            if (!member && scope_.docker_members && !named_root) member = find_absent_member(name);
            if (!member) {
                if (&receiver == root_ && !scope_.type_name.empty())
                    fail(term,
                         fmt::format("can't evaluate field {} in type {}", name, scope_.type_name));
                fail(term, fmt::format("map has no entry for key {}", quote_go(name)));
            }
            from = {member, name};
        }
        return from;
    }

    std::string print_operand(const Operand& operand) {
        if (operand.value->is_null() && operand.name.empty()) return "<no value>";
        return print_go(*operand.value, operand.name);
    }

    Operand call_named(const Call& call, const Operand& dot, const Operand* piped) {
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
        for (std::size_t i = 0; i < count; ++i) operands.push_back(argument(i));
        const auto complain = [&](int index, std::string_view what) {
            if (index >= 0)
                fail(call.terms[std::min(static_cast<std::size_t>(index) + 1,
                                         call.terms.size() - 1)],
                     what);
            // Go shows the whole call where the function itself failed.
            Term whole = head;
            if (what.starts_with("error calling")) whole.source = call.source;
            fail(whole, what);
        };
        return call_function({name, operands, complain, kept_});
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

struct Template::Program {
    TemplateTree tree;
};

Template::Template(std::string_view text)
    : program_(std::make_unique<Program>(Program{parse_template(text)})) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

std::string Template::execute(const Value& data, const TemplateScope& scope) const {
    const TemplateTree& tree = program_->tree;
    return Executor(scope, tree.source, tree.defined).run(tree.nodes, data);
}

}  // namespace hull::cli
