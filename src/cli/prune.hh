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

Pruned prune_containers(Session& session, const std::vector<std::string>& filters);
/// `all`: every image without a container, else only those without a name.
Pruned prune_images(Session& session, const std::vector<std::string>& filters, bool all);
/// The kinds below are unknown to a daemon without networks, volumes or builds: nothing goes then.
Pruned prune_networks(Session& session, const std::vector<std::string>& filters);
Pruned prune_volumes(Session& session, const std::vector<std::string>& filters);
Pruned prune_build_cache(Session& session, const std::vector<std::string>& filters, bool all);

/// Prints what went and the sum.
void print_pruned(Session& session, const std::vector<Pruned>& parts);

}  // namespace hull::cli
