#include "base/error.hh"
#include "linux/nft.hh"
#include "network/testing.hh"

#include <linux/netlink.h>

#include <chrono>

namespace hull::network {

namespace {

std::string problem_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.message();
    }
    return "";
}

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (std::chrono::steady_clock::now() < deadline) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

NetworkRequest request_of(const std::string& name, const std::string& subnet = "") {
    NetworkRequest request;
    request.name = name;
    if (!subnet.empty()) request.addresses.push_back({subnet, "", "", {}});
    return request;
}

const PortRequest web{"tcp", 80, "", {8080, 8080}};

}  // namespace

TEST_F(NetworkTest, ADaemonWithoutContainersLeavesTheHostAlone) {
    EXPECT_EQ(networks_->get_network("bridge")->addresses.at(0).subnet.text(), "172.17.0.0/16");
    networks_->restore({});
    EXPECT_FALSE(networks_->host().find_link("hullt0"));
    linux_::NetlinkSocket socket(NETLINK_NETFILTER);
    EXPECT_FALSE(linux_::has_nft_table(socket, "hull-test"));
}

TEST_F(NetworkTest, APublishedPortLeadsToTheContainerFromEverywhere) {
    const Attached server = run("server", "bridge", {web});
    const Attached other = run("other", "bridge");
    EXPECT_EQ(server.sandbox->endpoints[0].ipv4.text(), "172.17.0.2/16");
    const Greeter greeter(server.namespace_path, 80);
    EXPECT_EQ(hear("127.0.0.1", 8080), "::ffff:172.17.0.1") << "loopback";
    EXPECT_EQ(hear("172.17.0.1", 8080), "::ffff:172.17.0.1") << "the host's address";
    EXPECT_EQ(hear("172.17.0.2", 80), "::ffff:172.17.0.1") << "directly";
    EXPECT_EQ(hear_in(other.namespace_path, "172.17.0.2", 80), "::ffff:172.17.0.3");
    EXPECT_NE(hear_in(other.namespace_path, "172.17.0.1", 8080), "") << "a neighbour, R63";
    EXPECT_NE(hear_in(server.namespace_path, "172.17.0.1", 8080), "") << "itself, R63";
    networks_->stop_sandbox("server");
    EXPECT_EQ(hear("127.0.0.1", 8080), "");
}

TEST_F(NetworkTest, NetworksDoNotReachEachOther) {
    NetworkRequest wide = request_of("wide", "10.7.0.0/24");
    wide.ipv6 = true;
    networks_->create_network(wide);
    networks_->create_network(request_of("narrow", "10.8.0.0/24"));
    const Attached server = run("server", "wide", {web});
    const Attached neighbour = run("neighbour", "wide");
    const Attached stranger = run("stranger", "narrow");
    const Greeter greeter(server.namespace_path, 80);
    const Endpoint& endpoint = server.sandbox->endpoints[0];
    EXPECT_EQ(hear_in(neighbour.namespace_path, endpoint.ipv4.base.text(), 80), "::ffff:10.7.0.3");
    EXPECT_EQ(hear_in(neighbour.namespace_path, endpoint.ipv6.base.text(), 80),
              neighbour.sandbox->endpoints[0].ipv6.base.text());
    EXPECT_EQ(hear_in(stranger.namespace_path, endpoint.ipv4.base.text(), 80), "");
    EXPECT_NE(hear_in(stranger.namespace_path, "10.8.0.1", 8080), "") << "over the host";
    EXPECT_EQ(hear_in(stranger.namespace_path, endpoint.gateway6.text(), 8080), "")
        << "it has no IPv6";
}

TEST_F(NetworkTest, TheFirewallComesBackWhenItIsFlushed) {
    const Attached server = run("server", "bridge", {web});
    const Greeter greeter(server.namespace_path, 80);
    linux_::NetlinkSocket socket(NETLINK_NETFILTER);
    linux_::NftBatch flush("hull-test");
    flush.delete_table();
    flush.commit(socket);
    EXPECT_FALSE(linux_::has_nft_table(socket, "hull-test"));
    EXPECT_TRUE(eventually([&] { return linux_::has_nft_table(socket, "hull-test"); })) << "R65";
    EXPECT_TRUE(eventually([&] { return !hear("127.0.0.1", 8080).empty(); }));
}

TEST_F(NetworkTest, TheErrorOfATakenPortNamesItsOwner) {
    run("first", "bridge", {web});
    EXPECT_NE(problem_of([&] { run("second", "bridge", {web}); })
                  .find("Bind for 0.0.0.0:8080 failed: port is already allocated by container "
                        "first"),
              std::string::npos);
    EXPECT_FALSE(networks_->find_sandbox("second")->active);
    networks_->stop_sandbox("first");
    EXPECT_EQ(networks_->start_sandbox("second").sandbox->ports.at(0).host_port, 8080) << "R61";
}

TEST_F(NetworkTest, APortOfTheHostIsNotTakenAway) {
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t size = 0;
    auto address = socket_address("127.0.0.1", 8080, size);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_NE(problem_of([&] { run("first", "bridge", {web}); })
                  .find("failed to bind host port 0.0.0.0:8080/tcp: Address already in use by a "
                        "program of this host"),
              std::string::npos);
}

TEST_F(NetworkTest, TenThousandPortsAreOneStart) {
    std::vector<PortRequest> requests;
    for (int port = 20000; port < 30000; ++port) {
        const auto number = static_cast<std::uint16_t>(port);
        requests.push_back({"tcp", number, "", {number, number}});
    }
    const Attached server = run("server", "bridge", requests);  // R62
    EXPECT_EQ(server.sandbox->ports.size(), 10000U);
    const Greeter greeter(server.namespace_path, 29999);
    EXPECT_NE(hear("127.0.0.1", 29999), "");
    networks_->stop_sandbox("server");
    EXPECT_EQ(hear("127.0.0.1", 29999), "");
}

TEST_F(NetworkTest, AnInternalNetworkHasNoWayOut) {
    NetworkRequest request = request_of("inside", "10.7.0.0/24");
    request.internal = true;
    networks_->create_network(request);
    const Attached server = run("server", "bridge", {web});
    const Attached inside = run("inside", "inside", {{"tcp", 80, "", {8081, 8081}}});
    const Greeter greeter(server.namespace_path, 80);
    EXPECT_TRUE(inside.sandbox->endpoints[0].gateway4.empty());
    EXPECT_TRUE(inside.sandbox->ports.empty());
    EXPECT_EQ(hear_in(inside.namespace_path, "172.17.0.2", 80), "") << "R67";
}

TEST_F(NetworkTest, ANewDaemonFindsEverythingInPlace) {
    networks_->create_network(request_of("mine", "10.7.0.0/24"));
    const Attached server = run("server", "mine", {web});
    run("gone", "mine", {{"tcp", 80, "", {8081, 8081}}});
    const Fd hold = sys::open(server.namespace_path, O_RDONLY);
    const std::string path = "/proc/self/fd/" + std::to_string(hold.get());
    const Greeter greeter(path, 80);
    open();
    networks_->restore({{"server", 1}});
    EXPECT_NE(hear("127.0.0.1", 8080), "");
    EXPECT_FALSE(networks_->find_sandbox("gone")->active);
    EXPECT_EQ(networks_->start_sandbox("gone").sandbox->ports.at(0).host_port, 8081);
    EXPECT_EQ(networks_->find_sandbox("server")->ports.size(), 1U);
    EXPECT_NE(problem_of([&] { run("third", "mine", {web}); }), "");
}

TEST_F(NetworkTest, StaleInterfacesOfAKilledDaemonGo) {
    const Attached server = run("server", "bridge");
    const std::string link = networks_->find_sandbox("server")->endpoints[0].host_link;
    const Fd hold = sys::open(server.namespace_path, O_RDONLY);  // or it would go by itself
    database_->execute("DELETE FROM sandboxes");
    open();
    networks_->restore({});
    EXPECT_FALSE(networks_->host().find_link(link));
}

TEST_F(NetworkTest, WhatIsNotUsedGoesWithTheDaemon) {
    networks_->create_network(request_of("mine"));
    run("server", "bridge");
    networks_->stop_sandbox("server");
    networks_->clean_up();
    EXPECT_FALSE(networks_->host().find_link("hullt0"));
    linux_::NetlinkSocket socket(NETLINK_NETFILTER);
    EXPECT_FALSE(linux_::has_nft_table(socket, "hull-test"));
    EXPECT_EQ(run("again", "mine").sandbox->endpoints.size(), 1U);
}

TEST_F(NetworkTest, BadRequestsAreRefusedWithDockersWords) {
    networks_->create_network(request_of("mine", "10.7.0.0/24"));
    struct {
        NetworkRequest request;
        const char* problem;
    } cases[] = {
        {request_of("mine"), "network with name mine already exists"},
        {request_of("bridge"), "operation is not permitted on predefined bridge network "},
        {request_of("a b"), "invalid network name"},
        {request_of("x", "10.7.0.0/16"), "Pool overlaps with other one on this address space"},
        {request_of("x", "10.9.0.1/16"), "it should be 10.9.0.0/16"},
        {request_of("x", "nonsense"), "invalid subnet nonsense"},
    };
    for (const auto& [request, problem] : cases) {
        SCOPED_TRACE(problem);
        EXPECT_NE(
            problem_of([&, &wanted = request] { networks_->create_network(wanted); }).find(problem),
            std::string::npos);
    }
    NetworkRequest driver = request_of("x");
    driver.driver = "bogus";
    EXPECT_EQ(problem_of([&] { networks_->create_network(driver); }), "plugin \"bogus\" not found");
    NetworkRequest option = request_of("x");
    option.options["com.docker.network.bridge.enable_icc"] = "perhaps";
    EXPECT_NE(problem_of([&] { networks_->create_network(option); }), "");
    run("c", "mine");
    EXPECT_NE(problem_of([&] { networks_->remove_network("mine"); }).find("has active endpoints"),
              std::string::npos);
    EXPECT_EQ(problem_of([&] { networks_->remove_network("bridge"); }),
              "bridge is a pre-defined network and cannot be removed");
    EXPECT_EQ(problem_of([&] { networks_->remove_network("nope"); }), "network nope not found");
    networks_->stop_sandbox("c");
    networks_->remove_network("mine");  // R68: endpoints of stopped containers do not hold it
}

}  // namespace hull::network
