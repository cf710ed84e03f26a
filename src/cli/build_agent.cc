#include "cli/build_agent.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "cli/ssh.hh"
#include "cli/words.hh"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>

namespace hull::cli {
namespace {

constexpr std::int64_t socket_deadline_ns = 5'000'000'000;
/// The agent ends when our end of the pipe closes, also when we are killed.
constexpr const char* supervisor =
    "\"$0\" -D -a \"$1\" & agent=$!; cat >/dev/null; kill $agent; wait $agent; rm -f \"$1\"; "
    "rmdir \"${1%/*}\"";
constexpr auto poll_interval = std::chrono::milliseconds(5);

std::string get_program(const char* name) {
    std::string program = find_program(name);
    if (program.empty())
        throw Error(
            ErrorKind::unavailable,
            "--ssh with keys needs the program {}, which is not in PATH: give it the socket "
            "of an agent instead (--ssh default=$SSH_AUTH_SOCK)",
            name);
    return program;
}

}  // namespace

KeyAgent::KeyAgent(const std::vector<std::string>& keys) {
    const std::string agent = get_program("ssh-agent");
    const char* temporary = ::getenv("TMPDIR");
    directory_ = std::string(temporary && *temporary ? temporary : "/tmp") + "/hull-agent-XXXXXX";
    if (!::mkdtemp(directory_.data())) throw_errno(errno, "making {}", directory_);
    try {
        sys::Pipe pipe = sys::pipe();
        const Fd null = sys::open("/dev/null", O_RDWR);
        Command command;
        command.arguments = {"/bin/sh", "-c", supervisor, agent, socket()};
        command.descriptors = {{pipe.read_end.get(), 0}, {null.get(), 1}, {null.get(), 2}};
        command.new_session = true;
        agent_ = Process::spawn(command);
        lifeline_ = std::move(pipe.write_end);
        wait_for_socket();
        add(keys);
    } catch (...) {
        end();
        throw;
    }
}

KeyAgent::~KeyAgent() {
    try {
        end();
    } catch (const Error&) {
        // It ends by itself: nobody holds its pipe any more.
    }
}

void KeyAgent::end() {
    lifeline_.reset();
    if (agent_) agent_->wait();
    agent_.reset();
    sys::remove_tree(directory_);
}

void KeyAgent::wait_for_socket() {
    for (const std::int64_t end_ns = monotonic_ns() + socket_deadline_ns;
         !sys::find_stat(socket());) {
        if (monotonic_ns() > end_ns)
            throw Error(ErrorKind::unavailable, "ssh-agent did not begin to listen");
        std::this_thread::sleep_for(poll_interval);
    }
}

void KeyAgent::add(const std::vector<std::string>& keys) {
    const std::string adder = get_program("ssh-add");
    Command command;
    command.arguments = {adder, "-q"};
    command.arguments.insert(command.arguments.end(), keys.begin(), keys.end());
    command.environment.emplace();
    for (char** entry = environ; *entry; ++entry)
        if (!std::string_view(*entry).starts_with("SSH_AUTH_SOCK="))
            command.environment->push_back(*entry);
    command.environment->push_back("SSH_AUTH_SOCK=" + socket());
    if (Process::spawn(command).wait().docker_code() != 0)
        fail("ssh-add does not take {}: name private keys, or the socket of an agent",
             join_text(keys, " and "));
}

}  // namespace hull::cli
