#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"filter", 'f', FlagType::filter, "Show only events that match (name=value)"},
    {"format", 0, FlagType::text, "'json' or a Go TEMPLATE"},
    {"since", 0, FlagType::text, "Events since this time"},
    {"until", 0, FlagType::text, "Events until this time"},
};

/// 2026-11-24T15:04:24.123456789Z container start ID (image=busybox, name=x)
std::string describe(const api::EventMessage& event) {
    std::string text = fmt::format("{} {} {} {}", local_rfc3339(event.time_ns, true), event.type,
                                   event.action, event.actor.id);
    std::string attributes;
    for (const auto& [name, value] : event.actor.attributes)
        attributes += fmt::format("{}{}={}", attributes.empty() ? "" : ", ", name, value);
    if (!attributes.empty()) text += " (" + attributes + ")";
    return text;
}

/// Members whose name in Go is not that in JSON.
std::optional<json::Value> find_go_member(const api::EventMessage& event, std::string_view name) {
    const auto attribute = [&](const char* key) {
        const auto found = event.actor.attributes.find(key);
        return json::Value(found == event.actor.attributes.end() ? "" : found->second);
    };
    if (name == "Status") return json::Value(event.action);
    if (name == "ID") return json::Value(event.actor.id);
    if (name == "From") return attribute("image");
    if (name == "Scope") return json::Value(event.scope);
    if (name == "Time") return json::Value(event.time_ns / 1'000'000'000);
    if (name == "TimeNano") return json::Value(event.time_ns);
    return std::nullopt;
}

std::string timestamp(const Arguments& arguments, std::string_view name) {
    return arguments.text(name).empty() ? "" : parse_timestamp(arguments.text(name), now_ns());
}

int run(Invocation& call) {
    const std::string& format = call.arguments.text("format");
    std::optional<Template> program;
    if (!format.empty())
        program = with_context([&] { return Template(format == "json" ? "{{json .}}" : format); },
                               "Error parsing format");
    const std::string since = timestamp(call.arguments, "since");
    const std::string until = timestamp(call.arguments, "until");
    call.session.ask([&](client::Client& daemon) {
        daemon.events(since, until, make_filters(call.arguments.list("filter")),
                      [&](const api::EventMessage& event) {
            if (!program) {
                call.session.print_line(describe(event));
                return true;
            }
            TemplateScope scope;
            scope.type_name = "*events.Message";
            scope.method = [&](std::string_view name, auto) { return find_go_member(event, name); };
            call.session.print_line(program->execute(api::to_json(event), scope));
            return true;
        });
    });
    return 0;
}

}  // namespace

const Command events_command{
    .name = "system events",
    .aliases = {"events"},
    .usage = "[OPTIONS]",
    .summary = "Print what happens in the daemon as it happens",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
