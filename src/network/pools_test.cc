#include "network/pools.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::network {

TEST(AddressPool, AnAddressDoesNotComeBackAtOnce) {
    AddressPool pool(*Subnet::parse("10.0.0.0/29"), std::nullopt);
    pool.reserve(IpAddress::get("10.0.0.1"));
    EXPECT_EQ(pool.take().text(), "10.0.0.2");
    EXPECT_EQ(pool.take().text(), "10.0.0.3");
    pool.release(IpAddress::get("10.0.0.2"));
    EXPECT_EQ(pool.take().text(), "10.0.0.4");
    pool.take();
    EXPECT_EQ(pool.take().text(), "10.0.0.6");
    EXPECT_EQ(pool.take().text(), "10.0.0.2") << "the last one is the broadcast address";
    EXPECT_THROW(pool.take(), Error);
}

TEST(AddressPool, TakesFromItsRangeAndReservesBeyond) {
    AddressPool pool(*Subnet::parse("10.0.0.0/24"), Subnet::parse("10.0.0.128/30"));
    EXPECT_EQ(pool.take().text(), "10.0.0.129");
    pool.reserve(IpAddress::get("10.0.0.9"));
    EXPECT_THROW(pool.reserve(IpAddress::get("10.0.0.9")), Error);
    EXPECT_THROW(pool.reserve(IpAddress::get("10.0.1.9")), Error);
}

TEST(Subnets, AreChosenAroundWhatIsTaken) {
    const std::vector<SubnetSource> sources{parse_subnet_source("base=10.0.0.0/8,size=24")};
    const std::vector<Subnet> taken{*Subnet::parse("10.0.0.0/9"), *Subnet::parse("10.128.0.0/24")};
    EXPECT_EQ(choose_subnet(sources, false, taken).text(), "10.128.1.0/24");
    const std::vector<Subnet> all{*Subnet::parse("10.0.0.0/8")};
    EXPECT_THROW(choose_subnet(sources, false, all), Error);
}

TEST(Subnets, DoNotRunOutAtThirtyOneNetworks) {
    std::vector<Subnet> taken;
    for (int i = 0; i < 1000; ++i)
        taken.push_back(choose_subnet(default_subnet_sources(), false, taken));
    EXPECT_EQ(taken[0].text(), "172.17.0.0/16");
    EXPECT_EQ(taken[15].text(), "192.168.0.0/20");
    EXPECT_EQ(taken[31].text(), "10.128.0.0/24");
}

TEST(Subnets, MalformedSourcesAreRefused) {
    for (const char* text : {"", "base=10.0.0.0/8", "base=10.0.0.0/8,size=4", "base=x,size=24",
                             "base=10.0.0.0/8,size=24,more=1", "size=24"}) {
        SCOPED_TRACE(text);
        EXPECT_THROW(parse_subnet_source(text), Error);
    }
}

}  // namespace hull::network
