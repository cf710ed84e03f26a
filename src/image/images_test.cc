#include "image/images.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "store/testing.hh"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

namespace hull::image {
namespace {

using store::testing::digest_of;
using store::testing::make_tar;

/// An image as an archive for the stand-in below: a tar of staged files and messages.
struct TestImage {
    std::string config, id, manifest, manifest_digest, layer, diff_id;

    explicit TestImage(const std::string& content, const json::Object& block = {},
                       const std::string& created = "2024-05-01T10:00:00Z") {
        layer = make_tar({{"file", content}});
        diff_id = digest_of(layer);
        config = json::dump(json::Object{
            {"architecture", "amd64"},
            {"os", "linux"},
            {"created", created},
            {"config", block},
            {"rootfs", json::Object{{"type", "layers"}, {"diff_ids", std::vector{diff_id}}}},
            {"history", json::Array{json::Object{{"created", created}, {"created_by", "ADD file"}},
                                    json::Object{{"created_by", "CMD sh"}, {"empty_layer", true}}}},
        });
        id = digest_of(config);
        manifest = json::dump(json::Object{
            {"schemaVersion", 2},
            {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
            {"config", json::Object{{"mediaType", "application/vnd.oci.image.config.v1+json"},
                                    {"digest", id},
                                    {"size", config.size()}}},
            {"layers",
             json::Array{json::Object{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                      {"digest", diff_id},
                                      {"size", layer.size()}}}},
        });
        manifest_digest = digest_of(manifest);
    }

    std::string short_id() const { return id.substr(7, 12); }

    std::string archive(const std::vector<std::string>& tags, bool done = true) const {
        std::string messages;
        const auto say = [&messages](json::Value message) {
            messages += json::dump(message) + "\n";
        };
        const auto say_blob =
            [&](const std::string& digest, const std::string& bytes, const char* file) {
            say(json::Object{
                {"blob",
                 json::Object{{"digest", digest}, {"size", bytes.size()}, {"file", file}}}});
        };
        say_blob(id, config, "config");
        say_blob(manifest_digest, manifest, "manifest");
        say_blob(diff_id, layer, "layer");
        say(json::Object{{"progress", "unpacking"}});
        say(json::Object{
            {"layer", json::Object{{"diffID", diff_id},
                                   {"blob", diff_id},
                                   {"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                   {"size", layer.size()},
                                   {"file", "layer.erofs"},
                                   {"contentSize", 100}}}});
        say(json::Object{
            {"image",
             json::Object{{"config", id}, {"manifest", manifest_digest}, {"tags", tags}}}});
        if (done) say(json::Object{{"done", true}});
        const store::testing::Scratch scratch;
        const Path erofs = join(scratch.path(), "erofs");
        store::testing::write_erofs(erofs, layer);
        return make_tar({{"config", config},
                         {"manifest", manifest},
                         {"layer", layer},
                         {"layer.erofs", read_file(erofs)},
                         {"messages", messages}});
    }
};

/// Stands in for hull-transfer: unpacks its input as it is and repeats the messages in it.
constexpr std::string_view fake_transfer = R"(#!/bin/sh
case "$1" in
  save) cat "$3/request.json" && echo '{"done":true}' >&3 ;;
  *) tar -x -C "$3" || { echo '{"error":{"kind":"invalid_argument","message":"unexpected EOF"}}' >&3; exit 1; }
     cat "$3/messages" >&3 ;;
esac
)";

class ImagesTest : public ::testing::Test {
protected:
    ImagesTest() {
        program_ = join(scratch_.path(), "transfer");
        write_file(program_, fake_transfer, 0755);
        open();
    }

    void open() {
        images_.reset();
        store_.reset();
        database_.reset();
        sys::mkdir(root(), 0711);
        database_ = std::make_unique<db::Database>(join(root(), "hull.db"));
        store_ = std::make_unique<store::Store>(root(), *database_, store::Store::Snapshots::erofs);
        images_ =
            std::make_unique<Images>(*store_, *database_, ImagesOptions{program_, ::geteuid()});
        images_->set_container_uses([this] { return uses_; });
        images_->set_event_sink([this](std::string_view action, const std::string& id,
                                       const std::map<std::string, std::string>& attributes) {
            if (action == "prune")
                events_.push_back("prune " + attributes.at("reclaimed"));
            else
                events_.push_back(std::string(action) + " " + id.substr(7, 12) + " " +
                                  attributes.at("name"));
        });
    }

    Path root() const { return join(scratch_.path(), "data"); }

    std::vector<std::string> load_bytes(const std::string& bytes, StopEvent* stop = nullptr) {
        const Path file = join(scratch_.path(), "archive");
        write_file(file, bytes);
        const Fd input = sys::open(file, O_RDONLY);
        return images_->load(
            input.get(), [this](std::string_view line) { progress_.emplace_back(line); }, stop);
    }

    std::vector<std::string> load(const TestImage& image, const std::vector<std::string>& tags) {
        return load_bytes(image.archive(tags));
    }

    std::vector<std::string> remove(std::string_view name, RemoveOptions options = {}) {
        std::vector<std::string> lines;
        for (const Removed& row : images_->remove(name, options))
            lines.push_back(row.deleted.empty() ? "Untagged: " + row.untagged
                                                : "Deleted: " + row.deleted);
        return lines;
    }

    std::string refusal(const std::function<void()>& body) {
        try {
            body();
        } catch (const Error& error) {
            kind_ = error.kind();
            return error.message();
        }
        return "no error";
    }

    std::size_t count_files() const {
        std::size_t count = 0;
        for (const char* directory : {"blobs/sha256", "layers", "staging"})
            count += sys::list_directory(join(root(), directory)).size();
        return count;
    }

    static ContainerUse use(const TestImage& image, bool running) {
        return {
            "c0ffee000000" + std::string(52, '0'), image.id, "busybox", running, {image.diff_id}};
    }

    store::testing::Scratch scratch_;
    Path program_;
    std::unique_ptr<db::Database> database_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<Images> images_;
    std::vector<ContainerUse> uses_;
    std::vector<std::string> events_, progress_;
    ErrorKind kind_ = ErrorKind::internal;
};

TEST_F(ImagesTest, ALoadedImageIsThereAlsoAfterReopening) {
    const TestImage image("one", {{"Cmd", std::vector<std::string>{"sh"}}});
    EXPECT_EQ(load(image, {"docker.io/library/busybox:latest", "localhost:5000/me/app:1"}),
              (std::vector<std::string>{"Loaded image: busybox:latest",
                                        "Loaded image: localhost:5000/me/app:1"}));
    EXPECT_EQ(progress_, std::vector<std::string>{"unpacking"});
    for (int round = 0; round < 2; ++round) {
        const ImagePointer found = images_->get_image("busybox");
        EXPECT_EQ(found->id, image.id);
        EXPECT_EQ(found->manifest_digest, image.manifest_digest);
        EXPECT_EQ(found->repo_tags,
                  (std::vector<std::string>{"busybox:latest", "localhost:5000/me/app:1"}));
        EXPECT_EQ(found->diff_ids, std::vector{image.diff_id});
        EXPECT_EQ(found->size_bytes, 100U);
        EXPECT_EQ(found->config.config.cmd, std::vector<std::string>{"sh"});
        EXPECT_GT(found->last_tagged_ns, 0);
        EXPECT_EQ(images_->list().size(), 1U);
        open();
    }
    EXPECT_EQ(events_, std::vector<std::string>{"load " + image.short_id() + " " + image.id});
}

TEST_F(ImagesTest, AnArchiveWithoutTagsGivesADanglingImage) {
    const TestImage image("one");
    EXPECT_EQ(load(image, {}), std::vector<std::string>{"Loaded image ID: " + image.id});
    EXPECT_TRUE(images_->get_image(image.id)->repo_tags.empty());
}

TEST_F(ImagesTest, ALoadedTagMovesAndTheOldImageStaysWithoutAName) {
    const TestImage before("one"), after("two");
    load(before, {"docker.io/library/busybox:latest"});
    EXPECT_EQ(load(after, {"docker.io/library/busybox:latest"}),
              (std::vector<std::string>{"The image busybox:latest already exists, renaming the old "
                                        "one with ID " +
                                            before.id + " to empty string",
                                        "Loaded image: busybox:latest"}));
    EXPECT_EQ(images_->get_image("busybox")->id, after.id);
    EXPECT_TRUE(images_->get_image(before.id)->repo_tags.empty());
}

TEST_F(ImagesTest, LoadingTheSameAgainChangesNothing) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    const auto files = count_files();
    EXPECT_EQ(load(image, {"docker.io/library/busybox:latest"}),
              std::vector<std::string>{"Loaded image: busybox:latest"});
    EXPECT_EQ(count_files(), files);
    EXPECT_EQ(images_->list().size(), 1U);
}

TEST_F(ImagesTest, NamesAreResolvedAsDockerDoes) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest", "docker.io/me/app:1"});
    const std::string hex = image.id.substr(7);
    for (const std::string& name :
         {std::string("busybox"), std::string("busybox:latest"), std::string("library/busybox"),
          std::string("docker.io/library/busybox"), std::string("me/app:1"), image.id, hex,
          hex.substr(0, 12), hex.substr(0, 1), "sha256:" + hex.substr(0, 5),
          "busybox@" + image.manifest_digest, "busybox:whatever@" + image.manifest_digest}) {
        SCOPED_TRACE(name);
        const ImagePointer found = images_->find_image(name);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->id, image.id);
    }
    for (const std::string& name :
         {std::string("me/app"), std::string("alpine"), "me/other@" + image.manifest_digest,
          "busybox@" + image.id, "sha256:" + std::string(64, '0'), std::string(64, '0')}) {
        SCOPED_TRACE(name);
        EXPECT_FALSE(images_->find_image(name));
    }
    EXPECT_EQ(refusal([&] { images_->get_image("nope"); }), "No such image: nope:latest");
    EXPECT_EQ(kind_, ErrorKind::not_found);
    refusal([&] { images_->get_image("Not/Valid"); });
    EXPECT_EQ(kind_, ErrorKind::invalid_argument);
}

TEST_F(ImagesTest, AnIdPrefixOfTwoImagesIsAmbiguousAndATagOfThatNameWins) {
    const TestImage first("one");
    load(first, {});
    std::optional<TestImage> second;
    for (int i = 0; !second || second->id[7] != first.id[7]; ++i)
        second.emplace("other " + std::to_string(i));
    load(*second, {});
    const std::string prefix = first.id.substr(7, 1);
    refusal([&] { images_->get_image(prefix); });
    EXPECT_EQ(kind_, ErrorKind::invalid_argument);
    images_->tag(second->id, prefix, "");
    EXPECT_EQ(images_->get_image(prefix)->id, second->id);
}

TEST_F(ImagesTest, TaggingMovesNamesAndRefusesBadOnes) {
    const TestImage one("one"), two("two");
    load(one, {"docker.io/library/one:latest"});
    load(two, {"docker.io/library/two:latest"});
    events_.clear();
    images_->tag("one", "me/app", "v1");
    EXPECT_EQ(images_->get_image("me/app:v1")->id, one.id);
    images_->tag("two", "me/app", "v1");
    EXPECT_EQ(images_->get_image("me/app:v1")->id, two.id);
    EXPECT_EQ(images_->get_image("one")->repo_tags, std::vector<std::string>{"one:latest"});
    EXPECT_EQ(events_, (std::vector<std::string>{"tag " + one.short_id() + " me/app:v1",
                                                 "tag " + two.short_id() + " me/app:v1"}));
    EXPECT_EQ(refusal([&] { images_->tag("nope", "x", ""); }), "No such image: nope:latest");
    for (const auto& [repository, tag] : std::vector<std::pair<std::string, std::string>>{
             {"UPPER", ""}, {"x", "bad tag"}, {"sha256", "x"}, {"x@" + one.id, ""}}) {
        SCOPED_TRACE(repository);
        refusal([&, r = repository, t = tag] { images_->tag("one", r, t); });
        EXPECT_EQ(kind_, ErrorKind::invalid_argument);
    }
}

TEST_F(ImagesTest, HistoryIsNewestFirstAndOnlyLayersHaveASize) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    const auto history = images_->history("busybox");
    ASSERT_EQ(history.size(), 2U);
    EXPECT_EQ(history[0].id, image.id);
    EXPECT_EQ(history[0].created_by, "CMD sh");
    EXPECT_EQ(history[0].size_bytes, 0U);
    EXPECT_EQ(history[0].tags, std::vector<std::string>{"busybox:latest"});
    EXPECT_EQ(history[1].id, "<missing>");
    EXPECT_EQ(history[1].size_bytes, 100U);
}

TEST_F(ImagesTest, RemovingTheLastTagDeletesTheImageAndItsContent) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest", "docker.io/me/app:1"});
    events_.clear();
    EXPECT_EQ(remove("me/app:1"), std::vector<std::string>{"Untagged: me/app:1"});
    EXPECT_EQ(remove("busybox"),
              (std::vector<std::string>{"Untagged: busybox:latest", "Deleted: " + image.id,
                                        "Deleted: " + image.diff_id}));
    EXPECT_EQ(count_files(), 0U);
    EXPECT_EQ(events_, (std::vector<std::string>{"untag " + image.short_id() + " " + image.id,
                                                 "untag " + image.short_id() + " " + image.id,
                                                 "delete " + image.short_id() + " " + image.id}));
    EXPECT_EQ(refusal([&] { remove("busybox"); }), "No such image: busybox:latest");
}

TEST_F(ImagesTest, RemovingByIdIsRefusedWhenSeveralRepositoriesNameIt) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest", "docker.io/me/app:1"});
    EXPECT_EQ(refusal([&] { remove(image.id); }),
              "conflict: unable to delete " + image.short_id() +
                  " (must be forced) - image is referenced in multiple repositories");
    EXPECT_EQ(kind_, ErrorKind::conflict);
    EXPECT_EQ(remove(image.short_id(), {.force = true}),
              (std::vector<std::string>{"Untagged: busybox:latest", "Untagged: me/app:1",
                                        "Deleted: " + image.id, "Deleted: " + image.diff_id}));
}

TEST_F(ImagesTest, RemovingByIdTakesItsOnlyTagAlong) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    EXPECT_EQ(remove(image.short_id()),
              (std::vector<std::string>{"Untagged: busybox:latest", "Deleted: " + image.id,
                                        "Deleted: " + image.diff_id}));
}

TEST_F(ImagesTest, AnImageOfAStoppedContainerIsRemovedOnlyByForceAndItsLayersStay) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    uses_ = {use(image, false)};
    EXPECT_EQ(
        refusal([&] { remove("busybox"); }),
        "conflict: unable to remove repository reference \"busybox\" (must force) - container "
        "c0ffee000000 is using its referenced image " +
            image.short_id());
    EXPECT_EQ(refusal([&] { remove(image.id); }),
              "conflict: unable to delete " + image.short_id() +
                  " (must be forced) - image is being used by stopped container c0ffee000000");
    EXPECT_EQ(remove("busybox", {.force = true}),
              (std::vector<std::string>{"Untagged: busybox:latest", "Deleted: " + image.id}));
    EXPECT_TRUE(store_->find_layer(image.diff_id));
    uses_.clear();
    images_->collect_garbage();
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImagesTest, AnImageOfARunningContainerIsOnlyUntagged) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    uses_ = {use(image, true)};
    for (const bool force : {false, true})
        EXPECT_EQ(refusal([&] { remove(image.id, {.force = force}); }),
                  "conflict: unable to delete " + image.short_id() +
                      " (cannot be forced) - image is being used by running container "
                      "c0ffee000000");
    EXPECT_EQ(remove("busybox", {.force = true}),
              std::vector<std::string>{"Untagged: busybox:latest"});
    EXPECT_TRUE(images_->find_image(image.id));
}

TEST_F(ImagesTest, ARefusedRemovalChangesNothing) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    uses_ = {use(image, true)};
    refusal([&] { remove(image.id); });
    EXPECT_EQ(images_->get_image("busybox")->id, image.id);
    open();
    EXPECT_EQ(images_->get_image("busybox")->id, image.id);
}

TEST_F(ImagesTest, SharedLayersStayAndCountAsShared) {
    const TestImage one("same"), two("same", {{"User", "me"}});
    load(one, {"docker.io/library/one:latest"});
    load(two, {"docker.io/library/two:latest"});
    for (const ImageUsage& usage : images_->disk_usage()) EXPECT_EQ(usage.shared_bytes, 100U);
    EXPECT_EQ(remove("one"),
              (std::vector<std::string>{"Untagged: one:latest", "Deleted: " + one.id}));
    EXPECT_TRUE(store_->find_layer(two.diff_id));
    EXPECT_EQ(images_->disk_usage().at(0).shared_bytes, 0U);
}

TEST_F(ImagesTest, PruneTakesDanglingOnesOrAllThatNobodyUses) {
    const TestImage dangling("dangling"), used("used"), tagged("tagged"),
        labelled("labelled", {{"Labels", json::Object{{"keep", "yes"}}}});
    load(dangling, {});
    load(used, {"docker.io/library/used:1", "docker.io/library/used:2"});
    load(tagged, {"docker.io/library/tagged:latest"});
    load(labelled, {"docker.io/library/labelled:latest"});
    uses_ = {use(used, false)};

    PruneReport report = images_->prune({});
    ASSERT_EQ(report.removed.size(), 2U);
    EXPECT_EQ(report.removed[0].deleted, dangling.id);
    EXPECT_GT(report.freed_bytes, 0U);
    EXPECT_EQ(events_.back(), "prune " + std::to_string(report.freed_bytes));

    PruneOptions old;
    old.dangling_only = false;
    old.until_ns = 1;
    EXPECT_TRUE(images_->prune(old).removed.empty());

    PruneOptions all;
    all.dangling_only = false;
    all.labels = {{"keep=yes", true}};
    report = images_->prune(all);
    EXPECT_EQ(report.removed.at(0).untagged, "tagged:latest");
    EXPECT_FALSE(images_->find_image("tagged"));
    EXPECT_TRUE(images_->find_image("used:1"));
    EXPECT_TRUE(images_->find_image("used:2"));
    EXPECT_TRUE(images_->find_image("labelled"));

    all.labels = {{"keep", false}};
    images_->prune(all);
    EXPECT_FALSE(images_->find_image("labelled"));
}

TEST_F(ImagesTest, AFailedLoadLeavesNothingBehind) {
    const TestImage image("one");
    const std::string whole = image.archive({"docker.io/library/busybox:latest"});
    EXPECT_EQ(refusal([&] { load_bytes("garbage"); }), "unexpected EOF");
    EXPECT_EQ(kind_, ErrorKind::invalid_argument);
    refusal([&] { load_bytes(whole.substr(0, whole.size() / 2)); });
    refusal([&] { load_bytes(image.archive({"docker.io/library/busybox:latest"}, false)); });
    EXPECT_EQ(kind_, ErrorKind::internal);
    refusal([&] { load_bytes(image.archive({"BAD NAME"})); });
    EXPECT_EQ(kind_, ErrorKind::invalid_argument);
    EXPECT_TRUE(images_->list().empty());
    EXPECT_EQ(count_files(), 0U);
    EXPECT_TRUE(events_.empty());
}

TEST_F(ImagesTest, AnImageWhosePartsDoNotFitIsRefusedAndLeavesNothing) {
    TestImage image("one");
    const TestImage other("two");
    image.config = other.config;  // well-formed, but the manifest names another one
    image.id = other.id;
    refusal([&] { load(image, {"docker.io/library/busybox:latest"}); });
    EXPECT_EQ(kind_, ErrorKind::data_loss);
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImagesTest, AClientThatGoesAwayEndsTheLoad) {
    const sys::Pipe pipe = sys::pipe();  // never written, never closed
    StopEvent stop;
    stop.request();
    refusal([&] { images_->load(pipe.read_end.get(), nullptr, &stop); });
    EXPECT_EQ(kind_, ErrorKind::cancelled);
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImagesTest, ALeasedImageKeepsItsLayersUntilTheContainerIsKnown) {
    const TestImage image("one");
    load(image, {"docker.io/library/busybox:latest"});
    const ImagePointer found = images_->get_image("busybox");
    {
        const store::Lease lease = images_->lease_image(*found);
        remove("busybox");
        EXPECT_TRUE(store_->find_layer(image.diff_id));
    }
    EXPECT_THROW(images_->lease_image(*found), Error);
}

TEST_F(ImagesTest, SaveHandsOverEveryBlobOfTheNamedImages) {
    const TestImage one("one"), two("two");
    load(one, {"docker.io/library/app:1", "docker.io/library/app:2"});
    load(two, {"docker.io/library/two:latest"});
    const Path file = join(scratch_.path(), "out");
    const auto save = [&](const std::vector<std::string>& names) {
        const Fd out = sys::open(file, O_RDWR | O_CREAT | O_TRUNC, 0644);
        images_->save(names, out.get());
        return json::parse(read_file(file));
    };
    json::Value request = save({"app", "two"});  // a bare repository is all of its tags
    ASSERT_EQ(request["images"].as_array().size(), 2U);
    EXPECT_EQ(request["images"].as_array()[0]["tags"].as_strings(),
              (std::vector<std::string>{"docker.io/library/app:1", "docker.io/library/app:2"}));
    EXPECT_EQ(request["images"].as_array()[0]["manifest"].as_string(), one.manifest_digest);
    EXPECT_EQ(request["blobs"].as_array().size(), 6U);
    request = save({two.short_id()});
    EXPECT_TRUE(request["images"].as_array()[0]["tags"].as_strings().empty());
    EXPECT_EQ(refusal([&] { save({"two", "nope"}); }), "No such image: nope");
}

TEST_F(ImagesTest, KillNineBetweenLoadsLosesNoAcknowledgedName) {
    std::vector<TestImage> samples;
    std::vector<std::string> archives;
    for (int i = 0; i < 4; ++i) {
        samples.emplace_back("sample " + std::to_string(i));
        archives.push_back(
            samples.back().archive({"docker.io/library/sample:" + std::to_string(i)}));
    }
    for (std::size_t round = 0; round < samples.size(); ++round) {
        sys::Pipe pipe = sys::pipe();
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            open();
            load_bytes(archives[round]);
            if (::write(pipe.write_end.get(), "x", 1) != 1) ::_exit(1);
            load_bytes(archives[(round + 1) % samples.size()]);  // dies in the middle of this
            ::pause();
        }
        pipe.write_end.reset();
        std::byte byte[1];
        ASSERT_EQ(sys::read(pipe.read_end.get(), byte), 1U);
        ::usleep(static_cast<useconds_t>(1500 * round));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        open();
        for (std::size_t i = 0; i <= round; ++i) {
            const ImagePointer found = images_->find_image("sample:" + std::to_string(i));
            ASSERT_TRUE(found) << i;
            EXPECT_EQ(found->id, samples[i].id);
        }
        images_->collect_garbage();
        // The killed daemon's transfer may still be writing: it ends at its next message.
        for (int tries = 0; tries < 100 && count_files() != 4 * images_->list().size(); ++tries) {
            ::usleep(20'000);
            open();
            images_->collect_garbage();
        }
        EXPECT_EQ(count_files(), 4 * images_->list().size()) << "no part of the unfinished load";
    }
}

}  // namespace
}  // namespace hull::image
