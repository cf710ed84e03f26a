#include "api/server/api.hh"

#include "api/server/routes.hh"
#include "base/advice.hh"
#include "base/log.hh"
#include "engine/caller.hh"

#include <fmt/core.h>

#include <charconv>

namespace hull::server {

namespace {

/// Clients before 1.24 expect errors as text.
constexpr int json_errors_since = 24;

/// The body is Docker's; what there is beside the message is in header fields.
http::Response error_response(const Error& error, int minor_version) {
    const int status = http_status(error.kind());
    if (status == 304) return http::Response::empty(304);
    http::Response response =
        minor_version < json_errors_since
            ? http::Response::text(status, error.message() + "\n")
            : http::Response::json(json::Object{{"message", error.message()}}, status);
    const Advice advice = find_advice(error.kind(), error.message());
    response.headers.add("Hull-Error-Code", std::string(advice.code));
    // A field is one line of plain text, whatever the message had in it.
    std::string next = advice.next;
    std::erase_if(next, [](char c) { return c < ' ' || c == 0x7f; });
    response.headers.add("Hull-Error-Next", next);
    return response;
}

bool run_route(std::span<const Route> routes, std::string_view path, Call& call) {
    for (const Route& route : routes) {
        if (route.method != call.exchange.method) continue;
        auto parameters = match_path(route.pattern, path);
        if (!parameters) continue;
        call.path_parameters = std::move(*parameters);
        check_rights(call, route.pattern);
        if (route.stream)
            route.stream(call);
        else
            call.exchange.send(route.reply(call));
        return true;
    }
    return false;
}

}  // namespace

VersionedPath parse_versioned_path(std::string_view path) {
    VersionedPath result;
    const std::size_t slash = path.find('/', 1);
    const std::string_view first = path.substr(0, slash);
    if (!first.starts_with("/v") || first.size() < 3 || first[2] < '0' || first[2] > '9' ||
        slash == std::string_view::npos) {
        result.path = path;
        return result;
    }
    const std::string_view version = first.substr(2);
    int major = 0, minor = 0;
    const char* const end = version.data() + version.size();
    auto parsed = std::from_chars(version.data(), end, major);
    const bool dotted = parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '.';
    if (dotted) parsed = std::from_chars(parsed.ptr + 1, end, minor);
    if (!dotted || parsed.ec != std::errc() || parsed.ptr != end)
        throw Error(ErrorKind::not_found, "page not found");
    if (major < 1 || (major == 1 && minor < oldest_minor))
        throw Error(ErrorKind::invalid_argument,
                    "client version {} is too old. Minimum supported API version is 1.{}, please "
                    "upgrade your client to a newer version",
                    version, oldest_minor);
    if (major > 1 || minor > newest_minor)
        throw Error(ErrorKind::invalid_argument,
                    "client version {} is too new. Maximum supported API version is 1.{}", version,
                    newest_minor);
    result.minor = minor;
    result.path = path.substr(slash);
    return result;
}

void Api::handle(http::Exchange& exchange) const {
    const engine::CallerScope caller(
        exchange.peer_uid >= 0 ? fmt::format("uid {}, pid {}", exchange.peer_uid, exchange.peer_pid)
                               : exchange.peer);
    answer(exchange);
    if (services_.audit)
        services_.audit->note(Call(services_, exchange, newest_minor), exchange.status);
}

void Api::answer(http::Exchange& exchange) const {
    exchange.reply_headers = {{"Api-Version", fmt::format("1.{}", newest_minor)},
                              {"Docker-Experimental", "false"},
                              {"Ostype", "linux"},
                              {"Server", "Docker/" HULL_VERSION " (linux)"}};
    int minor = newest_minor;
    try {
        VersionedPath target = parse_versioned_path(http::decode_percent(exchange.path, false));
        minor = target.minor;
        if (exchange.method == "OPTIONS") return exchange.send(http::Response::empty(200));
        Call call(services_, exchange, minor);
        for (const auto routes :
             {system_routes(), container_routes(), exec_routes(), file_routes(), usage_routes(),
              network_routes(), volume_routes(), secret_routes(), unsupported_routes(),
              registry_routes(), build_routes(), buildkit_routes(), build_history_routes(),
              image_routes()})
            if (run_route(routes, target.path, call)) return;
        throw Error(ErrorKind::not_found, "page not found");
    } catch (const Error& error) {
        log::debug("{} {}: {}", exchange.method, exchange.target, error.message());
        if (exchange.replied()) throw;
        exchange.send(error_response(error, minor));
    } catch (const std::exception& error) {
        log::error("{} {}: {}", exchange.method, exchange.target, error.what());
        if (exchange.replied()) throw;
        exchange.send(error_response(Error(ErrorKind::internal, "{}", error.what()), minor));
    }
}

}  // namespace hull::server
