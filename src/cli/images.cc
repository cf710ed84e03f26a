#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/images_tree.hh"
#include "cli/rows.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <algorithm>
#include <map>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Show intermediate images, too"},
    {"digests", 0, FlagType::boolean, "Show digests"},
    {"filter", 'f', FlagType::filter, "Show only images that match (name=value)"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
    {"quiet", 'q', FlagType::boolean, "Only show IDs"},
    {"tree", 0, FlagType::boolean, "Show the platforms of an image as a tree"},
};

constexpr Listing::Column columns[] = {
    {"ID", "IMAGE ID"},
    {"Repository", "REPOSITORY"},
    {"Tag", "TAG"},
    {"Digest", "DIGEST"},
    {"CreatedSince", "CREATED"},
    {"CreatedAt", "CREATED AT"},
    {"Size", "SIZE"},
    {"Containers", "CONTAINERS"},
    {"VirtualSize", "SIZE"},
    {"SharedSize", "SHARED SIZE"},
    {"UniqueSize", "UNIQUE SIZE"},
};

constexpr Listing plain_listing{
    .type_name = "*formatter.imageContext",
    .default_table =
        "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}"
        "{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};
constexpr Listing digest_listing{
    .type_name = plain_listing.type_name,
    .default_table =
        "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{if .CreatedSince }}"
        "{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}",
    .quiet = plain_listing.quiet,
    .columns = columns,
};

constexpr std::string_view none = "<none>";

struct Name {
    std::string repository, tag, digest;
};

/// One line for each name of an image; with `digests` one for each name and digest.
std::vector<Name> names_of(const api::ImageSummary& image, bool digests) {
    std::vector<std::pair<std::string, std::vector<std::string>>> tags, sums;
    const auto add = [](auto& map, const std::string& key, const std::string& value) {
        const auto found = std::find_if(map.begin(), map.end(),
                                        [&](const auto& entry) { return entry.first == key; });
        if (found == map.end())
            map.push_back({key, {value}});
        else
            found->second.push_back(value);
    };
    for (const std::string& reference : image.repo_tags) {
        if (reference == "<none>:<none>") continue;
        const std::size_t colon = reference.rfind(':');
        add(tags, reference.substr(0, colon), reference.substr(colon + 1));
    }
    for (const std::string& reference : image.repo_digests) {
        if (reference == "<none>@<none>") continue;
        const std::size_t at = reference.find('@');
        add(sums, reference.substr(0, at), reference.substr(at + 1));
    }
    std::vector<Name> names;
    for (const auto& [repository, its_tags] : tags) {
        std::vector<std::string> its_sums;
        const auto found =
            std::find_if(sums.begin(), sums.end(),
                         [&, &repo = repository](const auto& e) { return e.first == repo; });
        if (found != sums.end()) {
            its_sums = found->second;
            sums.erase(found);
        }
        if (!digests || its_sums.empty()) its_sums = {std::string(none)};
        for (const std::string& sum : its_sums)
            for (const std::string& tag : its_tags) names.push_back({repository, tag, sum});
    }
    for (const auto& [repository, its_sums] : sums) {
        if (!digests) {
            names.push_back({repository, std::string(none), std::string(none)});
            continue;
        }
        for (const std::string& sum : its_sums)
            names.push_back({repository, std::string(none), sum});
    }
    if (names.empty()) names.push_back({std::string(none), std::string(none), std::string(none)});
    return names;
}

std::string counted(std::int64_t count) { return count < 0 ? "N/A" : std::to_string(count); }
std::string measured(std::int64_t bytes) {
    return bytes < 0 ? "N/A" : human_size(static_cast<double>(bytes), 3);
}

}  // namespace

std::vector<Row> make_image_rows(const api::ImageSummary& image, bool shorten, bool digests,
                                 std::int64_t now_s) {
    std::vector<Row> rows;
    for (const Name& name : names_of(image, digests)) {
        const std::int64_t unique = image.shared_size < 0 ? -1 : image.size - image.shared_size;
        rows.push_back({json::Object{
            {"Containers", counted(image.containers)},
            {"CreatedAt", go_time(image.created)},
            {"CreatedSince", image.created > 0 ? human_duration(now_s - image.created) + " ago"
                                               : std::string("N/A")},
            {"Digest", name.digest},
            {"ID", shorten ? short_id(image.id) : image.id},
            {"Repository", name.repository},
            {"SharedSize", measured(image.shared_size)},
            {"Size", measured(image.size)},
            {"Tag", name.tag},
            {"UniqueSize", measured(unique)},
            {"VirtualSize", measured(image.size)},
        }});
    }
    return rows;
}

namespace {

int print_tree(Invocation& call, const std::vector<std::string>& filters) {
    for (const char* other : {"digests", "format", "quiet", "no-trunc"})
        if (call.arguments.given(other))
            throw Error(ErrorKind::invalid_argument, "--{} is not yet supported with --tree",
                        other);
    http::Query query{{"manifests", "1"}};
    if (call.arguments.flag("all")) query.emplace_back("all", "1");
    if (!filters.empty())
        query.emplace_back("filters", client::format_filters(make_filters(filters)));
    call.session.print(images_tree(call.session.ask(
        [&](client::Client& daemon) { return daemon.get("/images/json", query); })));
    return 0;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    std::vector<std::string> filters = arguments.list("filter");
    if (!arguments.positional.empty()) filters.push_back("reference=" + arguments.positional[0]);
    if (arguments.flag("tree")) return print_tree(call, filters);
    std::string format = arguments.text("format");
    if (format.empty() && !arguments.flag("quiet") &&
        call.session.config("imagesFormat").is_string())
        format = call.session.config("imagesFormat").as_string();
    const bool shorten = !arguments.flag("no-trunc");
    const bool digests =
        arguments.flag("digests") || format.find("{{.Digest}}") != std::string::npos;
    const auto images = call.session.ask([&](client::Client& daemon) {
        return daemon.list_images(arguments.flag("all"), make_filters(filters));
    });
    const std::int64_t now_s = now_ns() / 1'000'000'000;
    std::vector<Row> rows;
    for (const api::ImageSummary& image : images)
        for (Row& row : make_image_rows(image, shorten, digests, now_s))
            rows.push_back(std::move(row));
    call.session.print(format_listing(arguments.flag("digests") ? digest_listing : plain_listing,
                                      format, arguments.flag("quiet"), rows));
    return 0;
}

}  // namespace

const Command images_command{
    .name = "image ls",
    .aliases = {"image list", "images"},
    .usage = "[OPTIONS] [REPOSITORY[:TAG]]",
    .summary = "List images",
    .args = at_most(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
