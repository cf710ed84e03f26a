#include "probe/program.hh"

#include "base/error.hh"
#include "base/fd.hh"
#include "base/sys.hh"
#include "linux/namespaces.hh"
#include "linux/sandbox.hh"
#include "probe/status_line.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

namespace hull::probe {

namespace {

constexpr int target_fd = 3, room_fd = 4;
constexpr uid_t own_uid = 64992;  ///< nobody else's: it reads what a container answers

int tell(bool is_healthy, std::string_view text) {
    sys::write_all(1, std::string(text) + "\n");
    return is_healthy ? 0 : 1;
}

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

Address make_address(const std::string& host, std::uint16_t port) {
    Address address;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.size = sizeof *v4;
    } else if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address.size = sizeof *v6;
    } else {
        throw Error(ErrorKind::invalid_argument, "{} is no address", host);
    }
    return address;
}

/// Throws unavailable when nobody accepts.
Fd connect(const std::string& host, std::uint16_t port) {
    std::vector<std::string> hosts = {host};
    if (host == "localhost") hosts = {"127.0.0.1", "::1"};
    int why = 0;
    for (const std::string& each : hosts) {
        const Address address = make_address(each, port);
        Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage),
                                address.size) == 0)
            return socket;
        // What the first of them says counts: most listen there.
        if (why == 0) why = errno;
    }
    throw Error(ErrorKind::unavailable, "{}", std::strerror(why));
}

int probe_tcp(const std::string& host, std::uint16_t port) {
    connect(host, port);
    return tell(true, fmt::format("{}:{} accepts connections", host, port));
}

int probe_http(const std::string& host, std::uint16_t port, const std::string& path) {
    const Fd socket = connect(host, port);
    const bool is_v6 = host.find(':') != std::string::npos;
    const std::string authority = fmt::format("{}:{}", is_v6 ? "[" + host + "]" : host, port);
    const std::string question = fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: hull-probe\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n",
        path, authority);
    sys::write_all(socket.get(), question);
    std::string answer(status_line_bytes, '\0');
    std::size_t size = 0;
    while (size < answer.size()) {
        const ssize_t count = ::read(socket.get(), answer.data() + size, answer.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        size += static_cast<std::size_t>(count);
    }
    answer.resize(size);
    const std::string url = fmt::format("http://{}{}", authority, path);
    if (answer.empty()) return tell(false, url + " closed the connection without an answer");
    const std::optional<int> status = find_status(answer);
    if (!status) return tell(false, url + " does not speak HTTP");
    return tell(*status >= 200 && *status < 400, fmt::format("{} answers {}", url, *status));
}

/// Opens nothing but a name: a file of a stranger may do things when it is really opened.
int probe_file(const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const Fd file(
        static_cast<int>(::syscall(SYS_openat2, target_fd, path.c_str(), &how, sizeof how)));
    if (!file) return tell(false, fmt::format("{}: {}", path, std::strerror(errno)));
    return tell(true, path + " is there");
}

void lock_in() {
    linux_::enter_namespace(target_fd, CLONE_NEWNET);
    ::close(target_fd);
    linux_::SandboxOptions sandbox;
    sandbox.uid = own_uid;
    sandbox.directory = room_fd;
    sandbox.network = true;
    linux_::enter_sandbox(sandbox);
}

int run(const std::vector<std::string>& words) {
    const std::string& kind = words.at(0);
    if (kind == "file") return probe_file(words.at(1));
    const std::string& host = words.at(1);
    const std::string& digits = words.at(2);
    std::uint16_t port = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), port);
    lock_in();
    // From here on bytes of strangers may be read.
    try {
        if (kind == "tcp") return probe_tcp(host, port);
        return probe_http(host, port, words.at(3));
    } catch (const Error& error) {
        return tell(false, fmt::format("{}:{}: {}", host, port, error.message()));
    }
}

}  // namespace

int run_program(int argument_count, char** words) {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        return run(std::vector<std::string>(words + 1, words + argument_count));
    } catch (const std::exception& error) {
        sys::write_all(1, std::string("hull-probe: ") + error.what() + "\n");
        return 1;
    }
}

}  // namespace hull::probe
