#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hull::compose {

/// Runs `body(name)` for every key of `after`, each once the names in its value are done, as many
/// at a time as `limit` allows (below 1: no limit). What depends on a failed one is not run; the
/// others are. Throws the first error when all have ended.
void run_in_order(const std::map<std::string, std::vector<std::string>>& after, int limit,
                  const std::function<void(const std::string& name)>& body);

/// The same without an order.
void run_all(const std::vector<std::function<void()>>& jobs, int limit);

}  // namespace hull::compose
