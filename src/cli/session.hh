#pragma once
#include "api/client/client.hh"
#include "base/error.hh"
#include "base/json.hh"
#include "cli/config_file.hh"
#include "cli/tcp.hh"

#include <memory>
#include <string>
#include <string_view>

namespace hull::cli {

class Arguments;

/// What one run of the program knows: how it was called, the daemon it talks to, where it writes.
class Session {
public:
    std::string program = "hull";  ///< as errors and help name us: "docker" when called so
    std::string context = "default";
    std::string host;             ///< "unix:///run/hull.sock"; of a context once it is needed
    bool host_is_default = true;  ///< nobody chose it: we may start the daemon
    std::string api_version;      ///< "" = the daemon's newest
    ConfigFile configuration;
    TlsSettings tls;                             ///< for a tcp:// host that no context names
    const Arguments* group_arguments = nullptr;  ///< flags between the group's name and the command
    bool debug = false;                          ///< tell on standard error what is asked of whom
    bool prints_to_error = false;                ///< what it prints is progress of a greater whole

    /// The connection of this run. On first use finds out whether somebody listens and starts the
    /// daemon when nobody does, the socket is the default one and we are root.
    /// Throws unavailable, Docker's "Cannot connect to the Docker daemon at …".
    client::Client& daemon();
    /// One more connection, for a request that runs beside another.
    client::Client make_client();
    /// The host, of the context when one was chosen. Throws not_found for a missing context.
    const std::string& resolved_host();
    /// The path of a unix host. Throws unsupported for others.
    std::string socket_path();

    /// Runs `body` with the daemon; an Error of its reply gets Docker's prefix.
    template <typename Body>
    auto ask(Body&& body) {
        client::Client& connection = daemon();
        return from_daemon([&] { return body(connection); });
    }
    template <typename Body>
    static auto from_daemon(Body&& body) -> decltype(body()) {
        try {
            return body();
        } catch (Error& error) {
            error.add_context("Error response from daemon");
            throw;
        }
    }

    /// Writes to standard output (or error, see above), all at once.
    void print(std::string_view text) const;
    void print_line(std::string_view text) const;
    /// One line to standard error.
    void complain(std::string_view text) const;
    /// What failed and, on a line of its own, what to do next and the error's code; not as `docker`
    /// or with HULL_ERRORS=plain: then it is Docker's text alone.
    void complain_about(const Error& error) const;
    /// That line, "" when there is none to print.
    std::string next_line(const Error& error) const;

    /// A member of config.json, null when there is none.
    const json::Value& config(std::string_view name);

private:
    /// Makes sure that somebody listens at the socket: starts the daemon when we may.
    void reach_local(const std::string& socket) const;
    /// Whether the host is reached by a program: ssh or hull-tls.
    bool is_remote();
    TlsSettings tls_of_host() const;
    http::Connector remote_;  ///< of such a host
    std::unique_ptr<client::Client> daemon_;
};

/// Starts hulld from beside our executable (else from PATH) in a session of its own, and returns
/// when `socket` accepts connections. Throws unavailable after 5 s or when the daemon ends.
void start_daemon(const std::string& socket);

}  // namespace hull::cli
