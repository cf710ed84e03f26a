#include "network/firewall.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "network/firewall_rules.hh"

#include <netinet/in.h>  // before the kernel's headers, which then leave these names alone

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace hull::network {

namespace {

using linux_::NetlinkReply;
using linux_::NetlinkSocket;
using linux_::NftBatch;

template <typename Change>
void for_each_set(const std::vector<rules::Elements>& all, Change&& change) {
    for (const rules::Elements& some : all) change(*some.set, some.elements);
}

[[noreturn]] void throw_without_nftables(const Error& error) {
    throw Error(ErrorKind::unavailable,
                "bridge networks need nftables, which does not work here ({}): use --network host "
                "or --network none",
                error.message());
}

}  // namespace

Firewall::Firewall(std::string table, bool outside_through_input)
    : table_(std::move(table)), outside_through_input_(outside_through_input) {}

Firewall::~Firewall() {
    stop_.request();
    if (watcher_.joinable()) watcher_.join();
}

void Firewall::rebuild() {
    try {
        if (!socket_) socket_ = std::make_unique<NetlinkSocket>(NETLINK_NETFILTER);
        NftBatch batch(table_);
        batch.add_table();  // so that the deletion always finds one
        batch.delete_table();
        batch.add_table();
        rules::add_skeleton(batch, outside_through_input_);
        auto add = [&](const linux_::NftSet& set, const auto& elements) {
            batch.add_elements(set, elements);
        };
        for (const auto& [name, bridge] : bridges_) for_each_set(rules::elements_of(bridge), add);
        const std::vector<Forward> forwards(forwards_.begin(), forwards_.end());
        for_each_set(rules::elements_of(forwards), add);
        batch.commit(*socket_);
    } catch (const Error& error) {
        if (is_made_) throw;
        throw_without_nftables(error);
    }
    if (!is_made_)
        for (const std::string& obstacle : list_obstacles())
            log::warning("{} drops forwarded packets: containers need a rule there", obstacle);
    is_made_ = true;
    if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
}

void Firewall::remove_table() {
    NftBatch batch(table_);
    batch.add_table();
    batch.delete_table();
    batch.commit(*socket_);
    is_made_ = false;
}

void Firewall::set_bridge(const BridgeRules& wanted) {
    std::lock_guard lock(mutex_);
    const auto before = bridges_.find(wanted.bridge);
    if (!is_made_ || before != bridges_.end()) {
        auto kept = bridges_;
        bridges_[wanted.bridge] = wanted;
        try {
            rebuild();
        } catch (...) {
            bridges_ = std::move(kept);
            throw;
        }
        return;
    }
    NftBatch batch(table_);
    for_each_set(rules::elements_of(wanted), [&](const linux_::NftSet& set, const auto& elements) {
        batch.add_elements(set, elements);
    });
    batch.commit(*socket_);
    bridges_[wanted.bridge] = wanted;
}

void Firewall::remove_bridge(const std::string& bridge) {
    std::lock_guard lock(mutex_);
    const auto found = bridges_.find(bridge);
    if (found == bridges_.end()) return;
    const BridgeRules rules = found->second;
    bridges_.erase(found);
    if (!is_made_) return;
    if (bridges_.empty()) {
        remove_table();
        return;
    }
    NftBatch batch(table_);
    for_each_set(rules::elements_of(rules), [&](const linux_::NftSet& set, const auto& elements) {
        batch.delete_elements(set, elements);
    });
    batch.commit(*socket_);
}

void Firewall::add_forwards(std::span<const Forward> forwards) {
    if (forwards.empty()) return;
    std::lock_guard lock(mutex_);
    if (!is_made_) throw Error(ErrorKind::internal, "publishing a port without a bridge");
    NftBatch batch(table_);
    for_each_set(rules::elements_of(forwards),
                 [&](const linux_::NftSet& set, const auto& elements) {
        batch.add_elements(set, elements);
    });
    batch.commit(*socket_);
    forwards_.insert(forwards.begin(), forwards.end());
    // Flows of UDP have no end: without this they would go on to nowhere, or to the container
    // before (R61).
    for (const Forward& forward : forwards)
        if (forward.protocol == IPPROTO_UDP && forward.host_port != 0)
            linux_::forget_connections(*socket_, forward.protocol, forward.host_port);
}

void Firewall::remove_forwards(std::span<const Forward> forwards) {
    if (forwards.empty()) return;
    std::lock_guard lock(mutex_);
    for (const Forward& forward : forwards) forwards_.erase(forward);
    if (!is_made_) return;
    NftBatch batch(table_);
    for_each_set(rules::elements_of(forwards),
                 [&](const linux_::NftSet& set, const auto& elements) {
        batch.delete_elements(set, elements);
    });
    try {
        batch.commit(*socket_);
    } catch (const Error& error) {
        if (error.error_number() != ENOENT) throw;  // flushed, and put back in a moment
    }
}

std::vector<std::string> Firewall::list_obstacles() {
    std::vector<std::string> obstacles;
    try {
        NetlinkSocket socket(NETLINK_NETFILTER);
        for (const auto& other : linux_::list_dropping_chains(socket, NF_INET_FORWARD))
            obstacles.push_back(
                fmt::format("chain {} of table {} {}", other.chain, other.family, other.table));
    } catch (const Error& error) {
        log::debug("chains of other firewalls: {}", error.message());
    }
    return obstacles;
}

void Firewall::reset(std::vector<BridgeRules> bridges, std::vector<Forward> forwards) {
    std::lock_guard lock(mutex_);
    bridges_.clear();
    for (BridgeRules& rules : bridges) {
        std::string name = rules.bridge;
        bridges_[std::move(name)] = std::move(rules);
    }
    forwards_ = {forwards.begin(), forwards.end()};
    if (!bridges_.empty()) {
        rebuild();
        return;
    }
    try {
        if (!socket_) socket_ = std::make_unique<NetlinkSocket>(NETLINK_NETFILTER);
        if (linux_::has_nft_table(*socket_, table_)) remove_table();
    } catch (const Error& error) {
        log::debug("no firewall table to remove: {}", error.message());
    }
}

/// Puts the table back when somebody else has changed it. Runs in its own thread.
void Firewall::watch() {
    constexpr int settle_ms = 50, retry_ms = 500;
    try {
        NetlinkSocket notices(NETLINK_NETFILTER);
        // Ten thousand ports of ours make as many notices; memory is taken only while they wait.
        constexpr int room = 64 << 20;
        ::setsockopt(notices.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
        notices.join_group(NFNLGRP_NFTABLES);
        std::uint32_t our_port = 0;
        {
            std::lock_guard lock(mutex_);
            our_port = socket_->port();
        }
        bool damaged = false, lost = false;
        int wait_ms = -1;
        for (;;) {
            pollfd waits[] = {{notices.fd(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
            if (::poll(waits, 2, wait_ms) < 0 && errno != EINTR) throw_errno(errno, "poll");
            if (waits[1].revents) return;
            if (waits[0].revents) {
                const bool complete = notices.receive([&](const NetlinkReply& reply) {
                    const linux_::NftNotice notice = linux_::read_nft_notice(reply);
                    if (reply.port == our_port || notice.table != table_) return;
                    damaged = true;
                });
                lost = lost || !complete;
                wait_ms = damaged || lost ? settle_ms : -1;
                continue;
            }
            if (!damaged && !lost) continue;
            std::lock_guard lock(mutex_);
            try {
                // What was lost may have been all ours: putting the table back for it would cause
                // the same again, without end.
                if (!damaged && (!is_made_ || linux_::has_nft_table(*socket_, table_))) {
                    lost = false;
                    wait_ms = -1;
                    continue;
                }
                if (is_made_) rebuild();
                log::info("firewall table {} was changed by somebody and is put back", table_);
                damaged = lost = false;
                wait_ms = -1;
            } catch (const Error& error) {
                log::warning("putting firewall table {} back: {}", table_, error.message());
                wait_ms = retry_ms;
            }
        }
    } catch (const std::exception& error) {
        log::error("firewall table {} is not watched any more: {}", table_, error.what());
    }
}

}  // namespace hull::network
