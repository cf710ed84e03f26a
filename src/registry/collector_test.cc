#include "registry/collector.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "registry/manifest_facts.hh"
#include "registry/quotas.hh"
#include "registry/refusal.hh"
#include "registry/storage.hh"
#include "registry/uploads.hh"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <thread>

namespace hull::registry {

namespace {

constexpr const char* manifest_type = "application/vnd.oci.image.manifest.v1+json";

struct CollectorTest : testing::Test {
    CollectorTest() {
        char pattern[] = "/tmp/hull-registry-test-XXXXXX";
        root = ::mkdtemp(pattern);
        storage = std::make_unique<Storage>(root);
        uploads = std::make_unique<Uploads>(*storage);
    }
    ~CollectorTest() override {
        storage.reset();
        sys::remove_tree(root);
    }

    ContentDigest push_blob(const std::string& repository, std::string_view bytes) {
        Uploads::Use use = uploads->use(repository, uploads->start(repository, "sha256"));
        use->append(bytes);
        const ContentDigest digest = use->digest("sha256");
        uploads->commit(repository, use, digest);
        return digest;
    }
    Storage::Manifest make_manifest(const ContentDigest& config) {
        const std::string text = R"({"schemaVersion":2,"mediaType":")" +
                                 std::string(manifest_type) +
                                 R"(","config":{"mediaType":"a/b","digest":")" + config.str() +
                                 R"(","size":1},"layers":[]})";
        return {text, manifest_type, ContentDigest::of(text)};
    }
    Collector::Report collect(std::int64_t grace_ns = 0, bool untagged = false) {
        return Collector(*storage, {.grace_ns = grace_ns, .untagged = untagged}).run();
    }

    Path root;
    std::unique_ptr<Storage> storage;
    std::unique_ptr<Uploads> uploads;
};

}  // namespace

TEST_F(CollectorTest, WhatAManifestNeedsStays) {
    const ContentDigest needed = push_blob("a", "needed"), other = push_blob("a", "other");
    const Storage::Manifest manifest = make_manifest(needed);
    storage->put_manifest("a", manifest, {});
    EXPECT_EQ(collect(3600'000'000'000).blobs, 0U);  // younger than the grace
    const Collector::Report report = collect();
    EXPECT_EQ(report.links, 1U);
    EXPECT_EQ(report.blobs, 1U);
    EXPECT_EQ(report.bytes, 5U);
    EXPECT_TRUE(storage->has_blob("a", needed));
    EXPECT_FALSE(storage->has_blob("a", other));
    EXPECT_TRUE(storage->find_manifest("a", manifest.digest));
    EXPECT_EQ(collect().blobs, 0U);

    storage->remove_manifest("a", manifest.digest);
    EXPECT_EQ(collect().blobs, 2U);  // the manifest's text and what it needed
    EXPECT_FALSE(storage->find_content_size(needed));
}

TEST_F(CollectorTest, AnotherRepositoryKeepsSharedContent) {
    const ContentDigest shared = push_blob("a", "shared");
    ASSERT_TRUE(storage->link_blob("b/c", shared));
    storage->put_manifest("b/c", make_manifest(shared), {});
    EXPECT_EQ(collect().links, 1U);
    EXPECT_FALSE(storage->has_blob("a", shared));
    EXPECT_TRUE(storage->has_blob("b/c", shared));
}

TEST_F(CollectorTest, UntaggedManifestsGoWhenAsked) {
    const ContentDigest config = push_blob("a", "c"), second = push_blob("a", "d");
    const Storage::Manifest tagged = make_manifest(config), untagged = make_manifest(second);
    storage->put_manifest("a", tagged, {});
    storage->put_manifest("a", untagged, {});
    storage->put_tag("a", "latest", tagged.digest);
    EXPECT_EQ(collect().manifests, 0U);
    EXPECT_EQ(collect(0, true).manifests, 1U);
    EXPECT_TRUE(storage->has_manifest("a", tagged.digest));
    EXPECT_FALSE(storage->has_manifest("a", untagged.digest));
}

TEST_F(CollectorTest, TagsOfLostManifestsGo) {
    const Storage::Manifest manifest = make_manifest(push_blob("a", "c"));
    storage->put_manifest("a", manifest, {});
    storage->put_tag("a", "latest", manifest.digest);
    // As a kill -9 in the middle of a removal leaves it.
    sys::unlink(root + "/docker/registry/v2/repositories/a/_manifests/revisions/sha256/" +
                std::string(manifest.digest.hex()) + "/link");
    collect();
    EXPECT_TRUE(storage->list_tags("a").empty());
}

TEST_F(CollectorTest, PushesGoOnMeanwhile) {
    std::atomic<bool> stop = false;
    std::thread collecting([&] {
        while (!stop) collect(60'000'000'000);
    });
    for (int i = 0; i < 100; i++) {
        const ContentDigest config = push_blob("a", "config " + std::to_string(i % 7));
        const Storage::Manifest manifest = make_manifest(config);
        const auto shared = storage->structure().share();
        ASSERT_TRUE(storage->has_blob("a", config)) << i;
        storage->put_manifest("a", manifest, {});
        ASSERT_TRUE(storage->has_manifest("a", manifest.digest));
    }
    stop = true;
    collecting.join();
    for (const ContentDigest& digest : storage->list_manifests("a")) {
        const auto manifest = storage->find_manifest("a", digest);
        ASSERT_TRUE(manifest);
        for (const auto& reference : parse_manifest_facts(manifest->text, "").references)
            EXPECT_TRUE(storage->has_blob("a", reference.digest));
    }
}

TEST_F(CollectorTest, QuotasCountBlobsAndManifests) {
    Quotas quotas(*storage, {{"small/*", 10}, {"**", 1000}});
    quotas.take("small/a", 4);
    quotas.take("small/a", 6);
    EXPECT_THROW(quotas.check("small/a", 1), Refusal);
    EXPECT_NO_THROW(quotas.check("big", 1000));
    EXPECT_THROW(quotas.check("big", 1001), Refusal);
    quotas.forget("small/a");
    push_blob("small/a", "12345678");
    EXPECT_THROW(quotas.check("small/a", 3), Refusal);
    EXPECT_NO_THROW(quotas.check("small/a", 2));
    EXPECT_THROW(quotas.check("small/a", UINT64_MAX), Refusal);
}

}  // namespace hull::registry
