#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Remove what images here were built with, too"},
    {"filter", 0, FlagType::filter, "Remove only what matches (e.g. \"until=24h\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
    {"keep-storage", 0, FlagType::bytes, "Bytes of the cache to keep"},
    {"max-used-space", 0, FlagType::bytes, "Most bytes that stay"},
    {"min-free-space", 0, FlagType::bytes, "Bytes of the disk to have free"},
    {"reserved-space", 0, FlagType::bytes, "Bytes of the cache to keep"},
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const bool all = arguments.flag("all");
    const std::string question = all ? "WARNING! This will remove all build cache."
                                     : "WARNING! This will remove all dangling build cache.";
    if (!arguments.flag("force") && !confirm(call.session, question)) {
        call.session.complain("build cache prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    http::Query query;
    if (all) query.emplace_back("all", "1");
    if (const std::string& keep = arguments.text("keep-storage"); !keep.empty())
        query.emplace_back("keep-storage", std::to_string(parse_bytes(keep)));
    for (const char* name : {"reserved-space", "max-used-space", "min-free-space"})
        if (const std::string& keep = arguments.text(name); !keep.empty())
            query.emplace_back(name, std::to_string(parse_bytes(keep)));
    json::Object filters;
    for (const auto& [name, values] : make_filters(arguments.list("filter")))
        filters[name] = values;
    if (!filters.empty()) query.emplace_back("filters", json::dump(filters));
    const json::Value reply = call.session.ask(
        [&](client::Client& daemon) { return daemon.post("/build/prune", query); });
    std::string text;
    if (const json::Value& deleted = reply["CachesDeleted"]; deleted.is_array()) {
        text += "Deleted build cache objects:\n";
        for (const std::string& key : deleted.as_strings()) text += key + "\n";
        text += "\n";
    }
    text += "Total reclaimed space: " +
            human_size(static_cast<double>(reply["SpaceReclaimed"].as_uint())) + "\n";
    call.session.print(text);
    return 0;
}

}  // namespace

const Command builder_prune_command{
    .name = "builder prune",
    .aliases = {"buildx prune"},
    .usage = "[OPTIONS]",
    .summary = "Remove build cache",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
