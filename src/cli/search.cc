#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/credentials.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr std::size_t description_columns = 45;

constexpr Flag flags[] = {
    {"filter", 'f', FlagType::filter, "Show only these (is-official=true, stars=3)"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"limit", 0, FlagType::integer, "Show at most this many"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
};

constexpr Listing::Column columns[] = {
    {"Name", "NAME"},
    {"Description", "DESCRIPTION"},
    {"StarCount", "STARS"},
    {"IsOfficial", "OFFICIAL"},
};

constexpr Listing listing{
    .type_name = "*search.searchContext",
    .default_table = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    .quiet = "{{.Name}}",
    .columns = columns,
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const std::string& term = arguments.positional[0];
    http::Query query{{"term", term}};
    if (arguments.given("limit"))
        query.emplace_back("limit", std::to_string(arguments.integer("limit")));
    if (const auto filters = make_filters(arguments.list("filter")); !filters.empty())
        query.emplace_back("filters", client::format_filters(filters));
    std::string auth;
    try {
        auth = registry_auth_header(call.session, term);
    } catch (const Error&) {
        // A term need not be a name.
    }
    json::Value found;
    call.session.ask([&](client::Client& daemon) {
        http::ClientResponse response =
            daemon.request_with({{"X-Registry-Auth", auth}}, "GET", "/images/search", query);
        found = json::parse(response.read_all());
    });
    std::vector<json::Value> items = found.as_array();
    std::stable_sort(items.begin(), items.end(), [](const json::Value& a, const json::Value& b) {
        return a["star_count"].as_int() > b["star_count"].as_int();
    });
    std::vector<Row> rows;
    for (const json::Value& item : items) {
        std::string description = item["description"].as_string();
        for (char& c : description)
            if (c == '\n' || c == '\r') c = ' ';
        const bool official = item["is_official"].as_bool();
        rows.push_back({json::Object{
            {"Name", item["name"]},
            {"Description",
             arguments.flag("no-trunc") ? description : ellipsis(description, description_columns)},
            {"StarCount", std::to_string(item["star_count"].as_int())},
            {"IsOfficial", official ? "[OK]" : ""},
            {"IsAutomated", ""},
        }});
    }
    call.session.print(format_listing(listing, arguments.text("format"), false, rows));
    return 0;
}

}  // namespace

const Command search_command{
    .name = "search",
    .usage = "[OPTIONS] TERM",
    .summary = "Search Docker Hub, or REGISTRY/TERM another registry, for images",
    .args = exactly(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
