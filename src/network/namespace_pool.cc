#include "network/namespace_pool.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "linux/namespaces.hh"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace hull::network {

namespace {

constexpr const char* ipv6_default = "/proc/sys/net/ipv6/conf/default/disable_ipv6";

Namespace make_namespace(const Fd& host) {
    linux_::unshare_namespaces(CLONE_NEWNET);
    Namespace made;
    try {
        made.fd = sys::open("/proc/thread-self/ns/net", O_RDONLY);
        linux_::bring_loopback_up();
        if (sys::find_stat(ipv6_default)) write_file(ipv6_default, "1");
        made.route = std::make_unique<linux_::NetlinkSocket>(NETLINK_ROUTE);
    } catch (...) {
        ::setns(host.get(), CLONE_NEWNET);
        throw;
    }
    linux_::enter_namespace(host.get(), CLONE_NEWNET);
    return made;
}

}  // namespace

std::string Namespace::path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), fd.get()); }

Namespace open_namespace(pid_t pid) {
    Namespace opened;
    opened.fd = sys::open(fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
    const linux_::NamespaceVisit visit(opened.fd.get(), CLONE_NEWNET);
    opened.route = std::make_unique<linux_::NetlinkSocket>(NETLINK_ROUTE);
    return opened;
}

void enable_ipv6(const Namespace& target) {
    const linux_::NamespaceVisit visit(target.fd.get(), CLONE_NEWNET);
    if (sys::find_stat(ipv6_default)) write_file(ipv6_default, "0");
}

NamespacePool::NamespacePool(std::size_t size) : size_(size) {}

NamespacePool::~NamespacePool() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Namespace NamespacePool::take() {
    std::unique_lock lock(mutex_);
    if (!started_) {
        started_ = true;
        thread_ = std::thread([this] { run(); });
    }
    changed_.notify_all();
    changed_.wait(lock, [this] { return !ready_.empty() || !failure_.empty(); });
    if (ready_.empty())
        throw Error(ErrorKind::internal, "making a network namespace: {}", failure_);
    Namespace taken = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    return taken;
}

void NamespacePool::run() {
    std::unique_lock lock(mutex_);
    try {
        const Fd host = sys::open("/proc/thread-self/ns/net", O_RDONLY);
        for (;;) {
            changed_.wait(lock, [this] { return stopping_ || ready_.size() < size_; });
            if (stopping_) return;
            lock.unlock();
            Namespace made = make_namespace(host);
            lock.lock();
            ready_.push_back(std::move(made));
            changed_.notify_all();
        }
    } catch (const std::exception& error) {
        if (!lock.owns_lock()) lock.lock();
        failure_ = error.what();
        changed_.notify_all();
    }
}

}  // namespace hull::network
