#pragma once
#include "cli/command.hh"

#include <cstdint>
#include <string>
#include <vector>

namespace hull::cli {

class Session;

/// What a prune removed and gave back.
struct Pruned {
    std::string text;             ///< "Deleted Containers:\n…\n\n", "" when nothing went
    std::uint64_t reclaimed = 0;  ///< bytes
};

/// The filters of one prune: --filter and pruneFilters of config.json, which --filter overrides:
/// `label=x` there is dropped when `label!=x` is asked for, and the other way round.
std::vector<std::string> prune_filters(Session& session, const Arguments& arguments);

/// `dry_run` only asks what would go.
Pruned prune_containers(Session& session, const std::vector<std::string>& filters,
                        bool dry_run = false);
/// `all`: every image without a container, else only those without a name.
Pruned prune_images(Session& session, const std::vector<std::string>& filters, bool all,
                    bool dry_run = false);
/// The kinds below are unknown to a daemon without networks, volumes or builds: nothing goes then.
Pruned prune_networks(Session& session, const std::vector<std::string>& filters,
                      bool dry_run = false);
Pruned prune_volumes(Session& session, const std::vector<std::string>& filters,
                     bool dry_run = false);
Pruned prune_build_cache(Session& session, const std::vector<std::string>& filters, bool all,
                         bool dry_run = false);

/// Prints what went, or would go, and the sum.
void print_pruned(Session& session, const std::vector<Pruned>& parts, bool dry_run = false);

/// What a prune takes: for `--why-not`.
struct PruneScope {
    bool containers = false, images = false, networks = false, volumes = false;
    bool all_images = false;   ///< named ones, too
    bool all_volumes = false;  ///< named ones, too
};
/// Says why the object of that name or id stays. Returns the exit code: 0 when there is a reason, 1
/// when it would go.
int explain_why_not(Session& session, const std::string& name, const PruneScope& scope);

}  // namespace hull::cli
