#include "linux/netlink.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/links.hh"
#include "linux/namespaces.hh"
#include "linux/nft.hh"

#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>

namespace hull::linux_ {

namespace {

/// A network namespace of its own for each test.
class NetlinkTest : public testing::Test {
protected:
    void SetUp() override {
        home_ = sys::open("/proc/thread-self/ns/net", O_RDONLY);
        if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root";
        route_ = std::make_unique<NetlinkSocket>(NETLINK_ROUTE);
    }
    ~NetlinkTest() override {
        route_.reset();
        if (home_) ::setns(home_.get(), CLONE_NEWNET);
    }
    int index_of(const std::string& name) { return find_link(*route_, name).value().index; }
    static int errno_of(const std::function<void()>& body) {
        try {
            body();
        } catch (const Error& error) {
            return error.error_number();
        }
        return 0;
    }

    Fd home_;
    std::unique_ptr<NetlinkSocket> route_;
};

}  // namespace

TEST_F(NetlinkTest, AVethIsMadeWithItsPeerInTheOtherNamespace) {
    const Fd here = sys::open("/proc/thread-self/ns/net", O_RDONLY);
    unshare_namespaces(CLONE_NEWNET);
    const Fd there = sys::open("/proc/thread-self/ns/net", O_RDONLY);
    NetlinkSocket inside(NETLINK_ROUTE);
    enter_namespace(here.get(), CLONE_NEWNET);
    route_->request(make_bridge("br0", {2, 0, 0, 0, 0, 1}, 1400));
    VethPlan plan;
    plan.host_name = "veth0";
    plan.bridge = index_of("br0");
    plan.mtu = 1400;
    plan.peer_name = "eth0";
    plan.peer_mac = {2, 66, 10, 0, 0, 2};
    plan.peer_namespace = there.get();
    route_->request(make_veth(plan));

    const Link port = find_link(*route_, "veth0").value();
    EXPECT_EQ(port.master, plan.bridge);
    EXPECT_EQ(port.kind, "veth");
    EXPECT_TRUE(port.up);
    EXPECT_FALSE(find_link(*route_, "eth0"));
    const Link peer = find_link(inside, "eth0").value();
    EXPECT_EQ(peer.mtu, 1400U);
    NetlinkMessage changes[] = {
        set_link_up(peer.index), add_address(peer.index, *Subnet::parse_interface("10.0.0.2/24")),
        add_route(peer.index, everywhere(IpAddress::get("0.0.0.0")), IpAddress::get("10.0.0.1"))};
    inside.request(changes);
    const auto routes = list_routes(inside);
    EXPECT_TRUE(std::any_of(routes.begin(), routes.end(), [&](const Route& route) {
        return route.destination.prefix == 0 && route.link == peer.index;
    }));
    const auto addresses = list_addresses(inside);
    EXPECT_TRUE(std::any_of(addresses.begin(), addresses.end(), [](const LinkAddress& address) {
        return address.address.text() == "10.0.0.2/24" && address.is_global;
    }));
}

TEST_F(NetlinkTest, AnErrorSaysWhatWasToBeDone) {
    route_->request(make_bridge("br0", {2, 0, 0, 0, 0, 1}, 0));
    try {
        route_->request(make_bridge("br0", {2, 0, 0, 0, 0, 1}, 0));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.error_number(), EEXIST);
        EXPECT_EQ(error.message(), "making bridge br0: File exists");
    }
    // The socket is as good as before, and what comes after the failure has been tried.
    NetlinkMessage both[] = {delete_link("nope"), delete_link("br0")};
    EXPECT_EQ(errno_of([&] { route_->request(both); }), ENODEV);
    EXPECT_FALSE(find_link(*route_, "br0"));
}

TEST_F(NetlinkTest, AFirewallBatchHappensAsAWholeOrNotAtAll) {
    NetlinkSocket socket(NETLINK_NETFILTER);
    const NftSet ports{"ports",
                       {NftType::protocol, NftType::port},
                       {NftType::ipv4_address, NftType::port},
                       false,
                       1};
    NftBatch good("test");
    good.add_table();
    good.add_set(ports);
    good.commit(socket);
    EXPECT_TRUE(has_nft_table(socket, "test"));

    NftElement first, second;
    first.key.byte(6).port(80);
    first.value.address(IpAddress::get("10.0.0.2")).port(8080);
    second = first;
    second.value = NftData().address(IpAddress::get("10.0.0.3")).port(8080);
    NftBatch bad("test");
    bad.add_elements(ports, std::span(&first, 1));
    bad.add_elements(ports, std::span(&second, 1));  // another value for a key that is there
    EXPECT_EQ(errno_of([&] { bad.commit(socket); }), EEXIST);
    NftBatch remove("test");
    remove.delete_elements(ports, std::span(&first, 1));
    EXPECT_EQ(errno_of([&] { remove.commit(socket); }), ENOENT) << "the first one is not there";

    NftBatch gone("test");
    gone.delete_table();
    gone.commit(socket);
    EXPECT_FALSE(has_nft_table(socket, "test"));
}

TEST(MacAddress, IsReadAsItIsWritten) {
    EXPECT_EQ(format_mac(parse_mac("02:42:AC:11:00:02").value()), "02:42:ac:11:00:02");
    EXPECT_EQ(format_mac(parse_mac("02-42-ac-11-00-02").value()), "02:42:ac:11:00:02");
    for (const char* text : {"", "02:42:ac:11:00", "02:42:ac:11:00:0g", "0242ac110002aaaaa"})
        EXPECT_FALSE(parse_mac(text)) << text;
}

TEST(NetlinkAttributes, OfBrokenMessagesEndTheList) {
    const unsigned char bytes[] = {5, 0, 1, 0, 'x', 0, 0, 0, 200, 0, 2, 0, 'y'};
    int count = 0;
    for_each_attribute(std::as_bytes(std::span(bytes)), [&](const NetlinkAttribute& attribute) {
        ++count;
        EXPECT_EQ(attribute.text(), "x");
    });
    EXPECT_EQ(count, 1);
}

}  // namespace hull::linux_
