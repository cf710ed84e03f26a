#pragma once
#include "base/fd.hh"
#include "registry/auth.hh"
#include "registry/options.hh"
#include "registry/tls_server.hh"

#include <optional>
#include <string>

namespace hull::registry {

/// What the supervisor, which may read them, gives its worker, which must not: the contents of
/// files, at the start and again at each reload.
struct PrivilegedFiles {
    std::optional<TlsServer::Material> tls;
    AuthFiles auth;
    std::string upstream_password, upstream_authority;
    Fd access_log;
};

/// Reads what the options name. Throws an Error that names the file.
PrivilegedFiles read_privileged_files(const Options& options);
/// As one message on a SEQPACKET socket, contents in a file in memory.
void send_privileged_files(int socket, const PrivilegedFiles& files);
/// nullopt when the other end is closed. `order` is "collect" for a garbage collection; then there
/// are no files.
struct SupervisorMessage {
    std::string order;  ///< files or collect
    PrivilegedFiles files;
};
std::optional<SupervisorMessage> receive_supervisor_message(int socket);
void send_order(int socket, std::string_view order);

}  // namespace hull::registry
