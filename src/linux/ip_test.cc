#include "linux/ip.hh"

#include <gtest/gtest.h>

namespace hull::linux_ {

TEST(IpAddress, IsWhatWasTyped) {
    for (const char* text : {"0.0.0.0", "172.17.0.2", "::", "fd00::2", "::ffff:1.2.3.4"})
        EXPECT_EQ(IpAddress::get(text).text(), text);
    for (const char* text :
         {"", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", "1.2.3.256", "g::", " 1.2.3.4"})
        EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, CountsOnAndWraps) {
    EXPECT_EQ(IpAddress::get("10.0.0.255").plus(1).text(), "10.0.1.0");
    EXPECT_EQ(IpAddress::get("10.0.0.1").plus(0x10000).text(), "10.1.0.1");
    EXPECT_EQ(IpAddress::get("255.255.255.255").plus(1).text(), "0.0.0.0");
    EXPECT_EQ(IpAddress::get("fd00::ffff:ffff:ffff:ffff").plus(1).text(), "fd00:0:0:1::");
}

TEST(Subnet, HasAFirstAndALastAddress) {
    const struct {
        const char *text, *first, *last;
    } cases[] = {{"10.1.2.3/8", "10.0.0.0", "10.255.255.255"},
                 {"10.1.2.3/23", "10.1.2.0", "10.1.3.255"},
                 {"10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
                 {"10.1.2.3/0", "0.0.0.0", "255.255.255.255"},
                 {"fd00::1/63", "fd00::", "fd00::1:ffff:ffff:ffff:ffff"}};
    for (const auto& [text, first, last] : cases) {
        SCOPED_TRACE(text);
        const auto subnet = Subnet::parse_interface(text);
        ASSERT_TRUE(subnet);
        EXPECT_EQ(subnet->first().text(), first);
        EXPECT_EQ(subnet->last().text(), last);
    }
    for (const char* text :
         {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129", "10.0.0.0/8x"})
        EXPECT_FALSE(Subnet::parse(text)) << text;
}

TEST(Subnet, OverlapsWhatItContainsAndWhatContainsIt) {
    const Subnet wide = *Subnet::parse("10.0.0.0/8"), narrow = *Subnet::parse("10.1.0.0/16");
    EXPECT_TRUE(wide.overlaps(narrow));
    EXPECT_TRUE(narrow.overlaps(wide));
    EXPECT_FALSE(narrow.overlaps(*Subnet::parse("10.2.0.0/16")));
    EXPECT_FALSE(wide.overlaps(*Subnet::parse("::/0"))) << "families do not meet";
    EXPECT_FALSE(Subnet::parse("0.0.0.0/0")->contains(IpAddress::get("::1")));
}

}  // namespace hull::linux_
