#include "cli/tcp.hh"

#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "cli/ssh.hh"
#include "cli/words.hh"

#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace hull::cli {
namespace {

/// Beside our executable, else in PATH.
Path tls_program() {
    char self[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
    const std::string_view path(self, length > 0 ? static_cast<std::size_t>(length) : 0);
    const Path beside = join(path.substr(0, path.rfind('/')), "hull-tls");
    if (::access(beside.c_str(), X_OK) == 0) return beside;
    if (const Path found = find_program("hull-tls"); !found.empty()) return found;
    throw Error(ErrorKind::unavailable,
                "tcp:// needs hull-tls, which is neither beside {} nor in PATH", path);
}

std::vector<std::string> arguments_for(const std::string& host, const TlsSettings& settings) {
    std::string rest = host.substr(host.find("://") + 3);
    while (rest.ends_with('/')) rest.pop_back();
    const std::size_t bracket = rest.rfind(']');
    const std::size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
    std::string name = rest.substr(0, colon);
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    if (name.empty()) name = "127.0.0.1";
    const std::string port =
        colon != std::string::npos ? rest.substr(colon + 1) : (settings.enabled ? "2376" : "2375");
    if (name.starts_with('-') || port.starts_with('-') || name.find('/') != std::string::npos)
        fail("{} is no address of a daemon: use tcp://host:port", host);
    std::vector<std::string> words{"hull-tls", "connect", name, port};
    if (!settings.enabled) return words;
    words.push_back(settings.verify ? "--tlsverify" : "--tls");
    const std::pair<const char*, const Path&> files[] = {{"--tlscacert", settings.ca},
                                                         {"--tlscert", settings.certificate},
                                                         {"--tlskey", settings.key}};
    for (const auto& [flag, path] : files)
        if (!path.empty()) words.insert(words.end(), {flag, path});
    return words;
}

}  // namespace

http::Connector make_tcp_connector(const std::string& host, const TlsSettings& settings) {
    Command command;
    command.program = tls_program();
    command.arguments = arguments_for(host, settings);
    // Owned by the connector and by its copy in the client: the processes go with the last of them.
    auto processes = std::make_shared<std::vector<Process>>();
    return [command = std::move(command), processes, host] {
        sys::SocketPair pair = sys::socketpair(SOCK_STREAM), verdict = sys::socketpair(SOCK_STREAM);
        hull::Command start = command;
        start.descriptors = {{pair.second.get(), 0}, {verdict.second.get(), 3}};
        processes->push_back(Process::spawn(start));
        verdict.second.reset();
        std::array<std::byte, 1024> answer;
        const std::size_t size = sys::read(verdict.first.get(), answer);
        const std::string text(reinterpret_cast<const char*>(answer.data()), size);
        if (text != "+")
            throw Error(ErrorKind::unavailable,
                        "Cannot connect to the Docker daemon at {}. Is the docker daemon running? "
                        "({})",
                        host, text.empty() ? "hull-tls ended at once" : text);
        return std::move(pair.first);
    };
}

}  // namespace hull::cli
