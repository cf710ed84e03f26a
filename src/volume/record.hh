#pragma once
#include "base/json.hh"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace hull::volume {

using StringMap = std::map<std::string, std::string>;

/// Marks volumes that nobody has named. Docker's, so that its clients see them as such.
inline constexpr const char* anonymous_label = "com.docker.volume.anonymous";
inline constexpr const char* local_driver = "local";

/// One volume, immutable: a change is a new record.
struct Volume {
    std::string name;
    std::string driver = local_driver;
    std::int64_t created_ns = 0;
    std::optional<StringMap> labels, options;  ///< absent: the client has sent none
    /// Directory below `volumes` that is about to become the volume's own; "" once it has.
    std::string arrives_from = {};

    bool is_anonymous() const { return labels && labels->contains(anonymous_label); }
    /// "" when it has no such option.
    std::string option(const std::string& key) const;
};
using VolumePointer = std::shared_ptr<const Volume>;  ///< the list and every reader own it

json::Value to_json(const Volume& volume);
Volume parse_volume(const json::Value& value);

}  // namespace hull::volume
