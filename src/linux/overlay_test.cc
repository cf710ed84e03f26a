#include "linux/overlay.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace hull::linux_ {
namespace {

/// Runs `body` in a child with mounts of its own; its exit code.
int run_in_own_mounts(const std::function<bool()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        int code = 1;
        try {
            if (::unshare(CLONE_NEWNS) != 0 ||
                ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
                ::_exit(9);
            code = body() ? 0 : 1;
        } catch (const std::exception& error) {
            fmt::print(stderr, "{}\n", error.what());
            code = 2;
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

/// 120 layers and an upper directory, all deep below the root.
OverlayPlan make_deep_plan(const Path& root) {
    OverlayPlan plan;
    const Path deep = join(root, std::string(120, 'd') + "/" + std::string(120, ','));
    for (int i = 0; i < 120; ++i) {
        const Path layer = join(deep, fmt::format("layer:{}", i));
        sys::mkdir_all(layer, 0755);
        write_file(join(layer, fmt::format("file{}", i)), std::to_string(i));
        write_file(join(layer, "same"), std::to_string(i));
        plan.lowers.push_back({LowerLayer::Kind::directory, layer});
    }
    plan.upper = join(deep, "upper");
    plan.work = join(deep, "work");
    sys::mkdir_all(plan.upper, 0755);
    sys::mkdir_all(plan.work, 0755);
    return plan;
}

bool is_whole(const OverlayPlan& plan, const Fd& mount) {
    const Path prefix = fmt::format("/proc/self/fd/{}/", mount.get());
    write_file(prefix + "written", "x");
    return read_file(prefix + "same") == "0" && read_file(prefix + "file119") == "119" &&
           read_file(join(plan.upper, "written")) == "x";
}

TEST(Overlay, ManyLayersWithLongPathsFitWithEitherWayToMount) {
    if (::geteuid() != 0) GTEST_SKIP() << "no root";
    Path scratch = join(::testing::TempDir(), "overlay-XXXXXX");
    ASSERT_NE(::mkdtemp(scratch.data()), nullptr);
    const OverlayPlan plan = make_deep_plan(scratch);
    EXPECT_EQ(run_in_own_mounts(
                  [&] { return is_whole(plan, mount_overlay(plan, join(scratch, "attached"))); }),
              0);
    EXPECT_EQ(run_in_own_mounts([&] {
                  const Path attached = join(scratch, "attached");
                  const Fd mount = mount_overlay_by_path(plan, mount_layers(plan), attached);
                  return is_whole(plan, mount) && sys::list_directory(attached).empty();
              }),
              0);
}

}  // namespace
}  // namespace hull::linux_
