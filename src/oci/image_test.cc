#include "base/error.hh"
#include "oci/image_config.hh"
#include "oci/manifest.hh"

#include <gtest/gtest.h>

namespace hull::oci {
namespace {

std::string digest(char fill) { return "sha256:" + std::string(64, fill); }
std::string descriptor(char fill) {
    return R"({"mediaType":"x","digest":")" + digest(fill) + R"(","size":1})";
}

TEST(Platform, SpecifiersAreNormalised) {
    EXPECT_EQ(parse_platform("linux/x86_64").str(), "linux/amd64");
    EXPECT_EQ(parse_platform("linux/arm64/v8").str(), "linux/arm64");
    EXPECT_EQ(parse_platform("linux/arm").str(), "linux/arm/v7");
    EXPECT_EQ(parse_platform("aarch64").str(), "linux/arm64");
    EXPECT_EQ(parse_platform("linux").architecture, host_platform().architecture);
    for (const char* text : {"", "a/b/c/d", "linux/", "no such", "toaster"})
        EXPECT_THROW(parse_platform(text), Error) << text;
}

TEST(Platform, NearestInstructionSetWins) {
    const auto parse = [](const char* text) { return parse_platform(text); };
    EXPECT_GT(match(parse("linux/arm/v7"), parse("linux/arm/v7")),
              match(parse("linux/arm/v7"), parse("linux/arm/v6")));
    EXPECT_EQ(match(parse("linux/arm/v6"), parse("linux/arm/v7")), 0);
    EXPECT_EQ(match(parse("linux/amd64"), parse("linux/amd64/v3")), 0);
    EXPECT_GT(match(parse("linux/amd64/v3"), parse("linux/amd64")), 0);
    EXPECT_GT(match(parse("linux/amd64"), parse("linux/386")), 0);
    EXPECT_EQ(match(parse("linux/amd64"), parse("linux/arm64")), 0);
    EXPECT_EQ(match(parse("linux/amd64"), parse("windows/amd64")), 0);
}

TEST(Manifest, BothFormatsAreReadAndAmbiguousTextsRefused) {
    const std::string body =
        R"("config":)" + descriptor('a') + R"(,"layers":[)" + descriptor('b') + "]";
    const auto oci = parse_manifest(R"({"schemaVersion":2,)" + body + "}");
    EXPECT_EQ(oci.media_type, media_type::oci_manifest);
    EXPECT_EQ(oci.layers.at(0).digest.str(), digest('b'));
    const std::string docker_type(media_type::docker_manifest);
    EXPECT_EQ(parse_manifest(R"({"schemaVersion":2,)" + body + "}", docker_type).media_type,
              docker_type);
    const auto index =
        parse_index(R"({"schemaVersion":2,"manifests":[{"digest":")" + digest('c') +
                    R"(","size":3,"platform":{"os":"linux","architecture":"arm64"}}]})");
    EXPECT_EQ(find_platform(index, parse_platform("linux/arm64"))->digest.str(), digest('c'));
    EXPECT_EQ(find_platform(index, parse_platform("linux/amd64")), nullptr);
    EXPECT_THROW(parse_manifest(R"({"schemaVersion":2,"manifests":[],)" + body + "}"), Error);
    EXPECT_THROW(parse_manifest(R"({"schemaVersion":1,"fsLayers":[]})"), Error);
    EXPECT_THROW(parse_index(R"({"schemaVersion":2,)" + body + "}"), Error);
    try {
        parse_manifest(R"({"schemaVersion":2,"config":{"digest":"sha256:12","size":1}})");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.message(), "config.digest: invalid checksum digest length");
    }
}

TEST(ImageConfig, DockersMembersAndUnknownOnesAreKept) {
    const std::string text =
        R"({"architecture":"arm64","os":"linux","variant":"v8","created":"2020-01-02T03:04:05Z",
      "container":"abc","config":{"Env":["A=b"],"Cmd":null,"Entrypoint":[],"Labels":null,"Volumes":{"/v":{}},
      "ExposedPorts":{"80/tcp":{}},"Hostname":"h","ArgsEscaped":true,
      "Healthcheck":{"Test":["CMD","x"],"Interval":1000000000,"Retries":3}},
      "rootfs":{"type":"layers","diff_ids":[")" +
        digest('a') + R"("]},
      "history":[{"created_by":"COPY","empty_layer":true}]})";
    const ImageConfig config = parse_image_config(text);
    EXPECT_EQ(config.platform.architecture, "arm64");
    EXPECT_FALSE(config.config.cmd);
    EXPECT_TRUE(config.config.entrypoint && config.config.entrypoint->empty());
    EXPECT_EQ(config.config.volumes, std::set<std::string>{"/v"});
    EXPECT_EQ(config.config.healthcheck->interval_ns, 1'000'000'000);
    EXPECT_TRUE(config.history.at(0).empty_layer);
    const json::Value written = to_json(config);
    EXPECT_EQ(written["container"].as_string(), "abc");
    EXPECT_EQ(written["config"]["Hostname"].as_string(), "h");
    EXPECT_EQ(written["config"]["ArgsEscaped"].as_bool(), true);
    EXPECT_EQ(written["rootfs"]["diff_ids"].as_strings().at(0), digest('a'));
    EXPECT_THROW(parse_image_config(R"({"config":{"Env":"A"}})"), Error);
}

TEST(ImageConfig, ChainIdNamesTheStack) {
    const std::vector<Digest> layers = {Digest::parse(digest('a')), Digest::parse(digest('b'))};
    const auto chain = chain_ids(layers);
    EXPECT_EQ(chain.at(0), layers[0]);
    EXPECT_EQ(chain.at(1), Digest::of(digest('a') + " " + digest('b')));
    EXPECT_EQ(chain_id(layers), chain.at(1));
    EXPECT_TRUE(chain_id({}).empty());
}

}  // namespace
}  // namespace hull::oci
