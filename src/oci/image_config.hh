#pragma once
#include "base/json.hh"
#include "oci/digest.hh"
#include "oci/platform.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::oci {

/// `Healthcheck`: test is empty (inherit), {"NONE"}, {"CMD", …} or {"CMD-SHELL", text}.
struct Healthcheck {
    std::vector<std::string> test;
    std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
    int retries = 0;
    bool operator==(const Healthcheck&) const = default;
};

/// The `config` block of an image: what its containers start with. nullopt is Docker's null.
struct ImageConfigBlock {
    std::string user, working_dir, stop_signal;
    std::vector<std::string> env;
    std::optional<std::vector<std::string>> cmd, entrypoint;
    std::map<std::string, std::string> labels;
    std::set<std::string> exposed_ports, volumes;
    std::vector<std::string> on_build, shell;
    std::optional<Healthcheck> healthcheck;
    bool args_escaped = false;
    std::optional<int> stop_timeout_s;
    json::Object unknown;  ///< members we do not know (Hostname, Image, Tty, …), kept as read
};

struct HistoryEntry {
    std::string created;  ///< RFC 3339, "" when absent
    std::string created_by, author, comment;
    bool empty_layer = false;
};

/// The OCI image configuration with Docker's additions. Source: image-spec config.md,
/// docker-image-spec spec.md.
struct ImageConfig {
    std::string created, author;  ///< `created` is RFC 3339, "" when absent
    Platform platform;            ///< os, architecture, variant, os.version, os.features
    ImageConfigBlock config;
    std::vector<Digest> diff_ids;  ///< base first
    std::vector<HistoryEntry> history;
    json::Object unknown;  ///< other top-level members, kept as read
};

/// Throws invalid_argument naming the member.
ImageConfig parse_image_config(std::string_view text);
/// The bytes differ from what was parsed: never write this back under the old digest.
json::Value to_json(const ImageConfig& config);

ImageConfigBlock parse_image_config_block(const json::Value& value);
json::Value to_json(const ImageConfigBlock& block);

Healthcheck parse_healthcheck(const json::Value& value);
json::Value to_json(const Healthcheck& healthcheck);

/// The chainID of these layers, base first; an empty Digest for none.
/// Source: image-spec config.md, "Layer ChainID".
Digest chain_id(std::span<const Digest> diff_ids);
/// The chainID of each prefix: [0] is of the base alone.
std::vector<Digest> chain_ids(std::span<const Digest> diff_ids);

}  // namespace hull::oci
