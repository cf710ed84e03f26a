#include "cli/format.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "cli/help.hh"
#include "cli/terminal.hh"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

TEST(Human, SizesAndTimesAreDockers) {
    EXPECT_EQ(human_size(0, 3), "0B");
    EXPECT_EQ(human_size(1980000, 3), "1.98MB");
    EXPECT_EQ(human_size(999, 3), "999B");
    EXPECT_EQ(human_size(1e9), "1GB");
    EXPECT_EQ(human_binary_size(1536), "1.5KiB");
    EXPECT_EQ(human_duration(0), "Less than a second");
    EXPECT_EQ(human_duration(59), "59 seconds");
    EXPECT_EQ(human_duration(60), "About a minute");
    EXPECT_EQ(human_duration(3600), "About an hour");
    EXPECT_EQ(human_duration(47 * 3600), "47 hours");
    EXPECT_EQ(human_duration(3 * 86400), "3 days");
    EXPECT_EQ(human_duration(15 * 86400), "2 weeks");
    EXPECT_EQ(human_duration(100 * 86400), "3 months");
    EXPECT_EQ(human_duration(900 * 86400L), "2 years");
}

TEST(Ellipsis, CountsCharactersNotBytes) {
    EXPECT_EQ(ellipsis("abc", 3), "abc");
    EXPECT_EQ(ellipsis("abcd", 3), "ab…");
    EXPECT_EQ(ellipsis("äöüß", 3), "äö…");
    EXPECT_EQ(short_id("sha256:0123456789abcdef"), "0123456789ab");
}

TEST(Columns, ArePaddedAsByGosTabwriter) {
    EXPECT_EQ(align_columns("ID\tNAME\nlongidentifier\tx\n"),
              "ID               NAME\nlongidentifier   x\n");
    EXPECT_EQ(align_columns("A\tB\n"), "A         B\n");
}

constexpr Listing::Column columns[] = {{"ID", "CONTAINER ID"}, {"Names", "NAMES"}};
constexpr Listing listing{
    .type_name = "*formatter.ContainerContext",
    .default_table = "table {{.ID}}\t{{.Names}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};

TEST(Listing, KnowsTableQuietJsonAndTemplates) {
    const std::vector<Row> rows = {{json::Object{{"ID", "1"}, {"Names", "a"}}},
                                   {json::Object{{"ID", "2"}, {"Names", "b"}}}};
    EXPECT_EQ(format_listing(listing, "", false, rows),
              "CONTAINER ID   NAMES\n1              a\n2              b\n");
    EXPECT_EQ(format_listing(listing, "table", false, {}), "CONTAINER ID   NAMES\n");
    EXPECT_EQ(format_listing(listing, "", true, rows), "1\n2\n");
    EXPECT_EQ(format_listing(listing, "json", false, rows),
              "{\"ID\":\"1\",\"Names\":\"a\"}\n{\"ID\":\"2\",\"Names\":\"b\"}\n");
    EXPECT_EQ(format_listing(listing, "{{.ID}}-{{.Names}}", false, rows), "1-a\n2-b\n");
    EXPECT_EQ(format_listing(listing, "table {{.Names}}\\t{{.ID}}", false, rows),
              "NAMES     CONTAINER ID\na         1\nb         2\n");
    try {
        format_listing(listing, "{{.Foo}}", false, rows);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.message(),
                  "failed to execute template: template: :1:2: executing \"\" at <.Foo>: can't "
                  "evaluate field Foo in type *formatter.ContainerContext");
    }
}

TEST(DetachKeys, AreParsedAndNothingElseIsSwallowed) {
    EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
    EXPECT_EQ(parse_detach_keys("a,ctrl-@"), std::string("a\0", 2));
    EXPECT_THROW(parse_detach_keys("foo"), Error);
    DetachFilter filter("\x10\x11");
    EXPECT_EQ(filter.filter("ab\x10").forward, "ab");
    EXPECT_EQ(filter.filter("c").forward,
              "\x10"
              "c");
    EXPECT_EQ(filter.filter("\x10\x10").forward, "\x10");
    const DetachFilter::Result result = filter.filter("\x11");
    EXPECT_TRUE(result.detached);
    EXPECT_EQ(result.forward, "");
}

/// Golden files: HULL_ACCEPT=1 rewrites them.
TEST(Help, OfEveryCommandIsTheGoldenOne) {
    const Path directory = HULL_CLI_TESTDATA;
    const auto check = [&](std::string name, const std::string& text) {
        for (char& c : name)
            if (c == ' ') c = '_';
        const Path path = join(directory, "help_" + name + ".txt");
        if (::getenv("HULL_ACCEPT")) write_file(path, text);
        EXPECT_EQ(text, find_file(path).value_or("(missing)")) << path;
    };
    check("program", program_help("hull", 80));
    for (const Group& group : all_groups())
        check(std::string(group.name), group_help(group, "hull"));
    for (const Command* command : all_commands())
        check(std::string(command->name),
              command_help(*command, "hull", "hull " + std::string(command->name), 80));
}

TEST(Commands, HaveUniqueNamesAndFlags) {
    std::vector<std::string> names;
    for (const Command* command : all_commands()) {
        names.emplace_back(command->name);
        for (std::string_view alias : command->aliases)
            if (!alias.empty()) names.emplace_back(alias);
        std::vector<std::string> flags;
        for (const Flag& flag : command->flags) {
            flags.emplace_back(flag.name);
            if (flag.short_name) flags.emplace_back(1, flag.short_name);
        }
        std::sort(flags.begin(), flags.end());
        EXPECT_EQ(std::adjacent_find(flags.begin(), flags.end()), flags.end()) << command->name;
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace hull::cli
