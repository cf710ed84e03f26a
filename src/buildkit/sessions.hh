#pragma once
#include "buildkit/connection.hh"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace hull::buildkit {

/// What a client offers while it builds: its files, secrets, agents and credentials, each a gRPC
/// method that we call.
struct ClientSession {
    std::string id, shared_key;
    std::set<std::string> methods;  ///< "/moby.filesync.v1.FileSync/DiffCopy"
    std::shared_ptr<Connection> connection;

    bool offers(const std::string& method) const { return methods.contains(method); }
};
using ClientSessionPointer = std::shared_ptr<const ClientSession>;  // of the registry and of builds

/// The sessions that are open. Thread-safe.
class Sessions {
public:
    /// Takes a connection on which the client serves. It is there until the client ends it, which
    /// calls `on_end`.
    void open(ClientSession session, Fd socket, std::function<void()> on_end = {});
    /// Waits a moment for one that is still on its way. Throws not_found.
    ClientSessionPointer get(const std::string& id);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, ClientSessionPointer> sessions_;
};

}  // namespace hull::buildkit
