#include "registry/api.hh"

#include "base/log.hh"
#include "base/time.hh"

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

void Api::set_auth(std::shared_ptr<const Auth> auth) {
    auto current = auth_.lock();
    *current = std::move(auth);
}

std::shared_ptr<const Auth> Api::current_auth() {
    auto current = auth_.lock();
    return *current;
}

void Api::handle(http::Exchange& exchange) {
    const std::int64_t begin_ns = monotonic_ns();
    metrics_.requests_running++;
    exchange.reply_headers.set("Docker-Distribution-API-Version", "registry/2.0");
    exchange.reply_headers.set("X-Content-Type-Options", "nosniff");
    Call call{.exchange = exchange};
    try {
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
    } catch (const Error& error) {  // the client is gone
        if (call.error.empty()) call.error = error.message();
        finish(call, begin_ns);
        throw;
    }
    finish(call, begin_ns);
}

/// Counts and logs what was answered.
void Api::finish(const Call& call, std::int64_t begin_ns) {
    const http::Exchange& exchange = call.exchange;
    const std::int64_t duration_ns = monotonic_ns() - begin_ns;
    metrics_.requests_running--;
    metrics_.received_bytes += call.received;
    metrics_.sent_bytes += call.sent;
    metrics_.count_request(exchange.method, call.status, duration_ns);
    access_log_.write({.time_ns = now_ns(),
                       .duration_ns = duration_ns,
                       .peer = exchange.peer,
                       .user = call.who.user,
                       .method = exchange.method,
                       .path = exchange.path,
                       .query = exchange.raw_query,
                       .user_agent = exchange.headers.get("User-Agent"),
                       .repository = call.route.repository,
                       .reference = call.route.reference,
                       .error = call.error,
                       .status = call.status,
                       .received = call.received,
                       .sent = call.sent});
}

void Api::dispatch(Call& call) {
    using Kind = Route::Kind;
    http::Exchange& exchange = call.exchange;
    const std::string path = http::decode_percent(exchange.path, false);
    const std::shared_ptr<const Auth> auth = current_auth();
    const bool reads = exchange.method == "GET" || exchange.method == "HEAD";
    if (path == "/token" && auth->issues_tokens() && (reads || exchange.method == "POST")) {
        http::Response reply = auth->issue_token(exchange);
        return call.send(reply.status, std::move(reply.headers), std::move(reply.body));
    }
    if (path == "/metrics" && options_.metrics && reads)
        return call.send(200, {{"Content-Type", "text/plain; version=0.0.4"}},
                         metrics_.text(uploads_.count()));
    if (path == "/" && reads) return call.send(200);
    auto route = parse_route(path);
    if (!route) throw Refusal(404, code::unsupported, "there is nothing at this path");
    call.route = *std::move(route);
    const Kind kind = call.route.kind;
    if (kind != Kind::base && kind != Kind::catalog && !is_valid_repository(call.route.repository))
        throw Refusal(400, code::name_invalid, "invalid repository name \"{}\"",
                      std::string_view(call.route.repository).substr(0, 300));
    authorize(call, *auth);
    if (options_.read_only && !reads)
        throw Refusal(405, code::unsupported, "{}", options_.read_only_reason);
    dispatch_route(call);
}

void Api::authorize(Call& call, const Auth& auth) {
    using Kind = Route::Kind;
    const http::Exchange& exchange = call.exchange;
    call.who = auth.identify(exchange);
    const Kind kind = call.route.kind;
    if (kind == Kind::base) return auth.require_login(exchange, call.who);
    if (kind == Kind::catalog) return auth.require_catalog(exchange, call.who);
    const bool is_upload = kind == Kind::start_upload || kind == Kind::upload;
    const bool reads = exchange.method == "GET" || exchange.method == "HEAD";
    Right right = Right::push;
    if (!is_upload && reads) right = Right::pull;
    if (!is_upload && exchange.method == "DELETE") right = Right::remove;
    auth.require(exchange, call.who, call.route.repository, right);
}

void Api::dispatch_route(Call& call) {
    using Kind = Route::Kind;
    const std::string& method = call.exchange.method;
    const bool reads = method == "GET" || method == "HEAD";
    switch (call.route.kind) {
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
