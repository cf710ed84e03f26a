#include "archive/erofs_reader.hh"
#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "image/images.hh"
#include "oci/manifest.hh"
#include "store/testing.hh"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <thread>

// With the real hull-transfer: what skopeo makes goes in, what comes out skopeo reads, and every
// digest stays (R58).
namespace hull::image {
namespace {

using store::testing::digest_of;
using store::testing::make_tar;

constexpr uid_t transfer_uid = 64998;

Path transfer_program() {
    if (const char* directory = ::getenv("HULL_BIN")) return join(directory, "hull-transfer");
    char self[4096] = {};
    if (::readlink("/proc/self/exe", self, sizeof self - 1) < 0) return {};
    std::string path(self);
    for (int i = 0; i < 2; ++i) path.erase(path.rfind('/'));
    return join(path, "bin/hull-transfer");
}

class RealTransfer : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "no root";
        if (!sys::find_stat(transfer_program())) GTEST_SKIP() << "no " << transfer_program();
        open("data");
    }

    void open(const std::string& name) {
        images_.reset();
        store_.reset();
        database_.reset();
        root_ = join(scratch_.path(), name);
        sys::mkdir(root_, 0711);
        database_ = std::make_unique<db::Database>(join(root_, "hull.db"));
        store_ = std::make_unique<store::Store>(root_, *database_);
        images_ = std::make_unique<Images>(*store_, *database_,
                                           ImagesOptions{transfer_program(), transfer_uid});
    }

    Path file(const std::string& name) const { return join(scratch_.path(), name); }

    void shell(const std::string& script) {
        Process process = Process::spawn(
            {.arguments = {"/bin/sh", "-ec", "cd " + scratch_.path() + "; " + script},
             .environment = {},
             .descriptors = {}});
        EXPECT_EQ(process.wait().docker_code(), 0) << script;
    }

    std::vector<std::string> load(const std::string& name) {
        const Fd input = sys::open(file(name), O_RDONLY);
        return images_->load(input.get(), nullptr);
    }

    void save(const std::vector<std::string>& names, const std::string& name) {
        const Fd output = sys::open(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        images_->save(names, output.get());
    }

    /// An OCI layout in `layout/` with one layer for each packer.
    void make_layout(const std::vector<std::string>& packers = {"cat", "gzip -n", "zstd -q"}) {
        sys::mkdir_all(file("layout/blobs/sha256"), 0755);
        const auto put = [&](const std::string& bytes) {
            write_file(file("layout/blobs/sha256/" + sha256_hex(bytes)), bytes);
            return json::Object{{"digest", digest_of(bytes)}, {"size", bytes.size()}};
        };
        json::Array layers;
        std::vector<std::string> diff_ids;
        for (const std::string& packer : packers) {
            const std::string tar =
                make_tar({{"file", packer}, {"dir/" + packer.substr(0, 3), "x"}});
            diff_ids.push_back(digest_of(tar));
            write_file(file("layer"), tar);
            shell(packer + " <layer >packed");
            json::Object layer = put(read_file(file("packed")));
            layer["mediaType"] = std::string(packer[0] == 'c'   ? oci::media_type::oci_layer
                                             : packer[0] == 'g' ? oci::media_type::oci_layer_gzip
                                                                : oci::media_type::oci_layer_zstd);
            layers.push_back(layer);
        }
        json::Object config = put(json::dump(json::Object{
            {"architecture", "amd64"},
            {"os", "linux"},
            {"created", "2024-05-01T10:00:00Z"},
            {"config", json::Object{{"Cmd", json::Array{"sh"}}, {"X-Unknown", "kept"}}},
            {"rootfs", json::Object{{"type", "layers"}, {"diff_ids", diff_ids}}},
        }));
        config["mediaType"] = std::string(oci::media_type::oci_config);
        json::Object manifest = put(json::dump(json::Object{
            {"schemaVersion", 2},
            {"mediaType", std::string(oci::media_type::oci_manifest)},
            {"config", config},
            {"layers", layers},
        }));
        config_ = config["digest"].as_string();
        manifest_ = manifest["digest"].as_string();
        manifest["mediaType"] = std::string(oci::media_type::oci_manifest);
        manifest["annotations"] =
            json::Object{{"org.opencontainers.image.ref.name", "latest"},
                         {"io.containerd.image.name", "docker.io/library/three:latest"}};
        write_file(
            file("layout/index.json"),
            json::dump(json::Object{{"schemaVersion", 2}, {"manifests", json::Array{manifest}}}));
        write_file(file("layout/oci-layout"), R"({"imageLayoutVersion":"1.0.0"})");
        shell("tar -C layout -cf layout.tar .");
    }

    std::size_t count_files() const {
        std::size_t count = 0;
        for (const char* directory : {"blobs/sha256", "layers", "staging"})
            count += sys::list_directory(join(root_, directory)).size();
        return count;
    }

    store::testing::Scratch scratch_;
    Path root_;
    std::string config_, manifest_;
    std::unique_ptr<db::Database> database_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<Images> images_;
};

TEST_F(RealTransfer, AnOciLayoutKeepsEveryDigestThroughLoadAndSave) {
    make_layout();
    EXPECT_EQ(load("layout.tar"), std::vector<std::string>{"Loaded image: three:latest"});
    const ImagePointer image = images_->get_image("three");
    EXPECT_EQ(image->id, config_);
    EXPECT_EQ(image->manifest_digest, manifest_);
    EXPECT_EQ(image->diff_ids.size(), 3U);
    save({"three"}, "out.tar");
    shell("mkdir out && tar -C out -xf out.tar && diff -r layout/blobs out/blobs");

    open("second");
    EXPECT_EQ(load("out.tar"), std::vector<std::string>{"Loaded image: three:latest"});
    EXPECT_EQ(images_->get_image("three")->manifest_digest, manifest_);
    shell("skopeo inspect --config docker-archive:out.tar | grep -q '\"sh\"'");
    shell("skopeo inspect oci-archive:out.tar | grep -q " + manifest_);
}

TEST_F(RealTransfer, ADockerArchiveOfSkopeoKeepsEveryDigest) {
    make_layout({"cat", "gzip -n"});
    shell("skopeo copy -q oci:layout docker-archive:one.tar:me/three:1");
    EXPECT_EQ(load("one.tar"), std::vector<std::string>{"Loaded image: me/three:1"});
    const ImagePointer first = images_->get_image("me/three:1");
    const auto blobs = store_->list_blobs();
    save({"me/three:1"}, "two.tar");
    shell(
        "skopeo inspect --raw docker-archive:one.tar >1; skopeo inspect --raw "
        "docker-archive:two.tar"
        " >2; cmp 1 2");

    open("second");
    load("two.tar");
    const ImagePointer second = images_->get_image("me/three:1");
    EXPECT_EQ(second->id, first->id);
    EXPECT_EQ(second->manifest_digest, first->manifest_digest);
    EXPECT_EQ(second->diff_ids, first->diff_ids);
    const auto again = store_->list_blobs();
    ASSERT_EQ(again.size(), blobs.size());
    for (std::size_t i = 0; i < blobs.size(); ++i) EXPECT_EQ(again[i].digest, blobs[i].digest);
}

TEST_F(RealTransfer, AnImportedTarBecomesAnImageThatSkopeoReads) {
    write_file(file("root.tar"), make_tar({{"bin/sh", "#!"}, {"etc/passwd", "root"}}));
    shell("gzip -kn root.tar");
    for (const char* name : {"root.tar", "root.tar.gz"}) {
        SCOPED_TRACE(name);
        const Fd input = sys::open(file(name), O_RDONLY);
        const std::string id = images_->import_image(
            input.get(), {.reference = "me/base",
                          .message = "note",
                          .changes = json::Object{{"Cmd", json::Array{"/bin/sh"}}},
                          .platform = ""});
        const ImagePointer image = images_->get_image("me/base:latest");
        EXPECT_EQ(image->id, id);
        EXPECT_EQ(image->config.config.cmd, std::vector<std::string>{"/bin/sh"});
        EXPECT_EQ(images_->history(id).at(0).comment, "note");
        EXPECT_GT(image->created_ns, 0);
        EXPECT_EQ(image->size_bytes, 6U);
    }
    save({"me/base"}, "base.tar");
    shell("skopeo inspect docker-archive:base.tar >/dev/null");
}

TEST_F(RealTransfer, BadArchivesAreRefusedAndLeaveNothing) {
    make_layout();
    shell(
        "head -c 2000 layout.tar >short.tar; echo nonsense >nonsense.tar; : >empty.tar;"
        "cp -r layout changed && for blob in changed/blobs/sha256/*; do printf X >>$blob; done;"
        "tar -C changed -cf changed.tar .; tar -C / -cf no-image.tar etc/hostname");
    for (const char* name :
         {"short.tar", "nonsense.tar", "empty.tar", "changed.tar", "no-image.tar"}) {
        SCOPED_TRACE(name);
        EXPECT_THROW(load(name), Error);
        EXPECT_EQ(count_files(), 0U);
        EXPECT_TRUE(images_->list().empty());
    }
}

TEST_F(RealTransfer, AClientThatGoesAwayInTheMiddleLeavesNothing) {
    make_layout();
    const std::string bytes = read_file(file("layout.tar"));
    sys::Pipe pipe = sys::pipe();
    StopEvent stop;
    std::thread client([&] {
        sys::write_all(pipe.write_end.get(), std::string_view(bytes).substr(0, bytes.size() / 2));
        stop.request();
    });
    EXPECT_THROW(images_->load(pipe.read_end.get(), nullptr, &stop), Error);
    client.join();
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(RealTransfer, AFullDiskIsNamedAndTheRestGoesOn) {
    make_layout();
    load("layout.tar");
    const Path small = file("small");
    sys::mkdir(small, 0711);
    ASSERT_EQ(::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=3m,mode=711"), 0);
    struct Unmount {
        std::function<void()> close;
        const Path& path;
        ~Unmount() {
            close();
            ::umount2(path.c_str(), MNT_DETACH);
        }
    } const unmount{[this] { open("data"); }, small};
    open("small");
    load("layout.tar");
    std::string noise;
    while (noise.size() < (6UL << 20)) noise += random_hex(4096);
    write_file(file("big.tar"), make_tar({{"noise", noise}}));
    const Fd input = sys::open(file("big.tar"), O_RDONLY);
    const auto files = count_files();
    try {
        images_->import_image(input.get(),
                              {.reference = "big", .message = "", .changes = {}, .platform = ""});
        FAIL() << "6 MB on 3 MB";
    } catch (const Error& error) {
        EXPECT_NE(error.message().find("no space left"), std::string::npos) << error.message();
        EXPECT_NE(error.message().find("bytes are free"), std::string::npos) << error.message();
    }
    EXPECT_EQ(count_files(), files);
    EXPECT_TRUE(images_->find_image("three"));
    images_->tag("three", "still/works", "");
}

}  // namespace
}  // namespace hull::image
