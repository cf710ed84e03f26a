#include "buildkit/program.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "buildkit/host.hh"
#include "buildkit/http_build.hh"
#include "buildkit/services.hh"
#include "linux/sandbox.hh"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <future>
#include <map>
#include <mutex>
#include <thread>

namespace hull::buildkit {

namespace {

constexpr int channel = 3;
constexpr std::size_t largest_message = 1 << 20;
constexpr int idle_ms = 10'000;  ///< without a client until we offer to end

/// hulld at the other end of the channel.
class ChannelDaemon final : public Daemon {
public:
    Fd connect() override {
        sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
        const int theirs[] = {pair.second.get()};
        send(json::Object{{"want", "api"}}, theirs);
        return std::move(pair.first);
    }

    Listener listen() override {
        std::future<Listener> answer;
        std::int64_t number = 0;
        {
            const std::lock_guard lock(mutex_);
            number = ++last_number_;
            answer = awaited_[number].get_future();
        }
        send(json::Object{{"want", "listener"}, {"number", number}}, {});
        return answer.get();
    }

    void remove_listener(const Path& path) override {
        send(json::Object{{"want", "removal"}, {"path", path}}, {});
    }

    void offer_to_end(std::int64_t taken) {
        send(json::Object{{"want", "end"}, {"taken", taken}}, {});
    }

    void take_listener(const json::Value& message, Fd socket) {
        const std::lock_guard lock(mutex_);
        const auto found = awaited_.find(message["number"].as_int());
        if (found == awaited_.end()) return;
        found->second.set_value({std::move(socket), message["path"].as_string()});
        awaited_.erase(found);
    }

private:
    void send(const json::Value& message, std::span<const int> fds) {
        const std::lock_guard lock(mutex_);
        sys::send_with_fds(channel, json::dump(message), fds);
    }

    std::mutex mutex_;
    std::int64_t last_number_ = 0;
    std::map<std::int64_t, std::promise<Listener>> awaited_;
};

/// Takes connections and knows how many there are.
class Program {
public:
    explicit Program(const Path& path) : host_{daemon_, {}, Rooms(path), {}}, services_(host_) {}

    void run() {
        for (;;) {
            pollfd wait{channel, POLLIN, 0};
            const int ready = ::poll(&wait, 1, idle_ms);
            if (ready < 0) continue;
            if (ready == 0) {
                if (clients_ == 0) daemon_.offer_to_end(taken_);
                continue;
            }
            sys::Received received = sys::receive_with_fds(channel, largest_message);
            if (received.bytes.empty()) ::_exit(0);  // hulld is gone, or agrees that we end
            const json::Value message = json::parse(received.bytes);
            try {
                if (received.fds.empty()) {
                    if (message["kind"].as_string() == "prune") host_.rooms.remove_unused();
                    continue;
                }
                take(message, std::move(received.fds));
            } catch (const std::exception& error) {
                log::warning("hull-buildkit: {}", error.what());
            }
        }
    }

private:
    void take(const json::Value& message, std::vector<Fd> fds) {
        Fd socket = std::move(fds.front());
        const std::string& kind = message["kind"].as_string();
        if (kind == "listener") return daemon_.take_listener(message, std::move(socket));
        ++taken_;
        if (kind == "grpc") return take_calls(std::move(socket));
        if (kind == "session") return take_session(message, std::move(socket));
        if (kind == "upload" && fds.size() == 2)
            return host_.uploads.add(message["id"].as_string(),
                                     {std::move(socket), std::move(fds[1])});
        if (kind == "build") return take_build(message, std::move(socket));
        throw Error(ErrorKind::unsupported, "a connection of unknown kind {}", kind);
    }

    void take_calls(Fd socket) {
        ++clients_;
        const auto connection =
            Connection::serve(std::move(socket), [this](Call& call) { services_.handle(call); });
        // It keeps itself until the client has gone.
        connection->on_end([this, connection]() mutable {
            std::thread([last = std::move(connection)]() mutable { last.reset(); }).detach();
            --clients_;
        });
    }

    void take_build(const json::Value& message, Fd socket) {
        ++clients_;
        std::thread([this, query = message["query"], socket = std::move(socket)]() mutable {
            try {
                build_over_http(host_, services_.jobs(), query, std::move(socket));
            } catch (const std::exception& error) {
                log::info("a build: {}", error.what());
            }
            --clients_;
        }).detach();
    }

    void take_session(const json::Value& message, Fd socket) {
        ClientSession session;
        for (const json::Value& field : message["headers"].as_array()) {
            const std::string name = lower(field.as_array()[0].as_string());
            const std::string& value = field.as_array()[1].as_string();
            if (name == "x-docker-expose-session-uuid") session.id = value;
            if (name == "x-docker-expose-session-sharedkey") session.shared_key = value;
            if (name == "x-docker-expose-session-grpc-method") session.methods.insert(value);
        }
        if (session.id.empty()) throw Error(ErrorKind::invalid_argument, "a session without an id");
        ++clients_;
        host_.sessions.open(std::move(session), std::move(socket), [this] { --clients_; });
    }

    ChannelDaemon daemon_;
    Host host_;
    Services services_;
    std::atomic<int> clients_ = 0;
    std::int64_t taken_ = 0;
};

struct Options {
    Path directory, path;
    uid_t uid = 0;
};

Options parse(int argument_count, char** words) {
    Options options;
    for (int i = 1; i + 1 < argument_count; i += 2) {
        const std::string_view name = words[i], value = words[i + 1];
        if (name == "--directory") options.directory = value;
        if (name == "--uid")
            std::from_chars(value.data(), value.data() + value.size(), options.uid);
    }
    if (options.directory.empty() || options.uid == 0)
        throw Error(ErrorKind::invalid_argument, "--directory and --uid are required");
    return options;
}

void enter(const Options& options) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    const Fd directory = sys::open(options.directory, O_RDONLY | O_DIRECTORY);
    if (::geteuid() == 0 && ::unshare(CLONE_NEWNET) != 0) throw_errno(errno, "leaving the network");
    linux_::SandboxOptions sandbox;
    sandbox.uid = options.uid;
    sandbox.directory = directory.get();
    sandbox.network = sandbox.listens = sandbox.keeps_tree = sandbox.makes_links = true;
    linux_::enter_sandbox(sandbox);
}

}  // namespace

int run_program(int argument_count, char** words) {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        const Options options = parse(argument_count, words);
        enter(options);
        // From here on bytes of clients may be read.
        Program(options.directory).run();
        return 0;
    } catch (const std::exception& error) {
        sys::write_all(2, fmt::format("hull-buildkit: {}\n", error.what()));
        return 1;
    }
}

}  // namespace hull::buildkit
