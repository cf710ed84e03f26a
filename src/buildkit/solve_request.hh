#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::buildkit {

using Attributes = std::map<std::string, std::string>;

/// A type with attributes: an exporter, or a place of cache.
struct Target {
    std::string type;
    Attributes attributes;

    /// "" when it is not there.
    std::string get(const std::string& name) const;
};

/// What a client wants to be made. Source: moby.buildkit.v1.SolveRequest.
struct SolveRequest {
    std::string ref, session, frontend;
    Attributes options;  ///< of the frontend
    std::vector<Target> exporters, cache_exports, cache_imports;
    std::vector<std::string> entitlements;
    bool has_definition = false;  ///< a graph of its own, in LLB
    bool has_inputs = false;      ///< graphs for the frontend
};
/// Throws invalid_argument.
SolveRequest parse_solve_request(std::string_view bytes);

/// moby.buildkit.v1.frontend.SolveRequest: what a client asks for while it is the frontend itself.
struct FrontendRequest {
    std::string frontend;
    Attributes options;
    std::vector<Target> cache_imports;
    bool has_definition = false, has_inputs = false;
};
FrontendRequest parse_frontend_request(std::string_view bytes);

}  // namespace hull::buildkit
