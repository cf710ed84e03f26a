#include "registry/api.hh"

#include "base/log.hh"
#include "oci/reference.hh"

#include <cerrno>

namespace hull::registry {

void Call::send(int reply_status, http::Headers headers, std::string body) {
    status = reply_status;
    sent = exchange.method == "HEAD" ? 0 : body.size();
    exchange.send({reply_status, std::move(headers), std::move(body)});
}

void Call::send_json(const json::Value& value, http::Headers headers) {
    if (!headers.find("Content-Type")) headers.set("Content-Type", "application/json");
    send(200, std::move(headers), json::dump(value));
}

void Call::send_file(int reply_status, http::Headers headers, http::FileRange range) {
    status = reply_status;
    sent = exchange.method == "HEAD" ? 0 : range.size;
    exchange.send_file(reply_status, std::move(headers), range);
}

json::Value error_body(std::string_view code, std::string_view message, const json::Value& detail) {
    json::Object error{{"code", code}, {"message", message}};
    if (!detail.is_null()) error["detail"] = detail;
    return json::Object{{"errors", json::Array{std::move(error)}}};
}

namespace {

void reply_error(Call& call, int status, std::string_view code, const Error& error,
                 const json::Value& detail, http::Headers headers) {
    call.error = error.message();
    if (call.exchange.replied()) return call.exchange.abort();
    headers.set("Content-Type", "application/json");
    call.send(status, std::move(headers), json::dump(error_body(code, error.message(), detail)));
}

bool is_disk_full(const Error& error) {
    return error.error_number() == ENOSPC || error.error_number() == EDQUOT;
}

/// An error that is not the specification's: the connection's, the disk's or our own.
void reply_other_error(Call& call, const Error& error) {
    if (error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::invalid_argument)
        return reply_error(call, 400, code::unsupported, error, {}, {});
    log::error("{} {}: {}", call.exchange.method, call.exchange.path, error.message());
    if (is_disk_full(error))
        return reply_error(call, 507, code::unknown,
                           Error(ErrorKind::unavailable, "the registry's disk is full"), {}, {});
    reply_error(call, 500, code::unknown,
                Error(ErrorKind::internal, "the registry failed: its log says why"), {}, {});
}

Refusal method_refusal(const Call& call) {
    return {405, code::unsupported, "{} is not supported here", call.exchange.method};
}

}  // namespace

void Api::handle(http::Exchange& exchange) {
    exchange.reply_headers.set("Docker-Distribution-API-Version", "registry/2.0");
    exchange.reply_headers.set("X-Content-Type-Options", "nosniff");
    Call call{.exchange = exchange};
    try {
        dispatch(call);
    } catch (const Refusal& refusal) {
        reply_error(call, refusal.status(), refusal.code(), refusal, refusal.detail(),
                    refusal.headers());
    } catch (const Error& error) {
        reply_other_error(call, error);
    } catch (const std::exception& error) {
        reply_other_error(call, Error(ErrorKind::internal, "{}", error.what()));
    }
}

void Api::dispatch(Call& call) {
    using Kind = Route::Kind;
    const std::string path = http::decode_percent(call.exchange.path, false);
    auto route = parse_route(path);
    if (!route && path == "/") return call.send(200);
    if (!route) throw Refusal(404, code::unsupported, "there is nothing at this path");
    call.route = *std::move(route);
    const std::string& method = call.exchange.method;
    const bool reads = method == "GET" || method == "HEAD";
    const Kind kind = call.route.kind;
    if (kind != Kind::base && kind != Kind::catalog && !is_valid_repository(call.route.repository))
        throw Refusal(400, code::name_invalid, "invalid repository name \"{}\"",
                      std::string_view(call.route.repository).substr(0, 300));

    switch (kind) {
        case Kind::base:
            if (reads) return call.send_json(json::Object{});
            break;
        case Kind::catalog:
            if (reads) return list_catalog(call);
            break;
        case Kind::tags:
            if (reads) return list_tags(call);
            break;
        case Kind::referrers:
            if (reads) return list_referrers(call);
            break;
        case Kind::manifest:
            if (reads) return get_manifest(call);
            if (method == "PUT") return put_manifest(call);
            if (method == "DELETE") return delete_manifest(call);
            break;
        case Kind::blob:
            if (reads) return get_blob(call);
            if (method == "DELETE") return delete_blob(call);
            break;
        case Kind::start_upload:
            if (method == "POST") return start_upload(call);
            break;
        case Kind::upload:
            if (reads) return get_upload(call);
            if (method == "PATCH") return patch_upload(call);
            if (method == "PUT") return finish_upload(call);
            if (method == "DELETE") return delete_upload(call);
            break;
    }
    throw method_refusal(call);
}

}  // namespace hull::registry
