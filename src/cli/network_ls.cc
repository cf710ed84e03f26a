#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"filter", 'f', FlagType::filter, "Show only networks that match (driver=bridge)"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
    {"quiet", 'q', FlagType::boolean, "Only show IDs"},
};

constexpr Listing::Column columns[] = {
    {"ID", "NETWORK ID"},     {"Name", "NAME"},     {"Driver", "DRIVER"},
    {"Scope", "SCOPE"},       {"IPv4", "IPV4"},     {"IPv6", "IPV6"},
    {"Internal", "INTERNAL"}, {"Labels", "LABELS"}, {"CreatedAt", "CREATED AT"},
};

constexpr Listing listing{
    .type_name = "*formatter.networkContext",
    .default_table = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};

std::string spoken(bool value) { return value ? "true" : "false"; }

/// As Go prints a time.Time.
std::string created_at(const std::string& rfc3339) {
    const auto ns = parse_rfc3339(rfc3339);
    if (!ns) return rfc3339;
    std::string text = go_time(*ns / 1'000'000'000);
    std::string fraction = fmt::format("{:09}", *ns % 1'000'000'000);
    while (fraction.ends_with('0')) fraction.pop_back();
    if (!fraction.empty()) text.insert(19, "." + fraction);
    return text;
}

Row make_row(const api::NetworkInspect& network, bool shorten) {
    std::vector<std::string> labels;
    for (const auto& [name, value] : network.labels) labels.push_back(name + "=" + value);
    Row row;
    row.fields = json::Object{
        {"CreatedAt", created_at(network.created)},
        {"Driver", network.driver},
        {"ID", shorten ? short_id(network.id) : network.id},
        {"IPv4", spoken(network.enable_ipv4)},
        {"IPv6", spoken(network.enable_ipv6)},
        {"Internal", spoken(network.internal)},
        {"Labels", join_text(labels, ",")},
        {"Name", network.name},
        {"Scope", network.scope},
    };
    row.method = [&network](
                     std::string_view name,
                     std::span<const json::Value* const> arguments) -> std::optional<json::Value> {
        if (name != "Label" || arguments.size() != 1 || !arguments[0]->is_string())
            return std::nullopt;
        const auto found = network.labels.find(arguments[0]->as_string());
        return json::Value(found == network.labels.end() ? std::string() : found->second);
    };
    return row;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    std::string format = arguments.text("format");
    if (format.empty() && !arguments.flag("quiet") &&
        call.session.config("networksFormat").is_string())
        format = call.session.config("networksFormat").as_string();
    http::Query query;
    if (!arguments.list("filter").empty())
        query.emplace_back("filters",
                           client::format_filters(make_filters(arguments.list("filter"))));
    const auto networks = call.session.ask([&](client::Client& daemon) {
        return api::parse_array<api::NetworkInspect>(daemon.get("/networks", query));
    });
    std::vector<Row> rows;
    for (const api::NetworkInspect& network : networks)
        rows.push_back(make_row(network, !arguments.flag("no-trunc")));
    call.session.print(format_listing(listing, format, arguments.flag("quiet"), rows));
    return 0;
}

}  // namespace

const Command network_ls_command{
    .name = "network ls",
    .aliases = {"network list"},
    .usage = "[OPTIONS]",
    .summary = "List networks",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
