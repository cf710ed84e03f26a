#include "cli/endpoint.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "cli/context_store.hh"
#include "cli/flags.hh"
#include "cli/session.hh"
#include "cli/words.hh"

#include <algorithm>
#include <cstdlib>
#include <tuple>

namespace hull::cli {
namespace {

void choose_log_level(Session& session, const Arguments& global) {
    const std::string level = lower(global.text("log-level"));
    constexpr std::string_view levels[] = {"trace",   "debug", "info",  "warn",
                                           "warning", "error", "fatal", "panic"};
    if (std::find(std::begin(levels), std::end(levels), level) == std::end(levels))
        throw Error(ErrorKind::invalid_argument,
                    "unable to parse logging level: {}: use debug, info, warn, error or fatal",
                    global.text("log-level"));
    session.debug = global.flag("debug") || level == "debug" || level == "trace";
}

void choose_configuration(Session& session, const Arguments& global) {
    Path directory = global.text("config");
    if (directory.empty()) directory = setting("CONFIG");
    if (directory.empty()) {
        const char* home = ::getenv("HOME");
        directory = join(home && *home ? home : "/", ".docker");
    }
    session.configuration = ConfigFile(std::move(directory));
}

/// Docker's rules: DOCKER_TLS and DOCKER_TLS_VERIFY count when they are not empty, --tlsverify also
/// when it is false; files come from DOCKER_CERT_PATH or the configuration directory, where a
/// missing one of the defaults is none.
void choose_tls(Session& session, const Arguments& global) {
    TlsSettings& tls = session.tls;
    tls.verify =
        global.given("tlsverify") ? global.flag("tlsverify") : !setting("TLS_VERIFY").empty();
    tls.enabled =
        global.flag("tls") || !setting("TLS").empty() || global.given("tlsverify") || tls.verify;
    if (!tls.enabled) return;
    const std::string chosen = setting("CERT_PATH");
    const Path directory = chosen.empty() ? session.configuration.directory() : Path(chosen);
    const std::tuple<const char*, const char*, Path*> files[] = {
        {"tlscacert", "ca.pem", &tls.ca},
        {"tlscert", "cert.pem", &tls.certificate},
        {"tlskey", "key.pem", &tls.key}};
    for (const auto& [flag, name, path] : files) {
        *path = global.given(flag) ? Path(global.text(flag)) : join(directory, name);
        const bool must_be = global.given(flag) || (path == &tls.ca && tls.verify);
        if (sys::find_stat(*path)) continue;
        if (must_be)
            throw Error(ErrorKind::invalid_argument,
                        "could not read {} \"{}\": no such file or directory",
                        path == &tls.ca ? "CA certificate" : "the TLS file", *path);
        path->clear();
    }
    if (tls.certificate.empty() != tls.key.empty())
        throw Error(ErrorKind::invalid_argument,
                    "a client certificate needs its key: give --tlscert and --tlskey, or put "
                    "cert.pem and key.pem into {}",
                    directory);
}

}  // namespace

std::string setting(std::string_view name) {
    for (std::string_view prefix : {"HULL_", "DOCKER_"})
        if (const char* value = ::getenv(fmt::format("{}{}", prefix, name).c_str());
            value && *value)
            return value;
    return "";
}

std::string normal_host(std::string_view host) {
    if (host.starts_with('/')) return fmt::format("unix://{}", host);
    for (std::string_view scheme : {"unix://", "tcp://", "ssh://", "http://", "https://", "fd://"})
        if (host.starts_with(scheme) && host.size() > scheme.size()) return std::string(host);
    throw Error(ErrorKind::invalid_argument,
                "unable to parse docker host `{}`: use unix:///path, tcp://host:port or "
                "ssh://user@host",
                host);
}

void choose_endpoint(Session& session, const Arguments& global) {
    choose_log_level(session, global);
    choose_configuration(session, global);
    choose_tls(session, global);
    session.api_version = setting("API_VERSION");
    if (session.api_version.starts_with('v')) session.api_version.erase(0, 1);

    session.host.clear();
    const std::vector<std::string>& hosts = global.list("host");
    const std::string& context = global.text("context");
    if (hosts.size() > 1) throw Error(ErrorKind::invalid_argument, "specify only one -H");
    if (!hosts.empty() && !context.empty())
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --host and --context");
    if (!hosts.empty()) {
        session.context = default_context;
        session.host = normal_host(hosts[0]);
        session.host_is_default = false;
        return;
    }
    session.context = context;
    const std::string host = setting("HOST");
    if (session.context.empty() && !host.empty()) session.context = default_context;
    if (session.context.empty()) session.context = setting("CONTEXT");
    if (session.context.empty()) {
        const json::Value& current = session.config("currentContext");
        session.context = current.is_string() && !current.as_string().empty()
                              ? current.as_string()
                              : std::string(default_context);
    }
    if (session.context != default_context) {
        session.host_is_default = false;  // set when the context is read
        return;
    }
    session.host_is_default = host.empty();
    session.host = host.empty() ? std::string(default_host) : normal_host(host);
}

}  // namespace hull::cli
