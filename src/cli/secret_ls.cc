#include "api/types/secret.hh"
#include "base/time.hh"
#include "cli/format.hh"
#include "cli/own_commands.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"filter", 'f', FlagType::filter, "Show only secrets that match (e.g. \"name=db\")"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"quiet", 'q', FlagType::boolean, "Only show IDs"},
};

constexpr Listing::Column columns[] = {
    {"ID", "ID"},
    {"Name", "NAME"},
    {"Driver", "DRIVER"},
    {"CreatedAt", "CREATED"},
    {"UpdatedAt", "UPDATED"},
    {"Labels", "LABELS"},
};
constexpr Listing listing{
    .type_name = "*formatter.secretContext",
    .default_table = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};

std::string time_since(const std::string& moment) {
    constexpr std::int64_t second_ns = 1'000'000'000;
    return human_duration((now_ns() - parse_rfc3339(moment).value_or(0)) / second_ns) + " ago";
}

Row make_row(const api::Secret& secret) {
    std::string labels;
    for (const auto& [name, value] : secret.spec.labels)
        labels += (labels.empty() ? "" : ",") + name + "=" + value;
    return {json::Object{
        {"CreatedAt", time_since(secret.created_at)},
        {"Driver", ""},
        {"ID", secret.id},
        {"Labels", labels},
        {"Name", secret.spec.name},
        {"UpdatedAt", time_since(secret.updated_at)},
    }};
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const bool quiet = arguments.flag("quiet");
    std::string format = arguments.text("format");
    if (format.empty() && !quiet && call.session.config("secretFormat").is_string())
        format = call.session.config("secretFormat").as_string();
    http::Query query;
    if (const auto& filters = arguments.list("filter"); !filters.empty())
        query.emplace_back("filters", client::format_filters(make_filters(filters)));
    const json::Value reply =
        call.session.ask([&](client::Client& daemon) { return daemon.get("/secrets", query); });
    std::vector<Row> rows;
    for (const api::Secret& secret : api::parse_array<api::Secret>(reply))
        rows.push_back(make_row(secret));
    call.session.print(format_listing(listing, format, quiet, rows));
    return 0;
}

}  // namespace

const Command secret_ls_command{
    .name = "secret ls",
    .aliases = {"secret list"},
    .usage = "[OPTIONS]",
    .summary = "List secrets",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
