#include "api/types/volume.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"cluster", 0, FlagType::boolean, "Show only cluster volumes: there are none", "", nullptr,
     true},
    {"filter", 'f', FlagType::filter, "Show only volumes that match (e.g. \"dangling=true\")"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"quiet", 'q', FlagType::boolean, "Only show names"},
};

constexpr Listing::Column columns[] = {
    {"Name", "VOLUME NAME"},      {"Driver", "DRIVER"},
    {"Scope", "SCOPE"},           {"Availability", "AVAILABILITY"},
    {"Mountpoint", "MOUNTPOINT"}, {"Labels", "LABELS"},
    {"Links", "LINKS"},           {"Size", "SIZE"},
    {"Group", "GROUP"},           {"Status", "STATUS"},
};
constexpr Listing listing{
    .type_name = "*formatter.volumeContext",
    .default_table = "table {{.Driver}}\t{{.Name}}",
    .quiet = "{{.Name}}",
    .columns = columns,
};

Row make_row(const api::Volume& volume) {
    std::string labels;
    for (const auto& [name, value] : volume.labels)
        labels += (labels.empty() ? "" : ",") + name + "=" + value;
    const bool is_measured = volume.usage_data.has_value();
    Row row;
    row.fields = json::Object{
        {"Availability", "N/A"},
        {"Driver", volume.driver},
        {"Group", "N/A"},
        {"Labels", labels},
        {"Links", is_measured ? std::to_string(volume.usage_data->ref_count) : "N/A"},
        {"Mountpoint", volume.mountpoint},
        {"Name", volume.name},
        {"Scope", volume.scope},
        {"Size", is_measured ? human_size(static_cast<double>(volume.usage_data->size)) : "N/A"},
        {"Status", "N/A"},
    };
    row.method = [volume](
                     std::string_view name,
                     std::span<const json::Value* const> arguments) -> std::optional<json::Value> {
        if (name != "Label" || arguments.size() != 1 || !arguments[0]->is_string())
            return std::nullopt;
        const auto found = volume.labels.find(arguments[0]->as_string());
        return json::Value(found == volume.labels.end() ? std::string() : found->second);
    };
    return row;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const bool quiet = arguments.flag("quiet");
    std::string format = arguments.text("format");
    if (format.empty() && !quiet && call.session.config("volumesFormat").is_string())
        format = call.session.config("volumesFormat").as_string();
    http::Query query;
    if (const auto& filters = arguments.list("filter"); !filters.empty())
        query.emplace_back("filters", client::format_filters(make_filters(filters)));
    auto list = api::parse<api::VolumeList>(
        call.session.ask([&](client::Client& daemon) { return daemon.get("/volumes", query); }));
    if (arguments.flag("cluster")) list.volumes.clear();
    std::sort(list.volumes.begin(), list.volumes.end(),
              [](const auto& a, const auto& b) { return natural_less(a.name, b.name); });
    std::vector<Row> rows;
    for (const api::Volume& volume : list.volumes) rows.push_back(make_row(volume));
    call.session.print(format_listing(listing, format, quiet, rows));
    return 0;
}

}  // namespace

const Command volume_ls_command{
    .name = "volume ls",
    .aliases = {"volume list"},
    .usage = "[OPTIONS]",
    .summary = "List volumes",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
