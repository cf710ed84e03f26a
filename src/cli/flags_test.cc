#include "cli/flags.hh"

#include "base/error.hh"
#include "cli/values.hh"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"interactive", 'i', FlagType::boolean, "Keep STDIN open"},
    {"tty", 't', FlagType::boolean, "Allocate a terminal"},
    {"rm", 0, FlagType::boolean, "Remove"},
    {"sig-proxy", 0, FlagType::boolean, "Proxy", "true"},
    {"env", 'e', FlagType::list, "Set a variable", "", check_environment},
    {"name", 0, FlagType::text, "Name"},
    {"memory", 'm', FlagType::bytes, "Memory limit"},
    {"last", 'n', FlagType::integer, "Last", "-1"},
    {"filter", 'f', FlagType::filter, "Filter"},
};

Arguments parse(std::vector<std::string> words, bool end_at_positional = true) {
    return parse_flags(flags, words, end_at_positional);
}

std::string problem_of(std::vector<std::string> words) {
    try {
        parse(std::move(words));
    } catch (const Error& error) {
        return error.message();
    }
    return "none";
}

TEST(Flags, ShortFlagsClusterAndTakeValuesInEveryForm) {
    const Arguments a =
        parse({"-it", "-eA=1", "-e", "B=2", "-e=C=3", "--env=D=4", "--env", "E=5", "image"});
    EXPECT_TRUE(a.flag("interactive"));
    EXPECT_TRUE(a.flag("tty"));
    EXPECT_EQ(a.list("env"), (std::vector<std::string>{"A=1", "B=2", "C=3", "D=4", "E=5"}));
    EXPECT_EQ(a.positional, std::vector<std::string>{"image"});
    EXPECT_EQ(parse({"-iteA=1"}).list("env"), std::vector<std::string>{"A=1"});
}

TEST(Flags, BooleansTakeAValueOnlyWithAnEqualsSign) {
    EXPECT_FALSE(parse({"--rm=false"}).flag("rm"));
    EXPECT_TRUE(parse({"--rm", "false"}).flag("rm"));
    EXPECT_TRUE(parse({}).flag("sig-proxy"));
    EXPECT_FALSE(parse({"--sig-proxy=0"}).flag("sig-proxy"));
    EXPECT_FALSE(parse({"-i=false"}).flag("interactive"));
}

TEST(Flags, TheCommandOfTheContainerKeepsItsFlags) {
    const Arguments a = parse({"--rm", "image", "ls", "-la", "--", "--name=x"});
    EXPECT_EQ(a.positional, (std::vector<std::string>{"image", "ls", "-la", "--", "--name=x"}));
    EXPECT_FALSE(a.given("name"));
}

TEST(Flags, OtherCommandsTakeFlagsAfterArguments) {
    const Arguments a = parse({"one", "--rm", "two", "--", "-i"}, false);
    EXPECT_TRUE(a.flag("rm"));
    EXPECT_FALSE(a.flag("interactive"));
    EXPECT_EQ(a.positional, (std::vector<std::string>{"one", "two", "-i"}));
}

TEST(Flags, ALoneDashIsAnArgument) {
    EXPECT_EQ(parse({"-", "x"}).positional, (std::vector<std::string>{"-", "x"}));
}

TEST(Flags, ProblemsReadLikeDockers) {
    EXPECT_EQ(problem_of({"--nope"}), "unknown flag: --nope");
    EXPECT_EQ(problem_of({"-z"}), "unknown shorthand flag: 'z' in -z");
    EXPECT_EQ(problem_of({"-tz"}), "unknown shorthand flag: 'z' in -z");
    EXPECT_EQ(problem_of({"-e"}), "flag needs an argument: 'e' in -e");
    EXPECT_EQ(problem_of({"--name"}), "flag needs an argument: --name");
    EXPECT_EQ(problem_of({"--=x"}), "bad flag syntax: --=x");
    EXPECT_EQ(problem_of({"--rm=x"}),
              "invalid argument \"x\" for \"--rm\" flag: strconv.ParseBool: parsing \"x\": invalid "
              "syntax");
    EXPECT_EQ(problem_of({"-m", "1x"}),
              "invalid argument \"1x\" for \"-m, --memory\" flag: invalid suffix: 'x'");
    EXPECT_EQ(problem_of({"-nx"}),
              "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": "
              "invalid syntax");
    EXPECT_EQ(problem_of({"-f", "foo"}),
              "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected "
              "name=value)");
}

TEST(Flags, DefaultsHoldUntilGiven) {
    EXPECT_EQ(parse({}).integer("last"), -1);
    EXPECT_EQ(parse({"-n", "3"}).integer("last"), 3);
    EXPECT_EQ(parse({"-n", "0x10"}).integer("last"), 16);
    EXPECT_FALSE(parse({}).given("last"));
}

TEST(Flags, HelpWrapsAtTheWidthOfTheTerminal) {
    constexpr Flag few[] = {
        {"all", 'a', FlagType::boolean, "Show all containers, not only those that are running now"},
        {"last", 'n', FlagType::integer, "Newest", "-1"},
        {"hidden", 0, FlagType::text, "never shown", "", nullptr, true},
    };
    EXPECT_EQ(format_flags(few, 58),
              "  -a, --all        Show all containers, not only\n"
              "                   those that are running now\n"
              "  -n, --last int   Newest (default -1)\n");
}

}  // namespace
}  // namespace hull::cli
