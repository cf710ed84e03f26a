#pragma once
#include "base/file.hh"
#include "base/process.hh"
#include "base/stop.hh"
#include "names/directory.hh"
#include "network/namespace_pool.hh"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace hull::network {

/// The name servers of a resolv.conf(5), in its order.
std::vector<linux_::IpAddress> parse_name_servers(std::string_view resolv_conf);

struct NameServerOptions {
    Path program;    ///< hull-names; "": no names are resolved
    Path directory;  ///< the daemon's run-time state
    uid_t uid = 64997;
    Path resolv_conf = "/etc/resolv.conf";  ///< whose servers are asked; followed when it changes
};

/// The daemon's side of hull-names, which answers DNS at 127.0.0.11 in containers' namespaces. It
/// is started with the first container that needs it, started again when it dies, and goes on when
/// the daemon dies: the next one has its own and ends the old one when that has taken over.
/// Thread-safe.
class NameServer {
public:
    explicit NameServer(NameServerOptions options);
    /// hull-names goes on while there are containers.
    ~NameServer();
    NameServer(const NameServer&) = delete;
    NameServer& operator=(const NameServer&) = delete;

    bool is_there() const { return !options_.program.empty(); }
    /// All of the host's servers are at its loopback.
    bool host_is_local() const;
    /// Adds or changes what is known of a container.
    void set(const names::Record& record);
    /// Answers in that namespace from now on. `port` is where it did so before, 0 when it has not.
    /// Returns the port.
    std::uint16_t attach(const std::string& container_id, const Namespace& target,
                         std::uint16_t port);
    bool is_attached(const std::string& container_id);
    void remove(const std::string& container_id);
    /// Everything an earlier daemon's hull-names had is attached here: it ends.
    void end_predecessors();

private:
    struct Sockets {
        Fd udp, tcp;
    };
    static Sockets open_sockets(const Namespace& target, std::uint16_t& port);
    void start();  ///< with mutex_ held
    void write_processes();
    void send(const json::Value& message, const Sockets* sockets = nullptr);
    void send_servers();
    void watch();
    void watch_files(int notifier);

    const NameServerOptions options_;
    std::mutex mutex_;  ///< guards what follows
    /// A hull-names by pid and start time.
    using Identity = std::pair<pid_t, unsigned long long>;
    std::vector<Identity> predecessors_;
    std::optional<Process> process_;
    Fd control_;
    std::map<std::string, names::Record> records_;
    std::map<std::string, Sockets> sockets_;  ///< of attached containers, for a new hull-names
    std::vector<linux_::IpAddress> servers_;

    StopEvent stop_;
    Fd changed_;  ///< eventfd: there is a new process to watch
    std::thread watcher_;
};

}  // namespace hull::network
