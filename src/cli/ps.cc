#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/rows.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Show all containers, not only running ones"},
    {"filter", 'f', FlagType::filter, "Show only containers that match (name=value)"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"last", 'n', FlagType::integer, "Show the newest containers, in any state", "-1"},
    {"latest", 'l', FlagType::boolean, "Show the newest container, in any state"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
    {"quiet", 'q', FlagType::boolean, "Only show IDs"},
    {"size", 's', FlagType::boolean, "Show how much the containers take on disk"},
};

constexpr Listing::Column columns[] = {
    {"ID", "CONTAINER ID"},
    {"Image", "IMAGE"},
    {"Command", "COMMAND"},
    {"CreatedAt", "CREATED AT"},
    {"RunningFor", "CREATED"},
    {"Ports", "PORTS"},
    {"State", "STATE"},
    {"Status", "STATUS"},
    {"HealthStatus", "HEALTH"},
    {"Size", "SIZE"},
    {"Names", "NAMES"},
    {"Labels", "LABELS"},
    {"LocalVolumes", "LOCAL VOLUMES"},
    {"Mounts", "MOUNTS"},
    {"Networks", "NETWORKS"},
};

constexpr Listing plain_listing{
    .type_name = "*formatter.ContainerContext",
    .default_table =
        "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
        "{{.Ports}}\t{{.Names}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};
constexpr Listing sized_listing{
    .type_name = plain_listing.type_name,
    .default_table =
        "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
        "{{.Ports}}\t{{.Names}}\t{{.Size}}",
    .quiet = plain_listing.quiet,
    .columns = columns,
};

std::string names_of(const api::ContainerSummary& container, bool shorten) {
    std::vector<std::string> names;
    for (const std::string& name : container.names) {
        const std::string plain = name.starts_with('/') ? name.substr(1) : name;
        // What follows a second slash is another container's link to this one.
        if (shorten && plain.find('/') != std::string::npos) continue;
        names.push_back(plain);
    }
    return join_text(names, ",");
}

std::string image_of(const api::ContainerSummary& container, bool shorten) {
    if (container.image.empty()) return "<no image>";
    if (!shorten) return container.image;
    if (short_id(container.image) == short_id(container.image_id))
        return short_id(container.image_id);
    const std::size_t digest = container.image.find('@');
    const std::size_t colon = container.image.substr(0, digest).rfind(':');
    const std::size_t slash = container.image.substr(0, digest).rfind('/');
    const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
    return digest != std::string::npos && tagged ? container.image.substr(0, digest)
                                                 : container.image;
}

/// "0.0.0.0:8080->80/tcp, 443/tcp", neighbouring ports as ranges.
std::string ports_of(const api::ContainerSummary& container) {
    std::vector<api::PortSummary> ports = container.ports;
    std::sort(ports.begin(), ports.end(), [](const auto& a, const auto& b) {
        return std::tie(a.type, a.ip, a.private_port, a.public_port) <
               std::tie(b.type, b.ip, b.private_port, b.public_port);
    });
    std::vector<std::string> result;
    for (std::size_t i = 0; i < ports.size();) {
        const api::PortSummary& first = ports[i];
        std::size_t count = 1;
        const auto continues = [&](const api::PortSummary& next) {
            const auto step = static_cast<std::int64_t>(count);
            return next.ip == first.ip && next.type == first.type &&
                   next.private_port == first.private_port + step &&
                   next.public_port == (first.public_port ? first.public_port + step : 0);
        };
        while (i + count < ports.size() && continues(ports[i + count])) ++count;
        const auto range = [&](std::int64_t port) {
            return count == 1
                       ? std::to_string(port)
                       : fmt::format("{}-{}", port, port + static_cast<std::int64_t>(count) - 1);
        };
        std::string text = range(first.private_port) + "/" + first.type;
        if (first.public_port) {
            const std::string ip =
                first.ip.find(':') == std::string::npos ? first.ip : "[" + first.ip + "]";
            text = (ip.empty() ? "" : ip + ":") + range(first.public_port) + "->" + text;
        }
        result.push_back(std::move(text));
        i += count;
    }
    return join_text(result, ", ");
}

std::string mounts_of(const api::ContainerSummary& container, bool shorten) {
    std::vector<std::string> names;
    for (const api::MountPoint& mount : container.mounts) {
        const std::string& name = mount.name.empty() ? mount.source : mount.name;
        names.push_back(shorten ? ellipsis(name, 15) : name);
    }
    return join_text(names, ",");
}

std::string size_of(const api::ContainerSummary& container) {
    const std::string own = human_size(static_cast<double>(container.size_rw.value_or(0)), 3);
    if (container.size_root_fs.value_or(0) <= 0) return own;
    return fmt::format("{} (virtual {})", own,
                       human_size(static_cast<double>(*container.size_root_fs), 3));
}

std::string health_of(std::string_view status) {
    for (std::string_view state : {"healthy", "unhealthy"})
        if (status.find(fmt::format("({})", state)) != std::string_view::npos)
            return std::string(state);
    return status.find("(health: starting)") != std::string_view::npos ? "starting" : "";
}

}  // namespace

Row make_container_row(const api::ContainerSummary& container, bool shorten, std::int64_t now_s) {
    std::vector<std::string> labels, networks;
    for (const auto& [name, value] : container.labels) labels.push_back(name + "=" + value);
    for (const auto& [name, endpoint] : container.networks) networks.push_back(name);
    const auto local_volumes = std::count_if(container.mounts.begin(), container.mounts.end(),
                                             [](const auto& m) { return m.driver == "local"; });
    Row row;
    row.fields = json::Object{
        {"Command", quote_go(shorten ? ellipsis(container.command, 20) : container.command)},
        {"CreatedAt", go_time(container.created)},
        {"ID", shorten ? short_id(container.id) : container.id},
        {"Image", image_of(container, shorten)},
        {"Labels", join_text(labels, ",")},
        {"LocalVolumes", std::to_string(local_volumes)},
        {"Mounts", mounts_of(container, shorten)},
        {"Names", names_of(container, shorten)},
        {"Networks", join_text(networks, ",")},
        {"Ports", ports_of(container)},
        {"RunningFor", human_duration(now_s - container.created) + " ago"},
        {"Size", size_of(container)},
        {"State", container.state},
        {"Status", container.status},
    };
    row.method = [&container](
                     std::string_view name,
                     std::span<const json::Value* const> arguments) -> std::optional<json::Value> {
        if (name == "HealthStatus") return json::Value(health_of(container.status));
        if (name != "Label" || arguments.size() != 1 || !arguments[0]->is_string())
            return std::nullopt;
        const auto found = container.labels.find(arguments[0]->as_string());
        return json::Value(found == container.labels.end() ? std::string() : found->second);
    };
    return row;
}

namespace {

/// The fields of the table that there is without --format: the others cost more than these.
Row make_table_row(const api::ContainerSummary& container, bool shorten, bool sized,
                   std::int64_t now_s) {
    json::Object fields{
        {"ID", shorten ? short_id(container.id) : container.id},
        {"Image", image_of(container, shorten)},
        {"Command", quote_go(shorten ? ellipsis(container.command, 20) : container.command)},
        {"RunningFor", human_duration(now_s - container.created) + " ago"},
        {"Status", container.status},
        {"Ports", ports_of(container)},
        {"Names", names_of(container, shorten)}};
    if (sized) fields.append("Size", size_of(container));
    Row row;
    row.fields = std::move(fields);
    return row;
}

/// What the table shows and no more, from a daemon that can leave the rest out: most of a list's
/// bytes are networks. Docker's sends all of it.
std::vector<api::ContainerSummary> list_for_table(client::Client& daemon,
                                                  const Arguments& arguments, int limit) {
    http::Query query = {{"brief", "1"}};
    if (arguments.flag("all")) query.emplace_back("all", "1");
    if (limit > 0) query.emplace_back("limit", std::to_string(limit));
    if (arguments.flag("size")) query.emplace_back("size", "1");
    const client::Filters filters = make_filters(arguments.list("filter"));
    if (!filters.empty()) query.emplace_back("filters", client::format_filters(filters));
    return api::parse_array<api::ContainerSummary>(daemon.get("/containers/json", query));
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    std::string format = arguments.text("format");
    if (format.empty() && !arguments.flag("quiet") && call.session.config("psFormat").is_string())
        format = call.session.config("psFormat").as_string();
    int limit = static_cast<int>(arguments.integer("last"));
    if (arguments.flag("latest")) limit = 1;
    // The daemon measures sizes only when somebody looks at them.
    const bool sized = arguments.flag("size") ||
                       (!arguments.given("size") && format.find(".Size") != std::string::npos);
    const bool listing_sized = arguments.flag("size");
    const std::vector<api::ContainerSummary> containers =
        call.session.ask([&](client::Client& daemon) {
            if (format.empty() || format == "table")
                return list_for_table(daemon, arguments, limit);
            return daemon.list_containers(arguments.flag("all"), limit, sized,
                                          make_filters(arguments.list("filter")));
        });
    std::vector<Row> rows;
    const std::int64_t now_s = now_ns() / 1'000'000'000;
    const bool is_plain_table = format.empty() || format == "table";
    const bool shorten = !arguments.flag("no-trunc");
    for (const api::ContainerSummary& container : containers)
        rows.push_back(is_plain_table ? make_table_row(container, shorten, listing_sized, now_s)
                                      : make_container_row(container, shorten, now_s));
    call.session.print(format_listing(listing_sized ? sized_listing : plain_listing, format,
                                      arguments.flag("quiet"), rows));
    return 0;
}

}  // namespace

const Command ps_command{
    .name = "container ls",
    .aliases = {"container list", "container ps", "ps"},
    .usage = "[OPTIONS]",
    .summary = "List containers",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
