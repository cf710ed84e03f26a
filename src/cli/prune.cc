#include "cli/prune.hh"

#include "base/error.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <algorithm>

namespace hull::cli {
namespace {

/// Where to ask and what for.
struct Ask {
    std::string path;
    bool dry_run = false;
};

json::Value ask(client::Client& daemon, const Ask& what, const http::Query& query) {
    return what.dry_run ? daemon.get(what.path, query) : daemon.post(what.path, query);
}

std::string heading(bool dry_run, std::string_view kind) {
    return fmt::format("{} {}:\n", dry_run ? "Would delete" : "Deleted", kind);
}

/// What went by POST, or would by GET: a list of names under `member`.
Pruned prune(Session& session, const Ask& what, const std::vector<std::string>& filters,
             const char* member, std::string_view kind, const http::Query& more = {}) {
    http::Query query = more;
    if (!filters.empty())
        query.emplace_back("filters", client::format_filters(make_filters(filters)));
    const json::Value reply =
        session.ask([&](client::Client& daemon) { return ask(daemon, what, query); });
    Pruned pruned;
    const json::Value& names = reply[member];
    if (names.is_array() && !names.as_array().empty()) {
        pruned.text = heading(what.dry_run, kind);
        for (const json::Value& name : names.as_array()) pruned.text += name.as_string() + "\n";
        pruned.text += "\n";
    }
    if (reply["SpaceReclaimed"].is_number()) pruned.reclaimed = reply["SpaceReclaimed"].as_uint();
    return pruned;
}

template <typename Body>
Pruned nothing_when_unsupported(Body&& body) {
    try {
        return body();
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::unsupported) return {};
        throw;
    }
}

}  // namespace

std::vector<std::string> prune_filters(Session& session, const Arguments& arguments) {
    std::vector<std::string> filters = arguments.list("filter");
    const json::Value& configured = session.config("pruneFilters");
    if (!configured.is_array()) return filters;
    const std::vector<std::string> asked = filters;
    for (const json::Value& entry : configured.as_array()) {
        const std::string text = entry.is_string() ? entry.as_string() : "";
        const auto [name, value] = cut(text, '=');
        if (!value) continue;
        const std::string opposite =
            name.ends_with('!') ? fmt::format("{}={}", name.substr(0, name.size() - 1), *value)
                                : fmt::format("{}!={}", name, *value);
        if (std::find(asked.begin(), asked.end(), opposite) == asked.end()) filters.push_back(text);
    }
    return filters;
}

Pruned prune_containers(Session& session, const std::vector<std::string>& filters, bool dry_run) {
    return prune(session, {"/containers/prune", dry_run}, filters, "ContainersDeleted",
                 "Containers");
}

Pruned prune_images(Session& session, const std::vector<std::string>& filters, bool all,
                    bool dry_run) {
    auto wanted = make_filters(filters);
    wanted["dangling"] = {all ? "false" : "true"};
    const http::Query query = {{"filters", client::format_filters(wanted)}};
    const auto result =
        api::parse<api::ImagesPruneResponse>(session.ask([&](client::Client& daemon) {
            return ask(daemon, {"/images/prune", dry_run}, query);
        }));
    Pruned pruned{"", result.space_reclaimed};
    if (result.images_deleted.empty()) return pruned;
    pruned.text = heading(dry_run, "Images");
    for (const api::ImageDeleteItem& item : result.images_deleted)
        pruned.text += item.untagged.empty() ? "deleted: " + item.deleted + "\n"
                                             : "untagged: " + item.untagged + "\n";
    pruned.text += "\n";
    return pruned;
}

Pruned prune_networks(Session& session, const std::vector<std::string>& filters, bool dry_run) {
    return nothing_when_unsupported([&] {
        return prune(session, {"/networks/prune", dry_run}, filters, "NetworksDeleted", "Networks");
    });
}

Pruned prune_volumes(Session& session, const std::vector<std::string>& filters, bool dry_run) {
    return nothing_when_unsupported([&] {
        return prune(session, {"/volumes/prune", dry_run}, filters, "VolumesDeleted", "Volumes");
    });
}

Pruned prune_build_cache(Session& session, const std::vector<std::string>& filters, bool all,
                         bool dry_run) {
    return nothing_when_unsupported([&] {
        return prune(session, {"/build/prune", dry_run}, filters, "CachesDeleted",
                     "build cache objects", {{"all", all ? "1" : "0"}});
    });
}

void print_pruned(Session& session, const std::vector<Pruned>& parts, bool dry_run) {
    std::string text;
    std::uint64_t reclaimed = 0;
    for (const Pruned& part : parts) {
        text += part.text;
        reclaimed += part.reclaimed;
    }
    session.print(fmt::format("{}{}: {}\n", text,
                              dry_run ? "Space that would be reclaimed" : "Total reclaimed space",
                              human_size(static_cast<double>(reclaimed))));
}

}  // namespace hull::cli
