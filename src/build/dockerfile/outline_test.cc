#include "build/dockerfile/outline.hh"

#include "build/dockerfile/check_report.hh"

#include <gtest/gtest.h>

namespace hull::build::dockerfile {
namespace {

const std::string text =
    "# GO_VERSION sets the Go version for the build\n"
    "ARG GO_VERSION=1.22\n"
    "ARG UNUSED=1\n"
    "# base is the base stage\n"
    "FROM golang:${GO_VERSION} AS base\n"
    "# MODE of the linker\n"
    "ARG MODE=static\n"
    "RUN --mount=type=secret,id=token,required --mount=type=ssh "
    "--mount=type=cache,target=/root/.cache make\n"
    "FROM base AS other\n"
    "ARG OTHER\n"
    "FROM scratch AS release\n"
    "COPY --from=base /a /a\n";

TEST(Outline, HoldsWhatTheTargetAndItsStagesTake) {
    const Dockerfile dockerfile = parse_dockerfile(text);
    EXPECT_EQ(outline_text(make_outline(dockerfile, "", {{"MODE", "shared"}})),
              "TARGET:        release\n"
              "\n"
              "BUILD ARG    VALUE    DESCRIPTION\n"
              "GO_VERSION   1.22     sets the Go version for the build\n"
              "MODE         shared   of the linker\n"
              "\n"
              "SECRET   REQUIRED\n"
              "token    true\n"
              "\n"
              "SSH       REQUIRED\n"
              "default\n"
              "\n"
              "CACHE MOUNT\n"
              "/root/.cache\n");
    EXPECT_EQ(make_outline(dockerfile, "other", {}).arguments.size(), 3U);
    EXPECT_EQ(
        json::dump(outline_json(make_outline(dockerfile, "base", {}))),
        R"({"name":"base","description":"is the base stage","args":[{"name":"GO_VERSION",)"
        R"("description":"sets the Go version for the build","value":"1.22"},{"name":"MODE",)"
        R"("description":"of the linker","value":"static"}],"secrets":[{"name":"token","required":true}],)"
        R"("ssh":[{"name":"default"}],"cache":[{"ID":"/root/.cache"}]})");
    EXPECT_THROW(make_outline(dockerfile, "relaese", {}), Error);
}

TEST(Outline, TargetsAreListedWithTheDefault) {
    const Dockerfile dockerfile = parse_dockerfile(text);
    EXPECT_EQ(targets_text(dockerfile),
              "TARGET              DESCRIPTION\n"
              "base                is the base stage\n"
              "other\n"
              "release (default)\n");
    EXPECT_EQ(
        json::dump(
            targets_json(parse_dockerfile("FROM a AS b\n# c is d\nFROM --platform=e b AS c\n"))),
        R"({"targets":[{"name":"b","base":"a"},{"name":"c","default":true,"description":"is d",)"
        R"("base":"b","platform":"e"}]})");
}

TEST(CheckReport, HasDockersHeadlineAndMembers) {
    const Dockerfile dockerfile = parse_dockerfile("FROM alpine\nCMD x\n");
    const CheckResult result = check(dockerfile);
    EXPECT_EQ(check_text(result, dockerfile.source),
              "Check complete, 1 warning has been found!\n"
              "\n"
              "WARNING: JSONArgsRecommended - "
              "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\n"
              "Dockerfile:2:1: warning: JSONArgsRecommended: JSON arguments recommended for CMD to "
              "prevent "
              "unintended behavior related to OS signals\n"
              "   1 | FROM alpine\n"
              "   2 | CMD x\n"
              "     | ^~~\n");
    EXPECT_EQ(check_text({}, dockerfile.source), "Check complete, no warnings found.\n");
    EXPECT_EQ(check_summary(result),
              "\n 1 warning found (use --check to expand):\n - JSONArgsRecommended: JSON arguments "
              "recommended "
              "for CMD to prevent unintended behavior related to OS signals (line 2)\n");
    const json::Value report = check_json(result, dockerfile.source);
    EXPECT_EQ(report["warnings"].as_array().size(), 1U);
    const json::Value& warning = report["warnings"].as_array()[0];
    EXPECT_EQ(warning["ruleName"].as_string(), "JSONArgsRecommended");
    EXPECT_EQ(warning["location"]["ranges"].as_array()[0]["start"]["line"].as_int(), 2);
}

}  // namespace
}  // namespace hull::build::dockerfile
