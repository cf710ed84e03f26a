#include "base/text.hh"

#include "base/locked.hh"

#include <gtest/gtest.h>

namespace hull {
namespace {

using Words = std::vector<std::string>;

TEST(Text, SplitKeepsEmptyParts) {
    EXPECT_EQ(split("a,,b", ','), (Words{"a", "", "b"}));
    EXPECT_EQ(split("", ','), (Words{""}));
    EXPECT_EQ(split("a,", ','), (Words{"a", ""}));
}

TEST(Text, SplitNonemptyGivesWords) {
    EXPECT_EQ(split_nonempty("/sys//fs/", '/'), (Words{"sys", "fs"}));
    EXPECT_EQ(split_nonempty("", ' '), Words{});
}

TEST(Text, ViewsPointIntoTheText) {
    const std::string text = "root:x:0";
    const std::vector<std::string_view> parts = split_views(text, ':');
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_EQ(parts[2].data(), text.data() + 7);
}

TEST(Text, TrimAndLower) {
    EXPECT_EQ(trim("\t a b \r\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(lower("TAG-Ä1"), "tag-Ä1");
}

// A temporary guard unlocks at the end of its expression: a reference from it would outlive the
// lock, so only named guards give one.
template <typename Guard>
concept Dereferences = requires(Guard&& guard) {
    *static_cast<Guard&&>(guard);
};
static_assert(Dereferences<Locked<int>::Guard&>);
static_assert(!Dereferences<Locked<int>::Guard>);

}  // namespace
}  // namespace hull
