#include "api/types/volume.hh"
#include "base/error.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/volume_commands.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
};

constexpr Listing::Column columns[] = {
    {"Name", "VOLUME NAME"}, {"Links", "LINKS"}, {"Size", "SIZE"}, {"Bytes", "BYTES"}};
constexpr Listing listing{
    .type_name = "*formatter.volumeContext",
    .default_table = "table {{.Name}}\t{{.Links}}\t{{.Size}}",
    .quiet = "{{.Name}}",
    .columns = columns,
};

int run(Invocation& call) {
    const json::Value usage = call.session.ask([](client::Client& daemon) {
        return daemon.get("/system/df", {{"type", "volume"}});
    });
    auto volumes = api::parse_array<api::Volume>(usage["Volumes"]);
    const auto size_of = [](const api::Volume& volume) {
        return volume.usage_data ? volume.usage_data->size : 0;
    };
    std::stable_sort(volumes.begin(), volumes.end(),
                     [&](const auto& a, const auto& b) { return size_of(a) > size_of(b); });
    const std::vector<std::string>& wanted = call.arguments.positional;
    for (const std::string& name : wanted)
        if (std::none_of(volumes.begin(), volumes.end(),
                         [&](const api::Volume& volume) { return volume.name == name; }))
            throw Error(ErrorKind::not_found, "get {}: no such volume", name);
    std::vector<Row> rows;
    for (const api::Volume& volume : volumes) {
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), volume.name) == wanted.end())
            continue;
        const std::int64_t links = volume.usage_data ? volume.usage_data->ref_count : 0;
        rows.push_back({json::Object{{"Bytes", std::to_string(size_of(volume))},
                                     {"Links", std::to_string(links)},
                                     {"Name", volume.name},
                                     {"Size", human_size(static_cast<double>(size_of(volume)))}}});
    }
    call.session.print(format_listing(listing, call.arguments.text("format"), false, rows));
    return 0;
}

}  // namespace

const Command volume_du_command{
    .name = "volume du",
    .usage = "[OPTIONS] [VOLUME...]",
    .summary = "Show what volumes take on disk, largest first",
    .args = at_least(0),
    .flags = flags,
    .run = run,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
