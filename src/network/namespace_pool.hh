#pragma once
#include "base/fd.hh"
#include "linux/netlink.hh"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace hull::network {

/// A network namespace that nobody is in yet: loopback is up, interfaces made later have no IPv6
/// until it is asked for. Lives while somebody holds it or is in it.
struct Namespace {
    Fd fd;
    std::unique_ptr<linux_::NetlinkSocket> route;  ///< a socket inside of it

    /// What a runtime spec names: good for as long as this process holds `fd`.
    std::string path() const;
};

/// The namespace of a process. Throws not_found when it is gone.
Namespace open_namespace(pid_t pid);

/// Lets interfaces that are made from now on in this namespace have IPv6.
void enable_ipv6(const Namespace& target);

/// Namespaces made ahead: making one is three quarters of what all namespaces of a container cost
/// (LIMITS.md section 1). A thread of its own makes them, the only one that ever leaves the host's;
/// it starts with the first container that needs one.
class NamespacePool {
public:
    explicit NamespacePool(std::size_t size);
    ~NamespacePool();
    NamespacePool(const NamespacePool&) = delete;
    NamespacePool& operator=(const NamespacePool&) = delete;

    /// One of the pool; waits when it is empty.
    Namespace take();

private:
    void run();

    const std::size_t size_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Namespace> ready_;
    std::string failure_;  ///< why none could be made
    bool started_ = false, stopping_ = false;
    std::thread thread_;
};

}  // namespace hull::network
