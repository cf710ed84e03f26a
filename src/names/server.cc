#include "names/server.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace hull::names {

namespace {

constexpr std::size_t largest_message = 65535, largest_udp_answer = 4096;
constexpr std::size_t most_questions = 1024, most_questions_of_one = 128;
constexpr int most_clients_of_one = 16;
constexpr std::size_t most_clients = 512;
constexpr std::int64_t ms_ns = 1'000'000;
constexpr std::int64_t try_next_ns = 1500 * ms_ns, give_up_ns = 4500 * ms_ns,
                       silence_ns = 30'000 * ms_ns, idle_client_ns = 10'000 * ms_ns;
constexpr std::uint16_t internet = 1;

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::uint16_t random_id() {
    std::uint16_t id = 0;
    while (::getrandom(&id, sizeof id, 0) != sizeof id) {
    }
    return id;
}

sockaddr_storage make_address(const IpAddress& ip, socklen_t& size) {
    constexpr std::uint16_t port = 53;
    sockaddr_storage storage{};
    if (ip.is_v6()) {
        auto& address = reinterpret_cast<sockaddr_in6&>(storage);
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        std::memcpy(&address.sin6_addr, ip.bytes().data(), 16);
        size = sizeof address;
    } else {
        auto& address = reinterpret_cast<sockaddr_in&>(storage);
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        std::memcpy(&address.sin_addr, ip.bytes().data(), 4);
        size = sizeof address;
    }
    return storage;
}

Fd connect_to(const IpAddress& server, int type) {
    Fd socket(
        ::socket(server.is_v6() ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    socklen_t size = 0;
    const sockaddr_storage address = make_address(server, size);
    if (!socket ||
        (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
         errno != EINPROGRESS))
        return {};
    return socket;
}

/// A message as TCP carries it: its length first.
std::string framed(const std::string& message) {
    std::string frame;
    frame += static_cast<char>(message.size() >> 8);
    frame += static_cast<char>(message.size() & 0xff);
    return frame + message;
}

/// Takes the first whole message out of `stream`.
std::optional<std::string> unframe(std::string& stream) {
    if (stream.size() < 2) return std::nullopt;
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(stream[0])) << 8 |
                             static_cast<unsigned char>(stream[1]);
    if (stream.size() < size + 2) return std::nullopt;
    std::string message = stream.substr(2, size);
    stream.erase(0, size + 2);
    return message;
}

/// False at the end of the stream or when it is broken.
bool read_stream(int socket, std::string& stream) {
    std::array<char, 4096> buffer;
    const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) stream.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

/// Sends what the socket takes. False when it is broken.
bool write_stream(int socket, std::string& stream) {
    if (stream.empty()) return true;
    const ssize_t count = ::send(socket, stream.data(), stream.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) stream.erase(0, static_cast<std::size_t>(count));
    return count >= 0 || errno == EAGAIN || errno == EINTR;
}

}  // namespace

struct Server::Connection {
    std::string container_id, input, output;
    std::int64_t deadline_ns = 0;
};

struct Server::Question {
    std::uint64_t number = 0;
    Asker asker;
    std::string bytes;
    Query query;
    std::vector<IpAddress> servers;  ///< to be asked still, next one first
    IpAddress asked;                 ///< the last of those that were
    std::vector<std::uint64_t> sockets;
    std::map<std::uint64_t, std::string> outputs, inputs;  ///< of TCP, by socket
    std::uint16_t id = 0;
    std::int64_t next_ns = 0, deadline_ns = 0;
    std::string refusal;  ///< the last "no" of a server, when all others say so, too
};

Server::Server(Fd control) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw_errno(errno, "epoll_create1");
    control_ = watch(std::move(control), EPOLLIN, [this] { read_control(); });
}

Server::~Server() = default;

void Server::run() {
    while (has_daemon_ || !containers_.empty()) {
        std::array<epoll_event, 64> events;
        const int timeout_ms = check_deadlines();
        const int count = ::epoll_pwait(epoll_.get(), events.data(),
                                        static_cast<int>(events.size()), timeout_ms, nullptr);
        if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_pwait");
        for (int i = 0; i < count; ++i) {
            const auto found = watched_.find(events[static_cast<std::size_t>(i)].data.u64);
            if (found == watched_.end()) continue;
            const Handler handler = found->second.handler;  // which it may replace or remove
            if (handler) handler();
        }
    }
}

// ---------------------------------------------------------------- watches

std::uint64_t Server::watch(Fd socket, std::uint32_t events, Handler handler) {
    const std::uint64_t number = next_number_++;
    epoll_event event{};
    event.events = events;
    event.data.u64 = number;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0)
        throw_errno(errno, "epoll_ctl");
    watched_.emplace(number, Watched{std::move(socket), std::move(handler)});
    return number;
}

void Server::change(std::uint64_t number, std::uint32_t events, Handler handler) {
    const auto found = watched_.find(number);
    if (found == watched_.end()) return;
    epoll_event event{};
    event.events = events;
    event.data.u64 = number;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second.socket.get(), &event);
    if (handler) found->second.handler = std::move(handler);
}

void Server::forget(std::uint64_t number) {
    const auto found = watched_.find(number);
    if (found == watched_.end()) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.socket.get(), nullptr);
    watched_.erase(found);
}

int Server::socket_of(std::uint64_t number) const {
    const auto found = watched_.find(number);
    return found == watched_.end() ? -1 : found->second.socket.get();
}

// ---------------------------------------------------------------- the daemon

/// All that the daemon has said so far: it comes before whatever a client asks after that.
void Server::read_control() {
    constexpr std::size_t largest_order = 1 << 20;
    while (has_daemon_ && sys::poll_one(socket_of(control_), POLLIN, 0)) {
        sys::Received received = sys::receive_with_fds(socket_of(control_), largest_order);
        if (received.bytes.empty()) {
            has_daemon_ = false;
            forget(control_);
            return;
        }
        obey(json::parse(received.bytes), std::move(received.fds));
    }
}

void Server::obey(const json::Value& message, std::vector<Fd> sockets) {
    const std::string& order = message["order"].as_string();
    if (order == "servers") {
        servers_.clear();
        for (const json::Value& server : message["servers"].as_array())
            servers_.push_back(IpAddress::get(server.as_string()));
        silent_until_ns_.clear();
        return;
    }
    if (order == "set") return directory_.set(parse_record(message["record"]));
    const std::string id = message["container"].as_string();
    if (order == "remove") {
        directory_.remove(id);
        detach(id);
    } else if (order == "attach" && sockets.size() == 2) {
        detach(id);
        Container& container = containers_[id];
        container.udp = watch(std::move(sockets[0]), EPOLLIN, [this, id] { read_udp(id); });
        container.tcp = watch(std::move(sockets[1]), EPOLLIN, [this, id] { accept_client(id); });
    } else if (order == "detach") {
        detach(id);
    }
}

void Server::detach(const std::string& container_id) {
    const auto found = containers_.find(container_id);
    if (found == containers_.end()) return;
    forget(found->second.udp);
    forget(found->second.tcp);
    containers_.erase(found);
    // Their sockets would keep the namespace alive.
    std::vector<std::uint64_t> clients;
    for (const auto& [number, connection] : connections_)
        if (connection.container_id == container_id) clients.push_back(number);
    for (const std::uint64_t number : clients) drop_client(number);
}

// ---------------------------------------------------------------- clients

void Server::read_udp(const std::string& container_id) {
    constexpr int most_at_once = 32;  // then the others have their turn
    const std::string id = container_id;
    for (int i = 0; i < most_at_once; ++i) {
        const auto container = containers_.find(id);
        if (container == containers_.end()) return;
        std::array<char, largest_udp_answer> buffer;
        Asker asker;
        asker.container_id = id;
        asker.address_size = sizeof asker.address;
        const ssize_t count =
            ::recvfrom(socket_of(container->second.udp), buffer.data(), buffer.size(), MSG_DONTWAIT,
                       reinterpret_cast<sockaddr*>(&asker.address), &asker.address_size);
        if (count < 0) return;
        read_control();
        take(std::move(asker), std::string(buffer.data(), static_cast<std::size_t>(count)));
    }
}

void Server::accept_client(const std::string& container_id) {
    const auto container = containers_.find(container_id);
    if (container == containers_.end()) return;
    Fd socket(::accept4(socket_of(container->second.tcp), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (container->second.clients >= most_clients_of_one || connections_.size() >= most_clients)
        return;
    ++container->second.clients;
    const std::uint64_t number = watch(std::move(socket), EPOLLIN, nullptr);
    Connection& connection = connections_[number];
    connection.container_id = container_id;
    connection.deadline_ns = monotonic_ns() + idle_client_ns;
    change(number, EPOLLIN, [this, number] { read_client(number); });
}

void Server::read_client(std::uint64_t number) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;
    if (!read_stream(socket_of(number), found->second.input)) return drop_client(number);
    found->second.deadline_ns = monotonic_ns() + idle_client_ns;
    const std::string id = found->second.container_id;
    read_control();
    for (;;) {
        const auto still = connections_.find(number);
        if (still == connections_.end()) return;
        std::optional<std::string> message = unframe(still->second.input);
        if (!message) return;
        Asker asker;
        asker.container_id = id;
        asker.connection = number;
        take(std::move(asker), std::move(*message));
    }
}

void Server::write_client(std::uint64_t number) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;
    if (!write_stream(socket_of(number), found->second.output)) return drop_client(number);
    if (found->second.output.empty())
        change(number, EPOLLIN, [this, number] { read_client(number); });
    else
        change(number, EPOLLOUT, [this, number] { write_client(number); });
}

void Server::drop_client(std::uint64_t number) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;
    if (auto container = containers_.find(found->second.container_id);
        container != containers_.end())
        --container->second.clients;
    forget(number);
    connections_.erase(found);
}

void Server::reply(const Asker& asker, std::string message) {
    if (asker.connection != 0) {
        const auto found = connections_.find(asker.connection);
        if (found == connections_.end()) return;
        found->second.output += framed(message);
        found->second.deadline_ns = monotonic_ns() + idle_client_ns;
        return write_client(asker.connection);
    }
    const auto container = containers_.find(asker.container_id);
    if (container == containers_.end()) return;
    ::sendto(socket_of(container->second.udp), message.data(), message.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&asker.address),
             asker.address_size);
}

// ---------------------------------------------------------------- answers

/// nullopt: somebody else knows.
std::optional<std::string> Server::find_answer(const Record& record, const Query& query,
                                               std::span<const std::byte> bytes,
                                               std::size_t limit) {
    if (query.query_class != internet) return std::nullopt;
    std::vector<Answer> answers;
    if (query.type == static_cast<std::uint16_t>(Type::ptr)) {
        const auto address = parse_reverse_name(query.name);
        if (!address) return std::nullopt;
        for (const std::string& name : directory_.find_names(record, *address))
            if (auto answer = make_answer(name)) answers.push_back(std::move(*answer));
        if (answers.empty()) return std::nullopt;
        return make_reply(query, bytes, Code::no_error, answers, limit);
    }
    Directory::Found found = directory_.find_addresses(record, query.name);
    if (!found.is_known) return std::nullopt;
    for (const IpAddress& address : found.addresses)
        if (query.type == static_cast<std::uint16_t>(address.is_v6() ? Type::aaaa : Type::a))
            answers.push_back(make_answer(address));
    // Whoever takes the first one shares the load.
    if (answers.size() > 1)
        std::rotate(answers.begin(),
                    answers.begin() + static_cast<std::ptrdiff_t>(random_id() % answers.size()),
                    answers.end());
    return make_reply(query, bytes, Code::no_error, answers, limit);
}

void Server::take(Asker asker, std::string bytes) {
    const std::optional<Query> query = parse_query(bytes_of(bytes));
    if (!query) return;
    const Record* record = directory_.find(asker.container_id);
    if (!record) return;
    const std::size_t limit = asker.connection ? largest_message : query->udp_size;
    if (auto answer = find_answer(*record, *query, bytes_of(bytes), limit))
        return reply(asker, std::move(*answer));
    // From a closed network nothing else exists.
    if (!record->forwards)
        return reply(asker, make_reply(*query, bytes_of(bytes), Code::no_name, {}, limit));
    const std::vector<IpAddress>& servers = record->servers.empty() ? servers_ : record->servers;
    const auto same_asker = [&](const auto& item) {
        return item.second.asker.container_id == asker.container_id;
    };
    if (servers.empty() || questions_.size() >= most_questions ||
        std::count_if(questions_.begin(), questions_.end(), same_asker) >=
            static_cast<std::ptrdiff_t>(most_questions_of_one))
        return reply(asker, make_reply(*query, bytes_of(bytes), Code::server_failure, {}, limit));

    const std::uint64_t number = next_number_++;
    Question& question = questions_[number];
    question.number = number;
    question.asker = std::move(asker);
    question.bytes = std::move(bytes);
    question.query = *query;
    question.id = random_id();
    question.servers = servers;
    const std::int64_t now = monotonic_ns();
    std::stable_partition(question.servers.begin(), question.servers.end(),
                          [&](const IpAddress& server) {
        const auto silent = silent_until_ns_.find(server);
        return silent == silent_until_ns_.end() || silent->second < now;
    });
    question.deadline_ns = now + give_up_ns;
    ask_next(question);
}

// ---------------------------------------------------------------- the world

void Server::ask_next(Question& question) {
    question.next_ns = monotonic_ns() + try_next_ns;
    while (!question.servers.empty()) {
        const IpAddress server = question.servers.front();
        question.servers.erase(question.servers.begin());
        question.asked = server;
        if (question.asker.connection ? ask_tcp(question, server) : ask_udp(question, server))
            return;
    }
    if (question.sockets.empty()) finish(question, std::move(question.refusal));
}

bool Server::ask_udp(Question& question, const IpAddress& server) {
    Fd socket = connect_to(server, SOCK_DGRAM);
    if (!socket) return false;
    std::string message = question.bytes;
    set_id(message, question.id);
    if (::send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return false;
    const std::uint64_t number = watch(std::move(socket), EPOLLIN, nullptr);
    change(number, EPOLLIN,
           [this, asked = question.number, number, server] { read_answer(asked, number, server); });
    question.sockets.push_back(number);
    return true;
}

bool Server::ask_tcp(Question& question, const IpAddress& server) {
    Fd socket = connect_to(server, SOCK_STREAM);
    if (!socket) return false;
    const std::uint64_t number = watch(std::move(socket), EPOLLOUT, nullptr);
    std::string message = question.bytes;
    set_id(message, question.id);
    question.outputs[number] = framed(message);
    change(number, EPOLLOUT,
           [this, asked = question.number, number, server] { move_tcp(asked, number, server); });
    question.sockets.push_back(number);
    return true;
}

void Server::read_answer(std::uint64_t asked, std::uint64_t socket, const IpAddress& server) {
    const auto found = questions_.find(asked);
    if (found == questions_.end()) return;
    Question& question = found->second;
    const IpAddress from = server;
    std::array<char, largest_message> buffer;
    const ssize_t count = ::recv(socket_of(socket), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) {  // nobody is there
        forget(socket);
        std::erase(question.sockets, socket);
        return ask_next(question);
    }
    take_answer(question, std::string(buffer.data(), static_cast<std::size_t>(count)), from);
}

void Server::move_tcp(std::uint64_t asked, std::uint64_t socket, const IpAddress& server) {
    const auto found = questions_.find(asked);
    if (found == questions_.end()) return;
    Question& question = found->second;
    const IpAddress from = server;
    std::string& output = question.outputs[socket];
    std::string& input = question.inputs[socket];
    const bool is_writing = !output.empty();
    bool is_good = is_writing ? write_stream(socket_of(socket), output)
                              : read_stream(socket_of(socket), input);
    if (is_writing && output.empty()) change(socket, EPOLLIN, nullptr);
    if (!is_writing)
        if (std::optional<std::string> answer = unframe(input))
            return take_answer(question, std::move(*answer), from);
    if (is_good) return;
    forget(socket);
    std::erase(question.sockets, socket);
    ask_next(question);
}

void Server::take_answer(Question& question, std::string answer, const IpAddress& server) {
    if (!answers_query(bytes_of(answer), question.id, question.query, bytes_of(question.bytes)))
        return;  // not for us: the right one may still come
    silent_until_ns_.erase(server);
    set_id(answer, question.query.id);
    const Code code = code_of(bytes_of(answer));
    if (code == Code::no_error || code == Code::no_name) return finish(question, std::move(answer));
    question.refusal = std::move(answer);
    if (!question.servers.empty())
        ask_next(question);
    else if (question.sockets.size() <= 1)
        finish(question, std::move(question.refusal));
}

/// `answer` "": nobody has answered.
void Server::finish(Question& question, std::string answer) {
    const Asker asker = question.asker;
    const std::size_t limit = asker.connection ? largest_message : question.query.udp_size;
    if (answer.empty())
        answer =
            make_reply(question.query, bytes_of(question.bytes), Code::server_failure, {}, limit);
    for (const std::uint64_t socket : question.sockets) forget(socket);
    questions_.erase(question.number);
    reply(asker, std::move(answer));
}

/// Who has not answered in time is asked last for a while.
void Server::note_silence(const Question& question, std::int64_t now) {
    constexpr std::size_t most_kept = 256;
    if (silent_until_ns_.size() >= most_kept) silent_until_ns_.clear();
    if (question.refusal.empty()) silent_until_ns_[question.asked] = now + silence_ns;
}

/// Returns how long there is nothing to do, in ms; -1: for ever.
int Server::check_deadlines() {
    const std::int64_t now = monotonic_ns();
    std::vector<std::uint64_t> late, hopeless, idle;
    std::int64_t next = INT64_MAX;
    for (const auto& [number, question] : questions_) {
        if (question.deadline_ns <= now)
            hopeless.push_back(number);
        else if (!question.servers.empty() && question.next_ns <= now)
            late.push_back(number);
        next = std::min(next, question.deadline_ns);
        if (!question.servers.empty())
            next = std::min(next, std::max(question.next_ns, now + ms_ns));
    }
    for (const auto& [number, connection] : connections_) {
        if (connection.deadline_ns <= now) idle.push_back(number);
        next = std::min(next, connection.deadline_ns);
    }
    for (const std::uint64_t number : late)
        if (auto found = questions_.find(number); found != questions_.end()) {
            note_silence(found->second, now);
            ask_next(found->second);
        }
    for (const std::uint64_t number : hopeless)
        if (auto found = questions_.find(number); found != questions_.end()) {
            note_silence(found->second, now);
            finish(found->second, std::move(found->second.refusal));
        }
    for (const std::uint64_t number : idle) drop_client(number);
    if (next == INT64_MAX) return -1;
    return static_cast<int>(std::clamp<std::int64_t>((next - now) / ms_ns + 1, 0, 60'000));
}

}  // namespace hull::names
