#include "build/dockerfile/history.hh"

#include "build/dockerfile/arguments.hh"
#include "build/dockerfile/dockerfile.hh"

#include <gtest/gtest.h>

namespace hull::build::dockerfile {
namespace {

std::string history_of(const std::string& text, const HistoryContext& context = {}) {
    const Dockerfile dockerfile = parse_dockerfile("FROM scratch\n" + text);
    return history_text(dockerfile.stages[0].instructions.at(0).value, context);
}

TEST(History, CreatedByIsWhatBuildKitWrites) {
    struct {
        std::string text, history;
    } const cases[] = {
        {"RUN make  all", "RUN /bin/sh -c make  all # buildkit"},
        {"RUN [\"make\", \"all\"]", "RUN make all # buildkit"},
        {"RUN <<EOF\nmake\nEOF", "RUN /bin/sh -c make\n # buildkit"},
        {"RUN <<EOF\n#!/bin/sh\nmake\nEOF", "RUN /dev/pipes/EOF # buildkit"},
        {"CMD a b", "CMD [\"/bin/sh\" \"-c\" \"a b\"]"},
        {"CMD [\"a\", \"b \\\"c\\\"\"]", "CMD [\"a\" \"b \\\"c\\\"\"]"},
        {"CMD []", "CMD []"},
        {"ENTRYPOINT [\"a\"]", "ENTRYPOINT [\"a\"]"},
        {"ENV a=1 b=2", "ENV a=1 b=2"},
        {"ENV a 1", "ENV a=1"},
        {"LABEL a=1", "LABEL a=1"},
        {"ARG a=1 b", "ARG a=1 b"},
        {"COPY --from=x --chown=1:2 --chmod=755 --link a b /c/",
         "COPY --chown=1:2 --chmod=755 a b /c/ # buildkit"},
        {"COPY --parents a /", "COPY --parents a / # buildkit"},
        {"COPY <<one a /\nEOF\none\n", "COPY a <<one / # buildkit"},
        {"ADD https://a.b/c /d", "ADD https://a.b/c /d # buildkit"},
        {"USER me", "USER me"},
        {"EXPOSE 80 443/tcp 53/udp", "EXPOSE [443/tcp 53/udp 80/tcp]"},
        {"VOLUME /a /b", "VOLUME [/a /b]"},
        {"STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTERM"},
        {"SHELL [\"/bin/bash\", \"-c\"]", "SHELL [/bin/bash -c]"},
        {"MAINTAINER me", "MAINTAINER me"},
        {"HEALTHCHECK NONE",
         "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s "
         "Retries:0}"},
        {"HEALTHCHECK --interval=90s --timeout=1500ms --retries=3 CMD curl -f localhost",
         "HEALTHCHECK {Test:[CMD-SHELL curl -f localhost] Interval:1m30s Timeout:1.5s "
         "StartPeriod:0s StartInterval:0s Retries:3}"},
        {"ONBUILD RUN make", ""},
    };
    for (const auto& [text, history] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(history_of(text), history);
    }
    HistoryContext context;
    context.arguments = {{"A", "1"}, {"B", ""}, {"A", "2"}};
    context.shell = {"/bin/bash", "-ec"};
    context.working_dir = "/src/app";
    EXPECT_EQ(history_of("RUN make", context), "RUN |2 A=1 B= /bin/bash -ec make # buildkit");
    EXPECT_EQ(history_of("WORKDIR app", context), "WORKDIR /src/app");
}

TEST(Arguments, EveryBuildHasItsPlatforms) {
    const auto arguments = platform_arguments(oci::parse_platform("linux/amd64"),
                                              oci::parse_platform("linux/arm/v7"), "release");
    EXPECT_EQ(arguments.at("BUILDPLATFORM"), "linux/amd64");
    EXPECT_EQ(arguments.at("TARGETPLATFORM"), "linux/arm/v7");
    EXPECT_EQ(arguments.at("TARGETARCH"), "arm");
    EXPECT_EQ(arguments.at("TARGETVARIANT"), "v7");
    EXPECT_EQ(arguments.at("TARGETSTAGE"), "release");
    EXPECT_EQ(platform_arguments({}, {}, "").at("TARGETSTAGE"), "default");
    EXPECT_TRUE(is_proxy_argument("https_proxy"));
    EXPECT_TRUE(is_proxy_argument("NO_PROXY"));
    EXPECT_FALSE(is_proxy_argument("Http_Proxy"));
    EXPECT_TRUE(is_builder_argument("BUILDKIT_INLINE_CACHE"));
    EXPECT_FALSE(is_builder_argument("VERSION"));
}

}  // namespace
}  // namespace hull::build::dockerfile
