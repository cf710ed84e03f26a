#pragma once
#include "base/json.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::oci {

/// os/architecture[/variant] in Go's words. Source: image-spec image-index.md,
/// containerd/platforms.
struct Platform {
    std::string os{}, architecture{}, variant{}, os_version{};
    std::vector<std::string> os_features{};

    bool operator==(const Platform&) const = default;
    std::string str() const;  ///< linux/arm64/v8
};

/// Reads `linux/amd64`, `arm64`, `linux/arm/v7`; aliases are normalised (x86_64 -> amd64).
/// Throws invalid_argument.
Platform parse_platform(std::string_view text);
/// aarch64 -> arm64, arm64/v8 -> arm64, arm -> arm/v7, amd64/v1 -> amd64.
Platform normalize(Platform platform);
/// The machine we run on.
Platform host_platform();
/// How well an image for `offered` runs where `wanted` is asked for: higher is better, 0 not at
/// all. An empty member of `wanted` fits anything; arm/v7 runs arm/v6, amd64/v3 runs amd64/v2.
int match(const Platform& wanted, const Platform& offered);

Platform parse_platform_json(const json::Value& value);
json::Value to_json(const Platform& platform);

}  // namespace hull::oci
