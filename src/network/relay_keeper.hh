#pragma once
#include "base/file.hh"
#include "base/json.hh"
#include "base/process.hh"
#include "base/stop.hh"
#include "linux/ip.hh"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace hull::network {

struct RelayOptions {
    Path program;    ///< hull-relay; "": nothing is relayed
    Path directory;  ///< the daemon's run-time state
    uid_t uid = 64993;
};

/// A published port that the kernel cannot translate: the host's ::1, or an address of a family
/// that the container does not have.
struct RelayedPort {
    std::string key;  ///< "tcp [::]:80"
    std::uint8_t protocol = 6;
    linux_::IpAddress target;
    std::uint16_t target_port = 0;
    std::shared_ptr<const Fd> socket;  ///< bound, and listening; the port keeper owns it, too
};

/// The daemon's side of hull-relay: one process for all ports. It is started with the first port,
/// started again when it dies, and goes on with its connections when the daemon dies: the next one
/// takes it over. Thread-safe.
class RelayKeeper {
public:
    explicit RelayKeeper(RelayOptions options);
    /// hull-relay goes on while there are ports.
    ~RelayKeeper();
    RelayKeeper(const RelayKeeper&) = delete;
    RelayKeeper& operator=(const RelayKeeper&) = delete;

    bool is_there() const { return !options_.program.empty(); }
    /// What an earlier daemon's hull-relay still has, by key. It is ours from now on.
    std::map<std::string, Fd> take_over();
    void add(const std::vector<RelayedPort>& ports);
    /// Nobody holds the sockets any more when it returns.
    void remove(const std::vector<std::string>& keys);
    /// Removes all but what has been added: what an earlier daemon's containers had.
    void remove_strangers();

private:
    // With mutex_ held.
    void start();
    void connect();
    void send_ports(const std::vector<RelayedPort>& ports);
    void send_removal(const std::vector<std::string>& keys);
    void lose(const std::string& reason);
    void watch();

    const RelayOptions options_;
    std::mutex mutex_;                ///< guards what follows
    std::optional<Process> process_;  ///< unless an earlier daemon has started it
    Fd control_;
    std::map<std::string, RelayedPort> ports_;
    std::vector<std::string> inherited_;  ///< keys

    StopEvent stop_;
    Fd changed_;  ///< eventfd: there is another connection to watch
    std::thread watcher_;
};

}  // namespace hull::network
