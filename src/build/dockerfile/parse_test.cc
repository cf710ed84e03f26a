#include "build/dockerfile/dockerfile.hh"
#include "build/dockerfile/expand.hh"
#include "build/dockerfile/history.hh"

#include <gtest/gtest.h>

namespace hull::build::dockerfile {
namespace {

/// The only instruction of a Dockerfile `FROM scratch` and `text`.
Instruction parse_one(const std::string& text) {
    const Dockerfile dockerfile = parse_dockerfile("FROM scratch\n" + text);
    EXPECT_EQ(dockerfile.stages.size(), 1U);
    EXPECT_EQ(dockerfile.stages[0].instructions.size(), 1U) << text;
    return dockerfile.stages[0].instructions.at(0);
}

template <typename Type>
Type parse_as(const std::string& text) {
    return std::get<Type>(parse_one(text).value);
}

using Strings = std::vector<std::string>;
using RunInstruction = dockerfile::Run;  // testing::Test has a Run of its own

TEST(Parse, StagesHaveBasesPlatformsAndNames) {
    const Dockerfile dockerfile = parse_dockerfile(
        "ARG TAG=3\n"
        "ARG A B=2\n"
        "FROM --platform=$BUILDPLATFORM alpine:${TAG} AS Build\n"
        "RUN make\n"
        "from scratch\n"
        "COPY --from=build /a /b\n");
    ASSERT_EQ(dockerfile.global_args.size(), 2U);
    const Arg second = std::get<Arg>(dockerfile.global_args[1].value);
    EXPECT_EQ(second.arguments[0].value, std::nullopt);
    EXPECT_EQ(second.arguments[1].value, "2");
    ASSERT_EQ(dockerfile.stages.size(), 2U);
    const Stage& build = dockerfile.stages[0];
    EXPECT_EQ(build.base, "alpine:${TAG}");
    EXPECT_EQ(build.platform, "$BUILDPLATFORM");
    EXPECT_EQ(build.name, "build");
    EXPECT_EQ(build.name_as_written, "Build");
    EXPECT_EQ(dockerfile.stages[1].base, "scratch");
    EXPECT_EQ(dockerfile.stages[1].location.line, 5);
    EXPECT_EQ(find_stage(dockerfile, "BUILD", 1), 0U);
    EXPECT_EQ(find_stage(dockerfile, "0", 1), 0U);
    EXPECT_EQ(find_stage(dockerfile, "1", 1), std::nullopt);
    EXPECT_EQ(find_base_stage(dockerfile, "0", 1), std::nullopt);
    EXPECT_EQ(get_target(dockerfile, ""), 1U);
    EXPECT_EQ(get_target(dockerfile, "build"), 0U);
}

TEST(Parse, DirectivesStandAtTheTopOrAreComments) {
    struct {
        std::string text, syntax, check;
        char escape;
    } const cases[] = {
        {"# syntax=docker/dockerfile:1\n#escape=`\n# check = skip=all\n", "docker/dockerfile:1",
         "skip=all", '`'},
        {"# eScApE =  ` \n", "", "", '`'},
        {"#!/usr/bin/env hull\n# syntax=a b\n", "a b", "", '\\'},
        {"# a comment\n# escape=`\n", "", "", '\\'},
        {"\n# escape=`\n", "", "", '\\'},
        {"# unknown=1\n# escape=`\n", "", "", '\\'},
        {"ARG A\n# escape=`\n", "", "", '\\'},
        {"# syntax=1\n# x\n# syntax=2\n", "1", "", '\\'},
    };
    for (const auto& [text, syntax, check, escape] : cases) {
        SCOPED_TRACE(text);
        const Directives directives = parse_dockerfile(text + "FROM scratch\n").directives;
        EXPECT_EQ(directives.syntax, syntax);
        EXPECT_EQ(directives.check, check);
        EXPECT_EQ(directives.escape, escape);
    }
}

TEST(Parse, CommandsHaveShellAndExecForms) {
    struct {
        std::string text;
        CommandLine command;
    } const cases[] = {
        {"RUN echo  hi", {false, {"echo  hi"}}},
        {"RUN [\"echo\", \"a b\"]", {true, {"echo", "a b"}}},
        {"RUN   [ \"echo\" ]", {true, {"echo"}}},
        {"RUN ['echo']", {false, {"['echo']"}}},                // single quotes are no JSON
        {"RUN [\"echo\"] && x", {false, {"[\"echo\"] && x"}}},  // nor is this
        {"RUN [\"echo\",]", {false, {"[\"echo\",]"}}},
        {"RUN [ -f /a ]", {false, {"[ -f /a ]"}}},
        {"RUN [\"a\\u00e9\\n\"]", {true, {"a\xc3\xa9\n"}}},
        {"RUN a \\\n  b \\ \n# comment\n\tc", {false, {"a   b \tc"}}},
        {"RUN a \\\\\n", {false, {"a \\\\"}}},
        {"run --network=none true", {false, {"true"}}},
    };
    for (const auto& [text, command] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(parse_as<RunInstruction>(text).command, command);
    }
    EXPECT_EQ(parse_as<Cmd>("CMD []").command, (CommandLine{true, {}}));
    EXPECT_EQ(parse_as<Cmd>("CMD").command, (CommandLine{}));
    EXPECT_EQ(parse_as<Entrypoint>("ENTRYPOINT exec top -b").command,
              (CommandLine{false, {"exec top -b"}}));
    EXPECT_EQ(parse_as<Shell>("SHELL [\"bash\", \"-c\"]").arguments, (Strings{"bash", "-c"}));
}

TEST(Parse, PairsKeepTheirQuotesUntilTheyAreExpanded) {
    struct {
        std::string text;
        std::vector<KeyValue> raw, expanded;
    } const cases[] = {
        {"ENV a=1 b=\"2 3\" c='4 5' d=6\\ 7",
         {{"a", "1"}, {"b", "\"2 3\""}, {"c", "'4 5'"}, {"d", "6\\ 7"}},
         {{"a", "1"}, {"b", "2 3"}, {"c", "4 5"}, {"d", "6 7"}}},
        {"ENV a  b c=d \"e\"", {{"a", "b c=d \"e\"", true}}, {{"a", "b c=d e", true}}},
        {"ENV a=", {{"a", ""}}, {{"a", ""}}},
        {"ENV a=b=c", {{"a", "b=c"}}, {{"a", "b=c"}}},
        {"ENV \"a b\"=c", {{"\"a b\"", "c"}}, {{"a b", "c"}}},
        {"ENV a=$x b=${x}y c='$x'",
         {{"a", "$x"}, {"b", "${x}y"}, {"c", "'$x'"}},
         {{"a", "X"}, {"b", "Xy"}, {"c", "$x"}}},
        {"ENV a=\"1 \\\n  2\" \\\n    b=3",
         {{"a", "\"1   2\""}, {"b", "3"}},
         {{"a", "1   2"}, {"b", "3"}}},
    };
    const Lookup lookup = [](std::string_view name) -> std::optional<std::string> {
        return name == "x" ? std::optional<std::string>("X") : std::nullopt;
    };
    for (const auto& [text, raw, expanded] : cases) {
        SCOPED_TRACE(text);
        const Instruction instruction = parse_one(text);
        EXPECT_EQ(std::get<Env>(instruction.value).pairs, raw);
        EXPECT_EQ(std::get<Env>(expand_instruction(instruction, lookup, '\\').value).pairs,
                  expanded);
    }
}

TEST(Parse, CopyAndAddTakeAllTheirFlags) {
    const Copy copy = parse_as<Copy>(
        "COPY --from=0 --chown=1:2 --chmod=u=rwX,go=rX --link --parents --exclude=*.md "
        "--exclude=a/** x y/ z/");
    EXPECT_EQ(copy.from, "0");
    EXPECT_EQ(copy.chown, "1:2");
    EXPECT_EQ(copy.chmod, "u=rwX,go=rX");
    EXPECT_TRUE(copy.link);
    EXPECT_TRUE(copy.parents);
    EXPECT_EQ(copy.excludes, (Strings{"*.md", "a/**"}));
    EXPECT_EQ(copy.sources, (Strings{"x", "y/"}));
    EXPECT_EQ(copy.destination, "z/");
    EXPECT_EQ(parse_as<Copy>("COPY [\"a b\", \"c d\"]").sources, (Strings{"a b"}));
    EXPECT_FALSE(parse_as<Copy>("COPY --link=false a b").link);

    const Add add = parse_as<Add>(
        "ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d "
        "--keep-git-dir=true --unpack=FALSE https://a.b/c /d");
    EXPECT_EQ(add.checksum.size(), 71U);
    EXPECT_EQ(add.keep_git_dir, true);
    EXPECT_EQ(add.unpack, false);
    EXPECT_EQ(parse_as<Add>("ADD a b").unpack, std::nullopt);
}

TEST(Parse, HeredocsBelongToTheirInstruction) {
    const RunInstruction run =
        parse_as<RunInstruction>("RUN <<EOF\n# not a comment\necho a \\\n\n\tb\nEOF\n");
    ASSERT_EQ(run.heredocs.size(), 1U);
    EXPECT_EQ(run.heredocs[0].content, "# not a comment\necho a \\\n\n\tb\n");
    EXPECT_EQ(plan_run(run, {}).arguments,
              (Strings{"/bin/sh", "-c", "# not a comment\necho a \\\n\n\tb\n"}));

    const RunInstruction script =
        parse_as<RunInstruction>("RUN <<-EOF\n\t#!/bin/sh\n\techo\n\tEOF\n");
    EXPECT_EQ(script.heredocs[0].content, "\t#!/bin/sh\n\techo\n");
    EXPECT_EQ(heredoc_text(script.heredocs[0]), "#!/bin/sh\necho\n");

    const RunInstruction several =
        parse_as<RunInstruction>("RUN cat <<A 3<<'B' && x\n1\nA\n2\nB\n");
    EXPECT_EQ(several.heredocs.size(), 2U);
    EXPECT_EQ(several.heredocs[1].descriptor, 3);
    EXPECT_EQ(plan_run(several, {"/bin/bash", "-ec"}).arguments,
              (Strings{"/bin/bash", "-ec", "cat <<A 3<<'B' && x\n1\nA\n2\nB"}));

    const Copy copy = parse_as<Copy>("COPY --chmod=755 <<\"one\" a <<two /d/\n$x\none\n$y\ntwo\n");
    ASSERT_EQ(copy.heredocs.size(), 2U);
    EXPECT_EQ(copy.heredocs[0].name, "one");
    EXPECT_FALSE(copy.heredocs[0].expand);
    EXPECT_TRUE(copy.heredocs[1].expand);
    EXPECT_EQ(copy.sources, Strings{"a"});
    EXPECT_EQ(parse_as<RunInstruction>("RUN echo $((1<<2)) <<<word").heredocs.size(), 0U);
    const OnBuild on_build = parse_as<OnBuild>("ONBUILD RUN <<EOF\na\nEOF\n");
    EXPECT_EQ(on_build.expression, "RUN <<EOF\na\nEOF");
    EXPECT_EQ(
        std::get<RunInstruction>(parse_trigger(on_build.expression).value).heredocs[0].content,
        "a\n");
}

TEST(Parse, ShebangOfAHeredocMakesItAFile) {
    const RunPlan plan =
        plan_run(parse_as<RunInstruction>("RUN <<x.py\n#!/usr/bin/python3\nprint()\nx.py"), {});
    EXPECT_EQ(plan.arguments, Strings{"/dev/pipes/x.py"});
    ASSERT_TRUE(plan.script);
    EXPECT_EQ(plan.script->content, "#!/usr/bin/python3\nprint()\n");
}

}  // namespace
}  // namespace hull::build::dockerfile
