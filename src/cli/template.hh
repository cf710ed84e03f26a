#pragma once
#include "base/json.hh"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// What a template is executed on besides its data.
struct TemplateScope {
    /// Go's name of the data's type. Missing fields are reported as fields of a struct when it is
    /// set, as keys of a map when it is empty.
    std::string_view type_name;
    /// Methods of the data that take arguments: {{.Label "name"}}.
    std::function<std::optional<json::Value>(std::string_view name,
                                             std::span<const json::Value* const> arguments)>
        method;
    /// Members that Go's structs have, though JSON may leave them out.
    bool docker_members = false;
};

/// A template in the language of Go's text/template with the functions that Docker's CLI adds:
/// json, join, split, lower, upper, title, pad, truncate.
/// Source: https://pkg.go.dev/text/template, docker/cli templates/templates.go.
class Template {
public:
    /// Throws invalid_argument with Go's text, "template: :1: unclosed action".
    explicit Template(std::string_view text);
    Template(Template&&) noexcept;
    Template& operator=(Template&&) noexcept;
    ~Template();

    /// Throws invalid_argument, `template: :1:2: executing "" at <.Foo>: …`.
    std::string execute(const json::Value& data, const TemplateScope& scope = {}) const;

private:
    struct Program;
    std::unique_ptr<Program> program_;
};

/// A value as Go's fmt prints it with %v; `name` is the member it came from and tells Go's nil
/// kinds apart.
std::string print_go(const json::Value& value, std::string_view name = {});
/// A string as Go's %q prints it.
std::string quote_go(std::string_view text);

}  // namespace hull::cli
