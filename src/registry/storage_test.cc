#include "registry/storage.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "registry/manifest_facts.hh"
#include "registry/refusal.hh"
#include "registry/uploads.hh"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

namespace hull::registry {

namespace {

struct RegistryTest : testing::Test {
    RegistryTest() {
        char pattern[] = "/tmp/hull-registry-test-XXXXXX";
        root = ::mkdtemp(pattern);
    }
    ~RegistryTest() override { sys::remove_tree(root); }

    ContentDigest push(Storage& storage, Uploads& uploads, std::string_view bytes) {
        const std::string name = uploads.start("a/b", "sha256");
        Uploads::Use use = uploads.use("a/b", name);
        use->append(bytes);
        const ContentDigest digest = use->digest("sha256");
        uploads.commit("a/b", use, digest);
        EXPECT_TRUE(storage.has_blob("a/b", digest));
        return digest;
    }

    Path root;
};

constexpr const char* empty_index =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";

}  // namespace

TEST_F(RegistryTest, TheLayoutIsThatOfDistribution) {
    Storage storage(root);
    Uploads uploads(storage);
    const ContentDigest digest = push(storage, uploads, "hello");
    const std::string hex(digest.hex()), base = root + "/docker/registry/v2/";
    EXPECT_EQ(read_file(base + "blobs/sha256/" + hex.substr(0, 2) + "/" + hex + "/data"), "hello");
    EXPECT_EQ(read_file(base + "repositories/a/b/_layers/sha256/" + hex + "/link"), digest.str());
    EXPECT_TRUE(sys::list_directories(base + "repositories/a/b/_uploads").empty());
    EXPECT_FALSE(storage.has_blob("a", digest));

    const Storage::Manifest manifest{empty_index, "application/vnd.oci.image.index.v1+json",
                                     ContentDigest::of(empty_index)};
    storage.put_manifest("a/b", manifest, {});
    storage.put_tag("a/b", "v1", manifest.digest);
    EXPECT_EQ(read_file(base + "repositories/a/b/_manifests/tags/v1/current/link"),
              manifest.digest.str());
    EXPECT_EQ(storage.list_repositories(), std::vector<std::string>{"a/b"});
    EXPECT_TRUE(storage.remove_manifest("a/b", manifest.digest));
    EXPECT_TRUE(storage.list_tags("a/b").empty());
    EXPECT_TRUE(storage.has_repository("a/b"));
}

TEST_F(RegistryTest, OneProcessServesADirectory) {
    const Storage storage(root);
    EXPECT_THROW(Storage{root}, Error);
}

TEST_F(RegistryTest, AnUploadGoesOnAfterARestart) {
    std::string name;
    {
        Storage storage(root);
        Uploads uploads(storage);
        name = uploads.start("a/b", "sha256");
        uploads.use("a/b", name)->append("hello, ");
    }
    Storage storage(root);
    Uploads uploads(storage);
    EXPECT_EQ(uploads.received("a/b", name), 7U);
    Uploads::Use use = uploads.use("a/b", name);
    use->append("world");
    EXPECT_EQ(use->digest("sha256"), ContentDigest::of("hello, world"));
    EXPECT_EQ(use->digest("sha512"), ContentDigest::of("hello, world", "sha512"));
}

TEST_F(RegistryTest, AnUploadHasOneWriter) {
    Storage storage(root);
    Uploads uploads(storage, {.in_memory = 2, .wait_ms = 20});
    const std::string name = uploads.start("a/b", "sha256");
    Uploads::Use use = uploads.use("a/b", name);
    use->append("x");
    EXPECT_THROW(uploads.use("a/b", name), Refusal);
    EXPECT_EQ(uploads.received("a/b", name), 1U);
    uploads.cancel(use);
    EXPECT_THROW(uploads.received("a/b", name), Refusal);
}

TEST_F(RegistryTest, UploadsThatNobodyEndsGo) {
    Storage storage(root);
    std::string old;
    {
        Uploads before(storage);
        old = before.start("a/b", "sha256");
    }
    Uploads uploads(storage, {.in_memory = 1, .wait_ms = 20});
    const std::string used = uploads.start("a/b", "sha256");
    EXPECT_THROW(uploads.start("a/b", "sha256"), Refusal);  // too many
    EXPECT_EQ(uploads.expire(3600'000'000'000), 0U);
    {
        const Uploads::Use use = uploads.use("a/b", used);
        EXPECT_EQ(uploads.expire(0), 1U);  // not the one in use
    }
    EXPECT_EQ(uploads.expire(0), 1U);
    EXPECT_EQ(uploads.count(), 0U);
    EXPECT_THROW(uploads.use("a/b", old), Refusal);
}

TEST(ManifestFacts, AreReadFromWhatClientsSend) {
    const std::string digest = ContentDigest::of("x").str();
    const std::string text =
        R"({"schemaVersion":2,"config":{"mediaType":"a/config","digest":")" + digest +
        R"(","size":1},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",)" +
        R"("digest":")" + digest + R"(","size":2}],"subject":{"digest":")" + digest +
        R"(","size":3},"annotations":{"k":"v"}})";
    const ManifestFacts facts =
        parse_manifest_facts(text, "application/vnd.oci.image.manifest.v1+json; charset=x");
    EXPECT_EQ(facts.media_type, "application/vnd.oci.image.manifest.v1+json");
    ASSERT_EQ(facts.references.size(), 2U);
    EXPECT_FALSE(facts.references[0].is_elsewhere);
    EXPECT_TRUE(facts.references[1].is_elsewhere);
    EXPECT_EQ(facts.artifact_type, "a/config");
    EXPECT_EQ(facts.subject->str(), digest);
    EXPECT_EQ(find_media_type(empty_index), "application/vnd.oci.image.index.v1+json");
    EXPECT_THROW(parse_manifest_facts(text, "application/vnd.oci.image.index.v1+json"), Refusal);
    EXPECT_THROW(parse_manifest_facts(text, "text/plain"), Refusal);
    EXPECT_THROW(parse_manifest_facts("{", ""), Refusal);
}

TEST(ContentDigest, KnowsBothAlgorithms) {
    const std::string hex(64, 'a');
    EXPECT_TRUE(ContentDigest::find("sha256:" + hex));
    EXPECT_TRUE(ContentDigest::find("sha512:" + hex + hex));
    for (const std::string& bad : {"sha256:" + hex + "a", "sha512:" + hex, "sha1:" + hex, hex,
                                   "sha256:" + std::string(64, 'A'), std::string("sha256:"),
                                   "sha256:" + std::string(62, 'a') + ".."})
        EXPECT_FALSE(ContentDigest::find(bad)) << bad;
    EXPECT_EQ(ContentDigest::of("").hex(),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace hull::registry
