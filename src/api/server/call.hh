#pragma once
#include "api/server/rights.hh"
#include "api/types/nullable.hh"
#include "base/error.hh"
#include "base/json.hh"
#include "http/server.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build {
class Builder;
}
namespace hull::engine {
class Engine;
}
namespace hull::image {
class Images;
}

namespace hull::server {

class BuildkitGate;

/// Versions of the API: 1.MINOR.
inline constexpr int newest_minor = 50, oldest_minor = 12;

/// What the routes work on.
struct Services {
    engine::Engine& engine;
    image::Images& images;
    build::Builder& builder;
    std::string storage_driver;    ///< as info() names it
    std::vector<Door> doors = {};  ///< sockets of limited rights, by Exchange::door from 1
    AuditLog* audit = nullptr;
    BuildkitGate* buildkit = nullptr;
};

using Filters = std::map<std::string, std::vector<std::string>>;

/// One request with its route's path parameters and the API version it asked for.
class Call {
public:
    Call(const Services& all, http::Exchange& http, int minor)
        : services(all),
          engine(all.engine),
          images(all.images),
          builder(all.builder),
          storage_driver(all.storage_driver),
          exchange(http),
          minor_version(minor) {}

    const Services& services;
    engine::Engine& engine;
    image::Images& images;
    build::Builder& builder;
    const std::string& storage_driver;
    http::Exchange& exchange;
    const int minor_version;
    std::map<std::string, std::string, std::less<>> path_parameters;

    const std::string& path(std::string_view name) const {
        return path_parameters.find(name)->second;
    }
    std::string query(std::string_view name) const { return std::string(exchange.parameter(name)); }
    bool flag(std::string_view name, bool fallback = false) const {
        return exchange.flag(name, fallback);
    }
    /// nullopt when missing or empty; throws invalid_argument for anything but a number.
    std::optional<std::int64_t> find_integer(std::string_view name) const;
    /// The `filters` parameter, in both of Docker's forms.
    Filters filters() const;
    /// The JSON body. Throws Docker's invalid_argument texts for another content type, an empty
    /// body and broken JSON.
    json::Value body() const;
    /// body(), or null when the request has none.
    json::Value optional_body() const;
    template <typename T>
    T body_as() const {
        const json::Value value = body();
        return with_context([&] { return api::parse<T>(value); }, "invalid JSON");
    }
};

/// A handler decodes, calls the engine once, and encodes. `reply` returns a whole reply; `stream`
/// writes to call.exchange itself.
struct Route {
    std::string_view method;
    /// `{name}` is one segment, `{name...}` one or more.
    std::string_view pattern;
    http::Response (*reply)(Call&) = nullptr;
    void (*stream)(Call&) = nullptr;
};

/// The parameters of `path` when it matches `pattern`.
std::optional<std::map<std::string, std::string, std::less<>>> match_path(std::string_view pattern,
                                                                          std::string_view path);

}  // namespace hull::server
