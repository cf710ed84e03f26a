#pragma once
#include "base/stop.hh"
#include "buildkit/host.hh"

#include <list>
#include <memory>
#include <string>
#include <thread>

namespace hull::buildkit {

/// A client's SSH agent as a socket of this machine, while this lives: each connection to it is a
/// call of moby.sshforward.v1.SSH.ForwardAgent.
class Agent {
public:
    /// Throws what the client says when it has no agent of that id.
    Agent(Daemon& daemon, ClientSessionPointer session, std::string id);
    ~Agent();
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    const Path& path() const { return listener_.path; }

private:
    struct Conversation {
        Fd socket;
        std::unique_ptr<Call> call;
        std::thread to_agent, from_agent;
    };
    void accept_all();
    static void carry_to_agent(Conversation& conversation);
    static void carry_from_agent(Conversation& conversation);

    Daemon& daemon_;
    const ClientSessionPointer session_;
    const std::string id_;
    Daemon::Listener listener_;
    StopEvent stop_;
    std::list<Conversation> conversations_;
    std::thread thread_;
};

}  // namespace hull::buildkit
