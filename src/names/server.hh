#pragma once
#include "base/fd.hh"
#include "names/directory.hh"
#include "names/message.hh"

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hull::names {

/// Answers the containers of one daemon: names of the directory at once, all else by asking the
/// host's servers. One thread, never blocked: a server that is silent holds up its own questions
/// only. What clients and servers send are bytes of strangers: the process has entered its sandbox.
class Server {
public:
    /// `control`: the daemon's messages. When it closes, the daemon is gone: names go on resolving.
    explicit Server(Fd control);
    ~Server();
    /// Returns when the daemon is gone and no container is left.
    void run();

private:
    struct Container {
        std::uint64_t udp = 0, tcp = 0;  ///< watches
        int clients = 0;
    };
    /// A client that waits for its answer.
    struct Asker {
        std::string container_id;
        sockaddr_storage address{};  ///< of UDP
        socklen_t address_size = 0;
        std::uint64_t connection = 0;  ///< of TCP
    };
    struct Connection;
    struct Question;
    using Handler = std::function<void()>;

    // Watches: numbers that are never used again, so that a late event finds nobody.
    std::uint64_t watch(Fd socket, std::uint32_t events, Handler handler);
    void change(std::uint64_t number, std::uint32_t events, Handler handler);
    void forget(std::uint64_t number);
    int socket_of(std::uint64_t number) const;

    void read_control();
    void obey(const json::Value& message, std::vector<Fd> sockets);
    void detach(const std::string& container_id);

    void read_udp(const std::string& container_id);
    void accept_client(const std::string& container_id);
    void read_client(std::uint64_t number);
    void write_client(std::uint64_t number);
    void drop_client(std::uint64_t number);

    /// Answers, or asks the world.
    void take(Asker asker, std::string bytes);
    std::optional<std::string> find_answer(const Record& record, const Query& query,
                                           std::span<const std::byte> bytes, std::size_t limit);
    void reply(const Asker& asker, std::string message);

    void ask_next(Question& question);
    bool ask_udp(Question& question, const IpAddress& server);
    bool ask_tcp(Question& question, const IpAddress& server);
    void read_answer(std::uint64_t question, std::uint64_t socket, const IpAddress& server);
    void move_tcp(std::uint64_t question, std::uint64_t socket, const IpAddress& server);
    void take_answer(Question& question, std::string answer, const IpAddress& server);
    void finish(Question& question, std::string answer);
    int check_deadlines();
    void note_silence(const Question& question, std::int64_t now);

    struct Watched {
        Fd socket;
        Handler handler;
    };
    Fd epoll_;
    std::map<std::uint64_t, Watched> watched_;
    std::uint64_t next_number_ = 1, control_ = 0;
    bool has_daemon_ = true;

    Directory directory_;
    std::vector<IpAddress> servers_;
    std::map<IpAddress, std::int64_t> silent_until_ns_;
    std::map<std::string, Container> containers_;
    std::map<std::uint64_t, Connection> connections_;
    std::map<std::uint64_t, Question> questions_;
};

}  // namespace hull::names
