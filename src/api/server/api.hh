#pragma once
#include "api/server/call.hh"

namespace hull::server {

/// Docker's Engine API over an engine and its images: finds the route of a request and turns errors
/// into replies. Give `handle` to an http::Server.
class Api {
public:
    explicit Api(Services services) : services_(std::move(services)) {}
    void handle(http::Exchange& exchange) const;

private:
    void answer(http::Exchange& exchange) const;
    Services services_;
};

/// "/v1.44/info" -> {44, "/info"}, "/info" -> {newest, "/info"}. Throws Docker's invalid_argument
/// for versions that are not served.
struct VersionedPath {
    int minor = newest_minor;
    std::string path;
};
VersionedPath parse_versioned_path(std::string_view path);

}  // namespace hull::server
