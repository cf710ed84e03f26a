#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"human", 'H', FlagType::boolean, "Print sizes and dates for people", "true"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
    {"platform", 0, FlagType::text, "Of this platform (os[/arch[/variant]])"},
    {"quiet", 'q', FlagType::boolean, "Only show IDs"},
};

constexpr Listing::Column columns[] = {
    {"ID", "IMAGE"},
    {"CreatedSince", "CREATED"},
    {"CreatedAt", "CREATED AT"},
    {"CreatedBy", "CREATED BY"},
    {"Size", "SIZE"},
    {"Comment", "COMMENT"},
};

constexpr Listing listing{
    .type_name = "*history.historyContext",
    .default_table = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};
constexpr Listing exact_listing{
    .type_name = listing.type_name,
    .default_table = "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    .quiet = listing.quiet,
    .columns = columns,
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const bool shorten = !arguments.flag("no-trunc"), human = arguments.flag("human");
    const std::string& platform = arguments.text("platform");
    const auto items = call.session.ask([&](client::Client& daemon) {
        return daemon.image_history(arguments.positional[0],
                                    platform.empty() ? "" : platform_json(platform));
    });
    const std::int64_t now_s = now_ns() / 1'000'000'000;
    std::vector<Row> rows;
    for (const api::HistoryItem& item : items) {
        std::string made_by = item.created_by;
        std::replace(made_by.begin(), made_by.end(), '\t', ' ');
        const std::string created = local_rfc3339(item.created * 1'000'000'000, false);
        rows.push_back({json::Object{
            {"Comment", item.comment},
            {"CreatedAt", created},
            {"CreatedBy", shorten ? ellipsis(made_by, 45) : made_by},
            {"CreatedSince", !human              ? created
                             : item.created <= 0 ? std::string("N/A")
                                                 : human_duration(now_s - item.created) + " ago"},
            {"ID", shorten && item.id != "<missing>" ? short_id(item.id) : item.id},
            {"Size",
             human ? human_size(static_cast<double>(item.size), 3) : std::to_string(item.size)},
        }});
    }
    call.session.print(format_listing(human ? listing : exact_listing, arguments.text("format"),
                                      arguments.flag("quiet"), rows));
    return 0;
}

}  // namespace

const Command history_command{
    .name = "image history",
    .aliases = {"history"},
    .usage = "[OPTIONS] IMAGE",
    .summary = "Show how an image was made",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
