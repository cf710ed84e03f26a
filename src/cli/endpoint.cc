#include "cli/endpoint.hh"

#include "base/error.hh"
#include "cli/context_store.hh"
#include "cli/flags.hh"
#include "cli/session.hh"
#include "cli/words.hh"

#include <algorithm>
#include <cstdlib>

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

/// TLS belongs to tcp:// and there is none yet: silence would mean talking without it.
void refuse_tls(const Arguments& global) {
    for (std::string_view name : {"tls", "tlsverify"})
        if (global.given(name) && global.flag(name))
            throw Error(ErrorKind::unsupported,
                        "--{} is not supported yet: talk to the daemon over unix:// or ssh://",
                        name);
    for (std::string_view name : {"tlscacert", "tlscert", "tlskey"})
        if (global.given(name))
            throw Error(ErrorKind::unsupported,
                        "--{} is not supported yet: talk to the daemon over unix:// or ssh://",
                        name);
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
    refuse_tls(global);
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
