#include "cli/ssh.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "cli/words.hh"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace hull::cli {
namespace {

constexpr std::string_view scheme = "ssh://";

/// One word of a shell at the other end.
std::string shell_quoted(std::string_view text) {
    std::string result = "'";
    for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

void check_word(std::string_view word, std::string_view host) {
    if (word.empty() || word[0] == '-')
        fail("{} is no address of a daemon: use ssh://[user@]host[:port][/path/of/socket]", host);
}

}  // namespace

std::string find_program(std::string_view name) {
    const char* search = ::getenv("PATH");
    for (const std::string& directory :
         split(search ? search : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", ':')) {
        const Path candidate = join(directory, name);
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return "";
}

std::vector<std::string> ssh_arguments(std::string_view host) {
    std::string_view rest = host.substr(scheme.size());
    const std::size_t slash = rest.find('/');
    const std::string path(slash == std::string_view::npos ? "" : rest.substr(slash));
    rest = rest.substr(0, slash);
    std::vector<std::string> words = {"-o", "ConnectTimeout=30", "-T"};
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        check_word(rest.substr(0, at), host);
        words.insert(words.end(), {"-l", std::string(rest.substr(0, at))});
        rest.remove_prefix(at + 1);
    }
    const std::size_t bracket = rest.rfind(']');
    const std::size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
    if (colon != std::string_view::npos) {
        check_word(rest.substr(colon + 1), host);
        words.insert(words.end(), {"-p", std::string(rest.substr(colon + 1))});
        rest = rest.substr(0, colon);
    }
    if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
    check_word(rest, host);
    const std::string socket =
        path.empty() || path == "/" ? "" : " -H " + shell_quoted("unix://" + path);
    words.insert(words.end(),
                 {"--", std::string(rest),
                  fmt::format("if command -v hull >/dev/null; then exec hull{0} system dial-stdio; "
                              "else exec docker{0} system dial-stdio; fi",
                              socket)});
    return words;
}

http::Connector make_ssh_connector(const std::string& host) {
    Command command;
    command.program = find_program("ssh");
    if (command.program.empty())
        throw Error(ErrorKind::unavailable, "{} needs the program ssh, which is not in PATH", host);
    command.arguments = ssh_arguments(host);
    command.arguments.insert(command.arguments.begin(), "ssh");
    // Owned by the connector and by its copy in the client: the processes go with the last of them.
    auto processes = std::make_shared<std::vector<Process>>();
    return [command = std::move(command), processes] {
        sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
        hull::Command start = command;
        start.descriptors = {{pair.second.get(), 0}, {pair.second.get(), 1}};
        processes->push_back(Process::spawn(start));
        return std::move(pair.first);
    };
}

}  // namespace hull::cli
