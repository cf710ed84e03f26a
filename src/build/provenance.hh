#pragma once
#include "base/json.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::build {

inline constexpr std::string_view provenance_type = "https://slsa.dev/provenance/v1";

/// "pkg:docker/alpine@3.20?platform=linux%2Famd64"
std::string package_address(const std::string& reference, const std::string& platform);

/// The in-toto statement that `predicate` is about the manifest `digest`, which `references` name.
/// Source: in-toto attestation v0.1, SLSA provenance v1.
std::string provenance_statement(const std::vector<std::string>& references,
                                 const std::string& platform, const std::string& digest,
                                 const json::Value& predicate);

}  // namespace hull::build
