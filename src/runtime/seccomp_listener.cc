#include "runtime/seccomp_listener.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/sys.hh"

#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace hull::runtime {
namespace {

constexpr std::string_view notify = "SCMP_ACT_NOTIFY";

}  // namespace

void check_listener(const oci::Seccomp& seccomp) {
    if (seccomp.default_action == notify)
        throw Error(ErrorKind::invalid_argument,
                    "seccomp: SCMP_ACT_NOTIFY cannot be the default action: init would wait for "
                    "an agent that it has yet to call");
    for (const oci::SeccompRule& rule : seccomp.syscalls) {
        if (rule.action != notify) continue;
        if (seccomp.listener_path.empty())
            throw Error(ErrorKind::invalid_argument,
                        "seccomp: SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath");
        if (std::ranges::find(rule.names, "sendmsg") != rule.names.end())
            throw Error(ErrorKind::invalid_argument,
                        "seccomp: sendmsg cannot have SCMP_ACT_NOTIFY: it is how the listener "
                        "reaches its agent");
    }
}

std::string listener_json(const ListenerState& state) {
    json::Object container;
    container.append("ociVersion", state.oci_version);
    container.append("id", state.id);
    container.append("status", state.status);
    container.append("pid", state.pid);
    container.append("bundle", state.bundle);
    if (!state.annotations.empty()) container.append("annotations", state.annotations);
    json::Object process;
    process.append("ociVersion", state.oci_version);
    process.append("fds", json::Array{"seccompFd"});
    process.append("pid", state.pid);
    if (!state.metadata.empty()) process.append("metadata", state.metadata);
    process.append("state", container);
    return json::dump(process);
}

void send_listener(const Path& socket, const std::string& document, int listener) {
    with_context(
        [&] {
        const Fd agent = sys::connect_unix(socket, SOCK_STREAM);
        const std::array<int, 1> fds{listener};
        sys::send_with_fds(agent.get(), document, fds);
        },
        "handing the seccomp listener to its agent at {}", socket);
}

}  // namespace hull::runtime
