#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
};

constexpr Listing::Column columns[] = {
    {"ID", "ID"},        {"Description", "DESCRIPTION"}, {"Type", "TYPE"},
    {"Size", "SIZE"},    {"Shared", "SHARED"},           {"LastUsedSince", "LAST USED"},
    {"InUse", "IN USE"}, {"UsageCount", "USAGE"},
};
constexpr Listing listing{
    .type_name = "*formatter.buildCacheContext",
    .default_table =
        "table {{.ID}}\t{{.Description}}\t{{.Type}}\t{{.Size}}\t{{.LastUsedSince}}\t{{.Shared}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};

int run(Invocation& call) {
    const json::Value usage = call.session.ask([](client::Client& daemon) {
        return daemon.get("/system/df", {{"type", "build-cache"}});
    });
    json::Array items =
        usage["BuildCache"].is_array() ? usage["BuildCache"].as_array() : json::Array();
    std::stable_sort(items.begin(), items.end(), [](const json::Value& a, const json::Value& b) {
        return a["Size"].as_int() > b["Size"].as_int();
    });
    const bool shorten = !call.arguments.flag("no-trunc");
    std::int64_t total = 0, reclaimable = 0;
    std::vector<Row> rows;
    for (const json::Value& item : items) {
        const std::int64_t size = item["Size"].as_int();
        const bool is_kept = item["Shared"].as_bool() || item["InUse"].as_bool();
        total += size;
        if (!is_kept) reclaimable += size;
        std::string description = item["Description"].as_string();
        std::replace(description.begin(), description.end(), '\n', ' ');
        std::replace(description.begin(), description.end(), '\t', ' ');
        const auto used_ns = parse_rfc3339(item["LastUsedAt"].as_string()).value_or(0);
        rows.push_back({json::Object{
            {"ID", shorten ? short_id(item["ID"].as_string()) : item["ID"].as_string()},
            {"Description", shorten ? ellipsis(description, 50) : description},
            {"Type", item["Type"]},
            {"Size", human_size(static_cast<double>(size))},
            {"Shared", item["Shared"].as_bool() ? "true" : "false"},
            {"InUse", item["InUse"].as_bool() ? "true" : "false"},
            {"LastUsedSince", human_duration((now_ns() - used_ns) / 1'000'000'000) + " ago"},
            {"UsageCount", std::to_string(item["UsageCount"].as_int())}}});
    }
    const std::string& format = call.arguments.text("format");
    std::string text = format_listing(listing, format, false, rows);
    if (format.empty())
        text += fmt::format("\nReclaimable:\t{}\nTotal:\t\t{}\n",
                            human_size(static_cast<double>(reclaimable)),
                            human_size(static_cast<double>(total)));
    call.session.print(text);
    return 0;
}

}  // namespace

const Command builder_du_command{
    .name = "builder du",
    .aliases = {"buildx du"},
    .usage = "[OPTIONS]",
    .summary = "Show what the build cache takes, largest first",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
