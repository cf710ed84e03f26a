#include "store/snapshotter.hh"

#include "base/error.hh"
#include "store/testing.hh"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

namespace hull::store {
namespace {

using testing::make_tar;

struct Kind {
    const char* name;
    std::unique_ptr<Snapshotter> (*make)(Path directory);
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

/// What every snapshotter must do, run on each.
class SnapshotterConformance : public ::testing::TestWithParam<Kind> {
protected:
    SnapshotterConformance() { reopen(); }

    void reopen() {
        sys::mkdir(join(scratch_.path(), "layers"), 0700);
        sys::mkdir(join(scratch_.path(), "trash"), 0700);
        snapshotter_ = GetParam().make(join(scratch_.path(), "layers"));
        snapshotter_->recover();
    }

    Path stage(const std::string& tar) {
        const Path path = join(scratch_.path(), "staged-" + random_hex(4));
        testing::write_erofs(path, tar);
        return path;
    }

    std::string commit(const std::vector<testing::File>& files) {
        const std::string tar = make_tar(files);
        EXPECT_TRUE(snapshotter_->commit(testing::digest_of(tar), stage(tar)));
        return testing::digest_of(tar);
    }

    Path trash() const { return join(scratch_.path(), "trash"); }

    testing::Scratch scratch_;
    std::unique_ptr<Snapshotter> snapshotter_;
};

TEST_P(SnapshotterConformance, ACommittedLayerIsListedAndSurvivesReopening) {
    const std::string diff_id = commit({{"a", "alpha"}});
    EXPECT_TRUE(snapshotter_->exists(diff_id));
    EXPECT_EQ(snapshotter_->list(), std::vector{diff_id});
    EXPECT_GT(snapshotter_->disk_bytes(diff_id), 0U);
    reopen();
    EXPECT_EQ(snapshotter_->list(), std::vector{diff_id});
}

TEST_P(SnapshotterConformance, CommitConsumesTheStagedFile) {
    const std::string tar = make_tar({{"a", "alpha"}});
    const Path staged = stage(tar);
    EXPECT_TRUE(snapshotter_->commit(testing::digest_of(tar), staged));
    EXPECT_FALSE(sys::find_stat(staged));
}

TEST_P(SnapshotterConformance, AnExistingLayerIsNeverReplaced) {
    const std::string diff_id = commit({{"a", "alpha"}});
    const auto before = sys::find_stat(snapshotter_->lower(diff_id).path);
    const Path staged = stage(make_tar({{"b", "other content"}}));
    EXPECT_FALSE(snapshotter_->commit(diff_id, staged));
    EXPECT_EQ(sys::find_stat(snapshotter_->lower(diff_id).path)->st_ino, before->st_ino);
    EXPECT_FALSE(sys::find_stat(staged)) << "the unwanted copy must not stay";
}

TEST_P(SnapshotterConformance, ARemovedLayerIsGoneAtOnceAndItsBytesAreInTheTrash) {
    const std::string kept = commit({{"a", "alpha"}});
    const std::string removed = commit({{"b", "beta"}});
    snapshotter_->remove(removed, trash());
    snapshotter_->remove(removed, trash());
    EXPECT_FALSE(snapshotter_->exists(removed));
    EXPECT_EQ(snapshotter_->list(), std::vector{kept});
    EXPECT_EQ(sys::list_directory(trash()).size(), 1U);
}

TEST_P(SnapshotterConformance, RecoveryRemovesWhatIsNoLayer) {
    const std::string diff_id = commit({{"a", "alpha"}});
    const Path directory = join(scratch_.path(), "layers");
    write_file(join(directory, "half.tmp"), "x");
    sys::mkdir(join(directory, "partial-0123"), 0700);
    write_file(join(directory, "partial-0123/file"), "x");
    reopen();
    EXPECT_EQ(snapshotter_->list(), std::vector{diff_id});
    EXPECT_EQ(sys::list_directory(directory).size(), 1U);
}

TEST_P(SnapshotterConformance, ABrokenImageFailsAndLeavesNothing) {
    if (snapshotter_->name() == "erofs") GTEST_SKIP() << "the kernel judges images at mount";
    const Path staged = join(scratch_.path(), "broken");
    write_file(staged, std::string(8192, 'x'));
    EXPECT_THROW(snapshotter_->commit("sha256:" + std::string(64, 'a'), staged), Error);
    EXPECT_TRUE(sys::list_directory(join(scratch_.path(), "layers")).empty());
}

TEST_P(SnapshotterConformance, LayersStackIntoOneTreeTopmostFirst) {
    if (::geteuid() != 0 || !can_mount_erofs()) GTEST_SKIP() << "no root or no EROFS";
    const std::string bottom = commit({{"same", "bottom"}, {"etc/only-below", "below"}});
    const std::string top = commit({{"same", "top"}, {".wh.gone", ""}});
    const pid_t child = ::fork();  // the mounts go with the namespace of this child
    ASSERT_GE(child, 0);
    if (child == 0) {
        int code = 1;
        try {
            if (::unshare(CLONE_NEWNS) != 0 ||
                ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
                ::_exit(9);
            linux_::OverlayPlan plan;
            plan.lowers = {snapshotter_->lower(top), snapshotter_->lower(bottom)};
            const Path scratch = join(scratch_.path(), "mount");
            sys::mkdir(scratch, 0700);
            const Fd root = linux_::mount_overlay(plan, scratch);
            const Path prefix = fmt::format("/proc/self/fd/{}", root.get());
            if (read_file(prefix + "/same") == "top" &&
                read_file(prefix + "/etc/only-below") == "below")
                code = 0;
        } catch (const std::exception& error) {
            fmt::print(stderr, "{}\n", error.what());
            code = 2;
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SnapshotterConformance,
                         ::testing::Values(Kind{"erofs", make_erofs_snapshotter},
                                           Kind{"directory", make_directory_snapshotter}),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace hull::store
