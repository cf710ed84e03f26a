#include "store/store.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "store/testing.hh"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace hull::store {
namespace {

using testing::digest_of;
using testing::make_tar;

/// One image as a transfer would stage it.
struct StagedImage {
    std::string manifest, config, tar;
    std::string manifest_digest, config_digest, diff_id;

    explicit StagedImage(const std::string& content) {
        tar = make_tar({{"file", content}});
        diff_id = digest_of(tar);
        config = json::dump(json::Object{
            {"architecture", "amd64"},
            {"os", "linux"},
            {"rootfs", json::Object{{"type", "layers"}, {"diff_ids", std::vector{diff_id}}}},
        });
        config_digest = digest_of(config);
        manifest = json::dump(json::Object{
            {"schemaVersion", 2},
            {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
            {"config", json::Object{{"mediaType", "application/vnd.oci.image.config.v1+json"},
                                    {"digest", config_digest},
                                    {"size", config.size()}}},
            {"layers",
             json::Array{json::Object{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                      {"digest", diff_id},
                                      {"size", tar.size()}}}},
        });
        manifest_digest = digest_of(manifest);
    }

    StagedContent stage(const StagingDirectory& staging) const {
        const auto place = [&](const std::string& name, const std::string& bytes) {
            write_file(join(staging.path(), name), bytes);
        };
        place("blob-1", config);
        place("blob-2", manifest);
        place("blob-3", tar);
        testing::write_erofs(join(staging.path(), "layer-1.erofs"), tar);
        return {
            .blobs = {{config_digest, "application/vnd.oci.image.config.v1+json", "blob-1",
                       config.size(), true},
                      {manifest_digest, "application/vnd.oci.image.manifest.v1+json", "blob-2",
                       manifest.size(), true},
                      {diff_id, "application/vnd.oci.image.layer.v1.tar", "blob-3", tar.size(),
                       false}},
            .layers = {{diff_id, "layer-1.erofs", 7}},
        };
    }
};

class StoreTest : public ::testing::Test {
protected:
    StoreTest() { open(); }

    void open() {
        store_.reset();
        database_.reset();
        sys::mkdir(root(), 0711);
        database_ = std::make_unique<db::Database>(join(root(), "hull.db"));
        store_ = std::make_unique<Store>(root(), *database_, Store::Snapshots::erofs);
    }

    Path root() const { return join(scratch_.path(), "data"); }

    Lease adopt(const StagedImage& image) {
        Lease lease = store_->make_lease();
        const StagingDirectory staging = store_->make_staging(::geteuid());
        store_->adopt(staging, image.stage(staging), lease);
        return lease;
    }

    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const char* directory : {"blobs/sha256", "layers", "staging"})
            for (const std::string& name : sys::list_directory(join(root(), directory)))
                names.push_back(std::string(directory) + "/" + name);
        return names;
    }

    static std::function<Roots()> roots(const std::set<std::string, std::less<>>& manifests) {
        return [manifests] { return Roots{manifests, {}, {}}; };
    }

    testing::Scratch scratch_;
    std::unique_ptr<db::Database> database_;
    std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, AdoptedContentIsThereAfterReopening) {
    const StagedImage image("one");
    adopt(image);
    open();
    EXPECT_EQ(store_->read_blob(image.manifest_digest), image.manifest);
    EXPECT_EQ(store_->find_blob(image.config_digest)->size, image.config.size());
    EXPECT_EQ(store_->find_layer(image.diff_id)->content_bytes, 7U);
    const std::vector diff_ids{image.diff_id};
    EXPECT_EQ(store_->prepare_rootfs(diff_ids, "/u", "/w").lowers.at(0).path,
              join(root(), "layers/" + image.diff_id.substr(7) + ".erofs"));
}

TEST_F(StoreTest, AManifestWithOtherBytesThanItsDigestIsRefusedAndNothingStays) {
    const StagedImage image("one");
    Lease lease = store_->make_lease();
    {
        const StagingDirectory staging = store_->make_staging(::geteuid());
        const StagedContent content = image.stage(staging);
        std::string wrong = image.manifest;
        wrong.back() = ' ';
        write_file(join(staging.path(), "blob-2"), wrong);
        EXPECT_THROW(store_->adopt(staging, content, lease), Error);
    }
    EXPECT_TRUE(files().empty());
}

TEST_F(StoreTest, StagedSymlinksHardLinksAndOutsideNamesAreRefused) {
    const StagedImage image("one");
    Lease lease = store_->make_lease();
    write_file(join(scratch_.path(), "secret"), image.config);
    const auto refuse = [&](const char* what, const std::string& name, auto prepare) {
        SCOPED_TRACE(what);
        const StagingDirectory staging = store_->make_staging(::geteuid());
        prepare(staging.path());
        StagedContent content;
        content.blobs.push_back({image.config_digest, "", name, image.config.size(), true});
        EXPECT_THROW(store_->adopt(staging, content, lease), Error);
    };
    refuse("symlink", "blob", [&](const Path& staging) {
        sys::symlink(join(scratch_.path(), "secret"), join(staging, "blob"));
    });
    refuse("hard link", "blob", [&](const Path& staging) {
        ASSERT_EQ(::link(join(scratch_.path(), "secret").c_str(), join(staging, "blob").c_str()),
                  0);
    });
    refuse("outside", "../../../secret", [](const Path&) {});
    EXPECT_EQ(read_file(join(scratch_.path(), "secret")), image.config);
    EXPECT_TRUE(files().empty());
}

TEST_F(StoreTest, GarbageCollectionKeepsWhatManifestsReach) {
    const StagedImage kept("kept"), lost("lost");
    adopt(kept);
    adopt(lost);
    const GarbageReport report = store_->garbage_collect(roots({kept.manifest_digest}));
    EXPECT_EQ(report.blobs.size(), 3U);
    EXPECT_EQ(report.layers, std::vector{lost.diff_id});
    EXPECT_GT(report.freed_bytes, 0U);
    EXPECT_TRUE(store_->find_blob(kept.diff_id));
    EXPECT_TRUE(store_->find_layer(kept.diff_id));
    EXPECT_FALSE(store_->find_blob(lost.config_digest));
    EXPECT_EQ(files().size(), 4U);
    open();
    EXPECT_EQ(store_->list_blobs().size(), 3U);
}

TEST_F(StoreTest, ALeaseKeepsContentUntilItGoes) {
    const StagedImage image("leased");
    {
        const Lease lease = adopt(image);
        EXPECT_TRUE(store_->garbage_collect(roots({})).blobs.empty());
        EXPECT_TRUE(store_->find_layer(image.diff_id));
    }
    store_->garbage_collect(roots({}));
    EXPECT_FALSE(store_->find_layer(image.diff_id));
    EXPECT_TRUE(files().empty());
}

TEST_F(StoreTest, LayersOfAContainerStayWithoutTheirImage) {
    const StagedImage image("used");
    adopt(image);
    store_->garbage_collect([&] { return Roots{{}, {}, {image.diff_id}}; });
    EXPECT_TRUE(store_->find_layer(image.diff_id));
    EXPECT_FALSE(store_->find_blob(image.manifest_digest));
}

TEST_F(StoreTest, ARootThatCannotBeReadStopsTheCollection) {
    const StagedImage image("one");
    adopt(image);
    Lease lease = store_->make_lease();
    const std::string odd = store_->put_blob("{}", "", lease);
    EXPECT_THROW(store_->garbage_collect(roots({odd})), Error);
    EXPECT_TRUE(store_->find_layer(image.diff_id)) << "in doubt nothing is removed";
}

TEST_F(StoreTest, ALayerThatComesTwiceIsOneLowerAndNoLayersAreAnEmptyRoot) {
    const StagedImage one("one"), two("two");
    const Lease first = adopt(one), second = adopt(two);
    const std::vector diff_ids{one.diff_id, two.diff_id, one.diff_id};
    const auto plan = store_->prepare_rootfs(diff_ids, "", "");
    ASSERT_EQ(plan.lowers.size(), 2U);
    EXPECT_NE(plan.lowers[0].path.find(one.diff_id.substr(7)), std::string::npos);
    EXPECT_EQ(store_->prepare_rootfs({}, "", "").lowers.size(), 1U);
    const std::vector missing{"sha256:" + std::string(64, '0')};
    EXPECT_THROW(store_->prepare_rootfs(missing, "", ""), Error);
}

TEST_F(StoreTest, StartUpRemovesLeftoversAndForgetsRowsWithoutAFile) {
    const StagedImage kept("kept"), damaged("damaged");
    adopt(kept);
    adopt(damaged);
    write_file(join(root(), "blobs/sha256/" + std::string(64, 'f')), "nobody knows me");
    write_file(join(root(), "layers/" + std::string(64, 'f') + ".erofs"), "nor me");
    sys::mkdir(join(root(), "staging/old"), 0700);
    sys::unlink(join(root(), "layers/" + damaged.diff_id.substr(7) + ".erofs"));
    ASSERT_EQ(
        ::truncate(join(root(), "blobs/sha256/" + damaged.config_digest.substr(7)).c_str(), 3), 0);
    open();
    EXPECT_TRUE(store_->find_layer(kept.diff_id));
    EXPECT_FALSE(store_->find_layer(damaged.diff_id));
    EXPECT_FALSE(store_->find_blob(damaged.config_digest));
    EXPECT_EQ(files().size(), 4U + 2U) << "kept: 3 blobs, 1 layer; damaged: 2 blobs";
}

TEST_F(StoreTest, DamagedBytesOfADocumentAreNoticedWhenTheyAreRead) {
    const StagedImage image("one");
    adopt(image);
    write_file(join(root(), "blobs/sha256/" + image.config_digest.substr(7)),
               std::string(image.config.size(), 'x'));
    EXPECT_THROW(store_->read_blob(image.config_digest), Error);
}

TEST_F(StoreTest, ASnapshotterIsNotChangedUnderItsLayers) {
    adopt(StagedImage("one"));
    store_.reset();
    EXPECT_THROW(Store(root(), *database_, Store::Snapshots::directory), Error);
    EXPECT_EQ(Store(root(), *database_).snapshotter_name(), "erofs");
}

TEST_F(StoreTest, AFullDiskFailsTheAdoptionAndLeavesTheStoreAsItWas) {
    const Path small = join(scratch_.path(), "data");
    store_.reset();
    database_.reset();
    if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=2m") != 0) GTEST_SKIP() << "no root";
    struct Unmount {
        std::function<void()> close;
        Path path;
        ~Unmount() {
            close();
            ::umount2(path.c_str(), MNT_DETACH);
        }
    } const unmount{[this] {
        store_.reset();
        database_.reset();
                    },
                    small};
    open();
    const StagedImage first("first");
    const Lease lease = adopt(first);
    const auto before = files();
    EXPECT_THROW(adopt(StagedImage(std::string(4 << 20, 'x'))), Error);
    EXPECT_EQ(files(), before);
    adopt(StagedImage("second"));
}

TEST_F(StoreTest, AdoptingAndCollectingAtTheSameTimeLosesNothing) {
    std::atomic<bool> stop = false;
    std::thread collector([&] {
        while (!stop) store_->garbage_collect(roots({}));
    });
    for (int i = 0; i < 60; ++i) {
        const StagedImage image("round " + std::to_string(i % 3));
        const Lease lease = adopt(image);
        EXPECT_EQ(store_->read_blob(image.config_digest), image.config);
        EXPECT_TRUE(store_->find_layer(image.diff_id));
        EXPECT_TRUE(sys::find_stat(join(root(), "layers/" + image.diff_id.substr(7) + ".erofs")));
    }
    stop = true;
    collector.join();
    store_->garbage_collect(roots({}));
    EXPECT_TRUE(files().empty());
}

TEST_F(StoreTest, KillNineAtAnyMomentLosesNothingAcknowledgedAndLeavesNothingHalf) {
    store_.reset();
    database_.reset();
    std::set<std::string> acknowledged;
    for (int round = 0; round < 12; ++round) {
        sys::Pipe pipe = sys::pipe();
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            open();
            std::vector<Lease> leases;
            for (int i = 0;; ++i) {
                const StagedImage image(std::to_string(round) + "/" + std::to_string(i));
                leases.push_back(adopt(image));
                if (i % 5 == 4) {  // collections die in the middle as well
                    const StagedImage garbage("garbage " + std::to_string(i));
                    adopt(garbage);
                    store_->garbage_collect([&] {
                        Roots roots;
                        for (const Blob& blob : store_->list_blobs())
                            if (blob.media_type.find("manifest") != std::string::npos &&
                                blob.digest != garbage.manifest_digest)
                                roots.manifests.insert(blob.digest);
                        return roots;
                    });
                }
                if (::write(pipe.write_end.get(), image.manifest_digest.data(), 71) != 71)
                    ::_exit(1);
            }
        }
        pipe.write_end.reset();
        std::string told(71, '\0');
        const auto read_one = [&] {
            return sys::read_full(pipe.read_end.get(), std::as_writable_bytes(std::span(told))) ==
                   71;
        };
        // Random moments: after some acknowledgements plus a part of the time of the next one.
        const int target = 2 + (round * 7) % 11;
        for (int i = 0; i < target; ++i) {
            ASSERT_TRUE(read_one());
            acknowledged.insert(told);
        }
        ::usleep(static_cast<useconds_t>(std::stoul(random_hex(2), nullptr, 16) % 3000));
        ::kill(child, SIGKILL);
        while (read_one()) acknowledged.insert(told);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed by itself";

        open();
        database_->check_integrity();
        for (const std::string& manifest : acknowledged) {
            const json::Value document = json::parse(store_->read_blob(manifest));
            const std::string config = document["config"]["digest"].as_string();
            const std::string diff_id = document["layers"].as_array()[0]["digest"].as_string();
            store_->read_blob(config);
            EXPECT_EQ(digest_of(read_file(store_->blob_path(diff_id))), diff_id);
            EXPECT_TRUE(store_->find_layer(diff_id));
        }
        EXPECT_EQ(files().size(), store_->list_blobs().size() + store_->list_layers().size())
            << "every file has a row, every row a file";
        store_.reset();
        database_.reset();
    }
    EXPECT_GT(acknowledged.size(), 30U);
}

}  // namespace
}  // namespace hull::store
