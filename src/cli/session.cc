#include "cli/session.hh"

#include "base/advice.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "cli/context_store.hh"
#include "cli/ssh.hh"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace hull::cli {
namespace {

constexpr std::string_view unix_scheme = "unix://", ssh_scheme = "ssh://", tcp_scheme = "tcp://";

/// 0 when a server is bound to `path`, else the errno of connect(2). Asks with the wrong socket
/// type: the kernel tells a live socket (EPROTOTYPE) from a dead one without waking the server.
int probe_socket(const std::string& path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return 0;  // the client knows a way around
    std::memcpy(address.sun_path, path.data(), path.size());
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
        return 0;
    return errno == EPROTOTYPE ? 0 : errno;
}

bool accepts_connections(const std::string& path) {
    try {
        sys::connect_unix(path, SOCK_STREAM);
        return true;
    } catch (const Error&) {
        return false;
    }
}

Path daemon_program() {
    char self[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
    std::string_view path(self, length > 0 ? static_cast<std::size_t>(length) : 0);
    const Path beside = join(path.substr(0, path.rfind('/')), "hulld");
    if (::access(beside.c_str(), X_OK) == 0) return beside;
    if (const Path found = find_program("hulld"); !found.empty()) return found;
    throw Error(ErrorKind::unavailable, "hulld is neither beside {} nor in PATH", path);
}

}  // namespace

const std::string& Session::resolved_host() {
    if (!host.empty()) return host;
    host = ContextStore(configuration.directory()).get(context).host();
    if (host.empty())
        throw Error(ErrorKind::invalid_argument,
                    "context \"{0}\" names no host: `{1} context update {0} --docker host=...`",
                    context, program);
    return host;
}

std::string Session::socket_path() {
    if (resolved_host().starts_with(unix_scheme)) return host.substr(unix_scheme.size());
    throw Error(ErrorKind::unsupported,
                "host {} is not supported: use unix:///path, tcp://host:port or ssh://user@host",
                host);
}

bool Session::is_remote() {
    return resolved_host().starts_with(ssh_scheme) || host.starts_with(tcp_scheme);
}

/// A context brings its own: TLS is meant when it has files for it or says how to verify.
TlsSettings Session::tls_of_host() const {
    if (context == default_context) return tls;
    const ContextStore store(configuration.directory());
    const Context chosen = store.get(context);
    const TlsFiles files = store.read_tls(context);
    const Path directory = join(store.tls_directory(context), "docker");
    const auto path = [&](const char* name) {
        return files.contains(name) ? join(directory, name) : Path();
    };
    return {.enabled = !files.empty() || chosen.skip_tls_verify(),
            .verify = !chosen.skip_tls_verify(),
            .ca = path("ca.pem"),
            .certificate = path("cert.pem"),
            .key = path("key.pem")};
}

client::Client& Session::daemon() {
    if (daemon_) return *daemon_;
    const bool remote = is_remote();
    if (debug) complain(fmt::format("debug: context {}, daemon at {}", context, host));
    if (!remote) reach_local(socket_path());
    daemon_ = std::make_unique<client::Client>(make_client());
    return *daemon_;
}

void Session::reach_local(const std::string& socket) const {
    const int problem = probe_socket(socket);
    if (problem == EACCES || problem == EPERM)
        throw Error(ErrorKind::unavailable,
                    "permission denied while trying to connect to the Docker daemon socket at {}",
                    host);
    if (problem != 0 && host_is_default && ::geteuid() == 0)
        with_context([&] { start_daemon(socket); }, "starting the daemon");
    else if (problem != 0)
        throw Error(ErrorKind::unavailable,
                    "Cannot connect to the Docker daemon at {}. Is the docker daemon running?",
                    host);
}

client::Client Session::make_client() {
    if (!remote_ && is_remote())
        remote_ = host.starts_with(ssh_scheme) ? make_ssh_connector(host)
                                               : make_tcp_connector(host, tls_of_host());
    client::Client client = remote_ ? client::Client(remote_, api_version)
                                    : client::Client("unix://" + socket_path(), api_version);
    http::Headers headers;
    const json::Value& configured = config("HttpHeaders");
    if (configured.is_object())
        for (const auto& [name, value] : configured.as_object())
            if (value.is_string()) headers.add(name, value.as_string());
    if (!headers.find("User-Agent"))
        headers.add("User-Agent", fmt::format("Hull-Client/{} (linux)", HULL_VERSION));
    client.set_headers(std::move(headers));
    return client;
}

void Session::print(std::string_view text) const {
    sys::write_all(prints_to_error ? STDERR_FILENO : STDOUT_FILENO, text);
}

void Session::print_line(std::string_view text) const { print(std::string(text) + "\n"); }

std::string Session::next_line(const Error& error) const {
    const char* const wanted = std::getenv("HULL_ERRORS");
    if (program == "docker" || (wanted && std::string_view(wanted) == "plain")) return "";
    const Advice advice = find_advice(error.kind(), error.message());
    return fmt::format("Next: {} [{}]", advice.next, advice.code);
}

void Session::complain_about(const Error& error) const {
    const std::string next = next_line(error);
    complain(next.empty() ? error.message() : error.message() + "\n" + next);
}

void Session::complain(std::string_view text) const {
    sys::write_all(STDERR_FILENO, std::string(text) + "\n");
}

const json::Value& Session::config(std::string_view name) {
    const json::Value& value = configuration.get(name);
    if (const std::string problem = configuration.take_problem(); !problem.empty())
        complain("warning: the configuration is not used: " + problem);
    return value;
}

void start_daemon(const std::string& socket) {
    const Fd null = sys::open("/dev/null", O_RDWR);
    Fd log;
    try {
        log = sys::open("/var/log/hull.log", O_WRONLY | O_CREAT | O_APPEND, 0640);
    } catch (const Error&) {
        log = sys::dup(null.get());  // a read-only /var/log must not keep the daemon down
    }
    Command command;
    command.arguments = {daemon_program()};
    command.descriptors = {{null.get(), 0}, {log.get(), 1}, {log.get(), 2}};
    command.new_session = true;
    Process daemon = Process::spawn(command);
    const std::int64_t deadline = monotonic_ns() + 5'000'000'000;
    std::optional<ExitStatus> ended;
    while (!accepts_connections(socket)) {
        // Another hull may have started one at the same moment, and ours gave way to it: then the
        // socket comes up although ours ended.
        if (!ended)
            ended = daemon.wait_for(2);
        else
            ::poll(nullptr, 0, 5);
        if (ended && ended->docker_code() != 0 && !accepts_connections(socket) &&
            monotonic_ns() > deadline - 4'500'000'000)
            throw Error(ErrorKind::unavailable, "hulld ended with code {}, see /var/log/hull.log",
                        ended->docker_code());
        if (monotonic_ns() > deadline) {
            if (!ended) daemon.release();
            throw Error(ErrorKind::unavailable,
                        "hulld does not answer at unix://{} after 5 s, see /var/log/hull.log",
                        socket);
        }
    }
    if (!ended) daemon.release();
}

}  // namespace hull::cli
