#pragma once
#include "base/json.hh"
#include "linux/cgroup.hh"

#include <string>

namespace hull::runtime {

/// The event `events --stats` prints, in runc's form: {"type":"stats","id":…,"data":{…}}.
json::Value make_stats_event(const std::string& id, const linux_::CgroupStats& stats);

}  // namespace hull::runtime
