#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/rows.hh"
#include "cli/session.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"verbose", 'v', FlagType::boolean, "Show each object"},
};

constexpr Listing::Column summary_columns[] = {
    {"Type", "TYPE"}, {"TotalCount", "TOTAL"},        {"Active", "ACTIVE"},
    {"Size", "SIZE"}, {"Reclaimable", "RECLAIMABLE"},
};
constexpr Listing summary_listing{
    .type_name = "*formatter.diskUsageContext",
    .default_table = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    .quiet = "{{.Type}}",
    .columns = summary_columns,
};

constexpr Listing::Column image_columns[] = {
    {"Repository", "REPOSITORY"},
    {"Tag", "TAG"},
    {"ID", "IMAGE ID"},
    {"CreatedSince", "CREATED"},
    {"Size", "SIZE"},
    {"SharedSize", "SHARED SIZE"},
    {"UniqueSize", "UNIQUE SIZE"},
    {"Containers", "CONTAINERS"},
};
constexpr Listing image_listing{
    .type_name = "*formatter.imageContext",
    .default_table =
        "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t"
        "{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    .quiet = "{{.ID}}",
    .columns = image_columns,
};

constexpr Listing::Column container_columns[] = {
    {"ID", "CONTAINER ID"}, {"Image", "IMAGE"},
    {"Command", "COMMAND"}, {"LocalVolumes", "LOCAL VOLUMES"},
    {"Size", "SIZE"},       {"RunningFor", "CREATED"},
    {"Status", "STATUS"},   {"Names", "NAMES"},
};
constexpr Listing container_listing{
    .type_name = "*formatter.ContainerContext",
    .default_table =
        "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t"
        "{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
    .quiet = "{{.ID}}",
    .columns = container_columns,
};

constexpr Listing::Column volume_columns[] = {
    {"Name", "VOLUME NAME"},
    {"Links", "LINKS"},
    {"Size", "SIZE"},
};
constexpr Listing volume_listing{
    .type_name = "*formatter.volumeContext",
    .default_table = "table {{.Name}}\t{{.Links}}\t{{.Size}}",
    .quiet = "{{.Name}}",
    .columns = volume_columns,
};

constexpr Listing::Column cache_columns[] = {
    {"ID", "CACHE ID"},          {"CacheType", "CACHE TYPE"},    {"Size", "SIZE"},
    {"CreatedSince", "CREATED"}, {"LastUsedSince", "LAST USED"}, {"UsageCount", "USAGE"},
    {"Shared", "SHARED"},
};
constexpr Listing cache_listing{
    .type_name = "*formatter.buildCacheContext",
    .default_table =
        "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t"
        "{{.UsageCount}}\t{{.Shared}}",
    .quiet = "{{.ID}}",
    .columns = cache_columns,
};

/// What one line of the summary is made of; sizes in bytes.
struct Usage {
    std::size_t total = 0, active = 0;
    std::int64_t size = 0, reclaimable = 0;
};

std::int64_t integer(const json::Value& value) { return value.is_number() ? value.as_int() : 0; }

std::string text(const json::Value& value) { return value.is_string() ? value.as_string() : ""; }

const json::Array& items(const json::Value& usage, const char* member) {
    static const json::Array none;
    return usage[member].is_array() ? usage[member].as_array() : none;
}

/// Layers that images share are stored once, so only what no image in use needs can go.
Usage image_usage(const json::Value& usage) {
    Usage result;
    std::int64_t used = 0;
    for (const json::Value& item : items(usage, "Images")) {
        const auto image = api::parse<api::ImageSummary>(item);
        ++result.total;
        if (image.containers <= 0) continue;
        ++result.active;
        if (image.size >= 0 && image.shared_size >= 0) used += image.size - image.shared_size;
    }
    result.size = integer(usage["LayersSize"]);
    result.reclaimable = result.size - used;
    return result;
}

Usage container_usage(const json::Value& usage) {
    Usage result;
    for (const json::Value& item : items(usage, "Containers")) {
        const std::int64_t size = integer(item["SizeRw"]);
        const std::string state = text(item["State"]);
        ++result.total;
        result.size += size;
        if (state == "running" || state == "paused" || state == "restarting")
            ++result.active;
        else
            result.reclaimable += size;
    }
    return result;
}

Usage volume_usage(const json::Value& usage) {
    Usage result;
    for (const json::Value& item : items(usage, "Volumes")) {
        const std::int64_t size = std::max<std::int64_t>(integer(item["UsageData"]["Size"]), 0);
        ++result.total;
        result.size += size;
        if (integer(item["UsageData"]["RefCount"]) > 0)
            ++result.active;
        else
            result.reclaimable += size;
    }
    return result;
}

Usage cache_usage(const json::Value& usage) {
    Usage result;
    for (const json::Value& item : items(usage, "BuildCache")) {
        const bool in_use = item["InUse"].is_bool() && item["InUse"].as_bool();
        ++result.total;
        if (in_use) ++result.active;
        if (item["Shared"].is_bool() && item["Shared"].as_bool()) continue;
        result.size += integer(item["Size"]);
        if (!in_use) result.reclaimable += integer(item["Size"]);
    }
    return result;
}

std::string size_text(std::int64_t bytes) { return human_size(static_cast<double>(bytes)); }

Row summary_row(std::string_view type, const Usage& usage, bool percent = true) {
    std::string reclaimable = size_text(usage.reclaimable);
    if (percent && usage.size > 0)
        reclaimable += fmt::format(" ({}%)", usage.reclaimable * 100 / usage.size);
    return {json::Object{{"Active", std::to_string(usage.active)},
                         {"Reclaimable", reclaimable},
                         {"Size", size_text(usage.size)},
                         {"TotalCount", std::to_string(usage.total)},
                         {"Type", type}}};
}

struct Details {
    std::vector<api::ContainerSummary> kept;  // the rows refer to them
    std::vector<Row> images, containers, volumes, caches;
};

Details make_details(const json::Value& usage, bool shorten) {
    const std::int64_t now_s = now_ns() / 1'000'000'000;
    Details details;
    for (const json::Value& item : items(usage, "Images"))
        for (Row& row : make_image_rows(api::parse<api::ImageSummary>(item), shorten, false, now_s))
            details.images.push_back(std::move(row));
    for (const json::Value& item : items(usage, "Containers"))
        details.kept.push_back(api::parse<api::ContainerSummary>(item));
    for (api::ContainerSummary& container : details.kept) {
        container.size_root_fs.reset();  // what it takes itself is the question here
        details.containers.push_back(make_container_row(container, shorten, now_s));
    }
    for (const json::Value& item : items(usage, "Volumes"))
        details.volumes.push_back(
            {json::Object{{"Links", std::to_string(integer(item["UsageData"]["RefCount"]))},
                          {"Name", item["Name"]},
                          {"Size", size_text(integer(item["UsageData"]["Size"]))}}});
    const auto since = [&](const json::Value& time) {
        const auto ns = time.is_string() ? parse_rfc3339(time.as_string()) : std::nullopt;
        return ns ? human_duration(now_s - *ns / 1'000'000'000) + " ago" : std::string();
    };
    json::Array caches = items(usage, "BuildCache");
    const auto used = [](const json::Value& item) {
        return item["LastUsedAt"].is_string() ? item["LastUsedAt"].as_string() : std::string();
    };
    std::stable_sort(caches.begin(), caches.end(),
                     [&](const json::Value& a, const json::Value& b) { return used(a) < used(b); });
    for (const json::Value& item : caches) {
        const std::string id = text(item["ID"]);
        const bool in_use = item["InUse"].is_bool() && item["InUse"].as_bool();
        details.caches.push_back(
            {json::Object{{"CacheType", item["Type"]},
                          {"CreatedSince", since(item["CreatedAt"])},
                          {"Description", item["Description"]},
                          {"ID", (shorten ? short_id(id) : id) + (in_use ? "*" : "")},
                          {"InUse", in_use ? "true" : "false"},
                          {"LastUsedSince", since(item["LastUsedAt"])},
                          {"Shared", print_go(item["Shared"])},
                          {"Size", size_text(integer(item["Size"]))},
                          {"UsageCount", std::to_string(integer(item["UsageCount"]))}}});
    }
    return details;
}

std::string verbose_text(const json::Value& usage) {
    const Details details = make_details(usage, true);
    return "Images space usage:\n\n" + format_listing(image_listing, "", false, details.images) +
           "\nContainers space usage:\n\n" +
           format_listing(container_listing, "", false, details.containers) +
           "\nLocal Volumes space usage:\n\n" +
           format_listing(volume_listing, "", false, details.volumes) +
           fmt::format("\nBuild cache usage: {}\n\n", size_text(cache_usage(usage).size)) +
           format_listing(cache_listing, "", false, details.caches);
}

/// For a template over everything: .Images, .Containers, .Volumes, .BuildCache.
json::Value verbose_object(const json::Value& usage) {
    const Details details = make_details(usage, false);
    const auto fields = [](const std::vector<Row>& rows) {
        json::Array array;
        for (const Row& row : rows) array.push_back(row.fields);
        return array;
    };
    return json::Object{{"Images", fields(details.images)},
                        {"Containers", fields(details.containers)},
                        {"Volumes", fields(details.volumes)},
                        {"BuildCache", fields(details.caches)}};
}

int run(Invocation& call) {
    const std::string& format = call.arguments.text("format");
    const json::Value usage =
        call.session.ask([](client::Client& daemon) { return daemon.get("/system/df"); });
    if (call.arguments.flag("verbose")) {
        call.session.print(format.empty() || format == "table"
                               ? verbose_text(usage)
                               : format_object(verbose_object(usage), format));
        return 0;
    }
    call.session.print(format_listing(summary_listing, format, false,
                                      {summary_row("Images", image_usage(usage)),
                                       summary_row("Containers", container_usage(usage)),
                                       summary_row("Local Volumes", volume_usage(usage)),
                                       summary_row("Build Cache", cache_usage(usage), false)}));
    return 0;
}

}  // namespace

const Command system_df_command{
    .name = "system df",
    .usage = "[OPTIONS]",
    .summary = "Show what takes room on the daemon's disk",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
