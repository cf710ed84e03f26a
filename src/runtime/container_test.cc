#include "runtime/container.hh"

#include "base/process.hh"
#include "base/sys.hh"
#include "runtime/init.hh"
#include "runtime/state.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>

namespace hull::runtime {
namespace {

struct Outcome {
    int code = 0;
    std::string output;
};

/// A bundle with a busybox root in a scratch directory that goes with the test.
class RuntimeTest : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        if (!sys::find_stat("/bin/busybox")) GTEST_SKIP() << "needs busybox";
        scratch_ = "/tmp/hull-runtime-test-" + random_hex(6);
        id_ = "hull-test-" + random_hex(6);
        make_root(scratch_ + "/rootfs");
        sys::mkdir(scratch_ + "/host", 0755);
        spec_ = oci::parse_spec(make_default_spec(false));
        spec_.root.readonly = false;
        spec_.process->terminal = false;
        spec_.linux_.cgroups_path = "/" + id_;
    }

    void TearDown() override {
        if (!scratch_.empty()) sys::remove_tree(scratch_);
    }

    static void make_root(const Path& root) {
        for (const char* directory : {"/bin", "/etc", "/tmp"})
            sys::mkdir_all(root + directory, 0755);
        write_file(root + "/bin/busybox", read_file("/bin/busybox"), 0755);
        sys::symlink("busybox", root + "/bin/sh");
        sys::symlink("busybox", root + "/bin/cat");
        sys::symlink("busybox", root + "/bin/sleep");
    }

    CreateOptions options(const Fd& output) {
        CreateOptions result;
        result.id = id_;
        result.spec = spec_;
        result.bundle = scratch_;
        result.rootfs = overlay_;
        result.streams = {-1, output.get(), output.get()};
        return result;
    }

    static int reap(pid_t pid) {
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    static std::string drain(const Fd& fd) {
        std::string text;
        std::array<std::byte, 4096> buffer;
        while (std::size_t count = sys::read(fd.get(), buffer))
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
        return text;
    }

    Outcome run(std::vector<std::string> arguments) {
        spec_.process->args = std::move(arguments);
        sys::Pipe pipe = sys::pipe();
        Container container = create(options(pipe.write_end));
        pipe.write_end.reset();
        container.start();
        Outcome outcome;
        outcome.output = drain(pipe.read_end);
        outcome.code = reap(container.pid());
        remove_cgroup();
        return outcome;
    }

    Outcome shell(const std::string& script) { return run({"/bin/sh", "-c", script}); }

    std::string failure_of_create(int* code = nullptr) {
        try {
            Fd null = sys::open("/dev/null", O_RDWR);
            Container container = create(options(null));
        } catch (const LaunchError& error) {
            if (code) *code = error.exit_code;
            return error.message();
        } catch (const Error& error) {
            return error.message();
        }
        return "";
    }

    void remove_cgroup() {
        auto layout = linux_::detect_cgroups();
        linux_::Cgroup::open(layout, spec_.linux_.cgroups_path).remove();
    }

    bool has_cgroup() {
        return !linux_::Cgroup::open(linux_::detect_cgroups(), spec_.linux_.cgroups_path)
                    .directories()
                    .empty();
    }

    Path root(const std::string& path) const { return scratch_ + "/rootfs" + path; }

    Path scratch_;
    std::string id_;
    oci::Spec spec_;
    std::optional<linux_::OverlayPlan> overlay_;
};

std::string table_text(std::span<const InitStep> steps) {
    std::string text;
    for (const InitStep& step : steps) text += std::string(step.name) + "\n";
    return text;
}

TEST(InitSteps, CreateRunsInThisOrder) {
    EXPECT_EQ(table_text(create_steps()),
              "waiting for id maps\nopening /proc\nbecoming root of the namespace\n"
              "making namespaces\nstarting a session\njoining a session keyring\n"
              "bringing up the loopback interface\nsetting mount propagation\nmounting the rootfs\n"
              "joining the cgroup\nmounting\nmounting the init program\nmaking devices\nmaking the "
              "working directory\n"
              "running hooks\npivoting root\nopening the terminal\nsetting the hostname\n"
              "setting sysctls\nfinishing mounts\nmasking paths\nfinding the user\nsetting limits\n"
              "setting the scheduler\nsetting the security label\nsetting standard streams\n"
              "setting no_new_privs\nloading seccomp early\nbecoming the user\n"
              "entering the working directory\nfinding the executable\nclosing descriptors\n"
              "waiting for start\nrunning start hooks\nloading seccomp late\nexecuting\n");
}

TEST(InitSteps, ExecRunsInThisOrder) {
    EXPECT_EQ(table_text(exec_steps()),
              "opening /proc\njoining the cgroup\njoining the namespaces\n"
              "becoming root of the namespace\nstarting a session\njoining a session keyring\n"
              "opening the terminal\nfinding the user\nsetting limits\nsetting the scheduler\n"
              "setting the security label\nsetting standard streams\nsetting no_new_privs\n"
              "loading seccomp early\nbecoming the user\nentering the working directory\n"
              "finding the executable\nclosing descriptors\nloading seccomp late\nexecuting\n");
}

TEST_F(RuntimeTest, ExitCodeAndOutputComeBack) {
    Outcome outcome = shell("echo hello; exit 7");
    EXPECT_EQ(outcome.output, "hello\n");
    EXPECT_EQ(outcome.code, 7);
    EXPECT_EQ(shell("sh -c 'kill -9 $$'; exit $?").code, 128 + SIGKILL);
}

TEST_F(RuntimeTest, NoDescriptorOfOursIsOpenInside) {
    // 3 is the directory that ls itself reads.
    EXPECT_EQ(run({"/bin/busybox", "ls", "/proc/self/fd"}).output, "0\n1\n2\n3\n");
}

TEST_F(RuntimeTest, EveryFailingExecHasItsOwnMessageBeforeStart) {
    write_file(root("/crlf.sh"), "#!/bin/sh\r\necho\r\n", 0755);
    write_file(root("/nobash.sh"), "#!/bin/bash\n", 0755);
    write_file(root("/plain"), "x", 0644);
    write_file(root("/empty"), "", 0755);
    std::string arm = read_file("/bin/busybox").substr(0, 4096);
    arm[18] = static_cast<char>(183);
    write_file(root("/arm"), arm, 0755);
    struct {
        const char* program;
        int code;
        const char* message;
    } const cases[] = {
        {"foo", 127, "exec: \"foo\": executable file not found in $PATH"},
        {"/no/such", 127, "exec: \"/no/such\": no such file or directory"},
        {"/nobash.sh", 127,
         "exec: \"/nobash.sh\": interpreter /bin/bash not found: no such file or directory"},
        {"/crlf.sh", 127,
         "exec: \"/crlf.sh\": interpreter \"/bin/sh\\r\" not found: the script has CRLF line "
         "endings: "
         "no such file or directory"},
        {"/etc", 126, "exec: \"/etc\": permission denied (is a directory)"},
        {"/plain", 126, "exec: \"/plain\": permission denied (not executable)"},
        {"/empty", 126, "exec: \"/empty\": exec format error: the file is empty"},
#if defined(__x86_64__)
        {"/arm", 126,
         "exec: \"/arm\": exec format error: built for aarch64, this machine is x86_64"},
#endif
    };
    for (const auto& [program, code, message] : cases) {
        SCOPED_TRACE(program);
        spec_.process->args = {program};
        int got = 0;
        EXPECT_EQ(failure_of_create(&got), message);
        EXPECT_EQ(got, code);
        EXPECT_FALSE(has_cgroup());
    }
}

TEST_F(RuntimeTest, HostileLinksDoNotLeadMountsOutOfTheRoot) {
    sys::symlink("../../../../../../../.." + scratch_ + "/host", root("/relative"));
    sys::symlink(scratch_ + "/host", root("/absolute"));
    spec_.mounts.push_back({"/relative/a", "tmpfs", "tmpfs", {}, {}, {}});
    spec_.mounts.push_back({"/absolute/b", "bind", scratch_ + "/host", {"rbind"}, {}, {}});
    EXPECT_EQ(shell("true").code, 0);
    EXPECT_TRUE(sys::list_directory(scratch_ + "/host").empty());
}

TEST_F(RuntimeTest, ProcMustBeAnOrdinaryDirectory) {
    sys::symlink("/tmp", root("/proc"));
    spec_.process->args = {"/bin/sh"};
    EXPECT_NE(failure_of_create().find("/proc must be an ordinary directory"), std::string::npos);
}

TEST_F(RuntimeTest, BindsInsideProcAreRefused) {
    for (const char* destination : {"/proc/self/attr", "/proc", "/alias/sys"}) {
        SCOPED_TRACE(destination);
        oci::Spec before = spec_;
        if (!sys::find_stat(root("/alias"))) sys::symlink("/proc", root("/alias"));
        spec_.mounts.push_back({destination, "bind", scratch_ + "/host", {"bind"}, {}, {}});
        spec_.process->args = {"/bin/sh"};
        EXPECT_NE(failure_of_create().find("cannot be mounted because it is inside /proc"),
                  std::string::npos);
        spec_ = before;
    }
}

TEST_F(RuntimeTest, MaskingRefusesAFalseNullDevice) {  // CVE-2025-31133
    sys::mkdir(scratch_ + "/host/dev", 0755);
    write_file(scratch_ + "/host/dev/null", "mine");
    std::erase_if(spec_.mounts,
                  [](const oci::Mount& mount) { return mount.destination.starts_with("/dev"); });
    spec_.mounts.push_back({"/dev", "bind", scratch_ + "/host/dev", {"bind"}, {}, {}});
    spec_.process->args = {"/bin/sh"};
    EXPECT_NE(failure_of_create().find("is not the null device"), std::string::npos);
}

TEST_F(RuntimeTest, SysctlsOfTheHostAreRefused) {
    spec_.process->args = {"/bin/sh"};
    spec_.linux_.sysctl = {{"kernel.panic", "0"}};
    EXPECT_NE(failure_of_create().find("not in a separate kernel namespace"), std::string::npos);
    spec_.linux_.sysctl = {{"net.ipv4.ip_forward", "1"}};
    EXPECT_EQ(shell("cat /proc/sys/net/ipv4/ip_forward").output, "1\n");
}

TEST_F(RuntimeTest, OptionsOfMountsHold) {
    write_file(scratch_ + "/host/file", "content\n");
    spec_.mounts.push_back({"/ro", "bind", scratch_ + "/host", {"rbind", "rro", "noexec"}, {}, {}});
    spec_.mounts.push_back({"/one", "bind", scratch_ + "/host/file", {"bind"}, {}, {}});
    spec_.mounts.push_back({"/copy", "tmpfs", "tmpfs", {"tmpcopyup", "size=1m"}, {}, {}});
    sys::mkdir(root("/copy"), 0751);
    write_file(root("/copy/a"), "copied\n");
    EXPECT_EQ(
        shell("cat /one /copy/a; echo x > /ro/file || echo refused; busybox stat -c %a /copy; "
              "busybox grep ' /ro ' /proc/mounts | busybox cut -d' ' -f4 | busybox cut -c1-2")
            .output.find("content\ncopied\n"),
        0U);
    EXPECT_EQ(read_file(scratch_ + "/host/file"), "content\n");
    EXPECT_EQ(read_file(root("/copy/a")), "copied\n");
}

TEST_F(RuntimeTest, OverlayOfDirectoriesKeepsWritesInTheUpper) {
    sys::rename(scratch_ + "/rootfs", scratch_ + "/lower");
    for (const char* name : {"/rootfs", "/upper", "/work"}) sys::mkdir(scratch_ + name, 0755);
    overlay_ =
        linux_::OverlayPlan{.lowers = {{linux_::LowerLayer::Kind::directory, scratch_ + "/lower"}},
                            .upper = scratch_ + "/upper",
                            .work = scratch_ + "/work",
                            .is_volatile = true};
    EXPECT_EQ(shell("echo written > /new").code, 0);
    EXPECT_EQ(read_file(scratch_ + "/upper/new"), "written\n");
    EXPECT_FALSE(sys::find_stat(scratch_ + "/lower/new"));
    EXPECT_EQ(shell("cat /new").output, "written\n") << "a volatile upper mounts a second time";
}

TEST_F(RuntimeTest, OverlayOfErofsImagesWorks) {
    if (!sys::find_stat("/usr/bin/mkfs.erofs")) GTEST_SKIP() << "needs mkfs.erofs";
    Command make;
    make.arguments = {"/usr/bin/mkfs.erofs", "--quiet", scratch_ + "/layer.erofs",
                      scratch_ + "/rootfs"};
    ASSERT_EQ(Process::spawn(make).wait().docker_code(), 0);
    sys::remove_tree(scratch_ + "/rootfs");
    for (const char* name : {"/rootfs", "/upper", "/work", "/top"})
        sys::mkdir(scratch_ + name, 0755);
    write_file(scratch_ + "/top/marker", "top\n");
    overlay_ = linux_::OverlayPlan{
        .lowers = {{linux_::LowerLayer::Kind::directory, scratch_ + "/top"},
                   {linux_::LowerLayer::Kind::erofs_image, scratch_ + "/layer.erofs"}},
        .upper = scratch_ + "/upper",
        .work = scratch_ + "/work",
        .is_volatile = false};
    EXPECT_EQ(shell("cat /marker; echo x > /etc/y").output, "top\n");
    EXPECT_TRUE(sys::find_stat(scratch_ + "/upper/etc/y"));
}

TEST_F(RuntimeTest, UserNamespaceMapsTheOverlay) {
    sys::rename(scratch_ + "/rootfs", scratch_ + "/lower");
    for (const char* name : {"/rootfs", "/upper", "/work"}) sys::mkdir(scratch_ + name, 0755);
    overlay_ =
        linux_::OverlayPlan{.lowers = {{linux_::LowerLayer::Kind::directory, scratch_ + "/lower"}},
                            .upper = scratch_ + "/upper",
                            .work = scratch_ + "/work",
                            .is_volatile = false};
    spec_.linux_.namespaces.push_back({oci::NamespaceType::user, {}});
    spec_.linux_.uid_mappings = spec_.linux_.gid_mappings = {{0, 100000, 65536}};
    EXPECT_EQ(shell("echo > /new; busybox stat -c %u /new /bin/busybox; busybox id -u").output,
              "0\n0\n0\n");
    EXPECT_EQ(sys::find_stat(scratch_ + "/upper/new")->st_uid, 100000U);
}

TEST_F(RuntimeTest, TerminalBelongsToTheContainer) {
    spec_.process->terminal = true;
    spec_.process->console_size = oci::ConsoleSize{33, 44};
    spec_.process->args = {"/bin/sh", "-c", "busybox tty; busybox stty size"};
    Fd null = sys::open("/dev/null", O_RDWR);
    Container container = create(options(null));
    Fd master = container.take_terminal();
    ASSERT_TRUE(master);
    container.start();
    EXPECT_EQ(reap(container.pid()), 0);
    std::array<char, 256> buffer{};
    // A terminal gives what is there, a piece at a time; EIO when nobody has the other end.
    std::string output;
    ssize_t count = 0;
    while ((count = ::read(master.get(), buffer.data(), buffer.size())) > 0)
        output.append(buffer.data(), static_cast<std::size_t>(count));
    EXPECT_EQ(output, "/dev/pts/0\r\n33 44\r\n");
    remove_cgroup();
}

TEST_F(RuntimeTest, HooksRunAtTheirStages) {
    Path log = scratch_ + "/host/log";
    auto hook = [&](const char* word) {
        return oci::Hook{"/bin/sh",
                         {"sh", "-c", fmt::format("cat > /dev/null; echo {} >> {}", word, log)},
                         {"PATH=/bin"},
                         5};
    };
    spec_.hooks.create_runtime = {hook("createRuntime")};
    spec_.hooks.create_container = {hook("createContainer")};
    spec_.hooks.poststart = {hook("poststart")};
    EXPECT_EQ(shell("true").code, 0);
    EXPECT_EQ(read_file(log), "createRuntime\ncreateContainer\npoststart\n");
    spec_.hooks.create_container = {{"/bin/sleep", {"sleep", "60"}, {}, 1}};
    EXPECT_NE(failure_of_create().find("createContainer hook /bin/sleep: did not end within 1 s"),
              std::string::npos);
}

TEST_F(RuntimeTest, ExecRunsInTheSameContainer) {
    spec_.process->args = {"/bin/sleep", "60"};
    spec_.process->capabilities.reset();
    Fd null = sys::open("/dev/null", O_RDWR);
    Container container = create(options(null));
    container.start();
    ExecOptions exec_options;
    exec_options.init = container.pid();
    exec_options.process = *spec_.process;
    exec_options.process.user = {
        .uid = 1234, .gid = 5, .umask = {}, .additional_gids = {6}, .username = {}};
    exec_options.process.args = {
        "/bin/sh", "-c",
        "busybox id -u; busybox id -G; busybox hostname; cat /proc/1/comm; "
        "busybox grep CapEff /proc/self/status; exit 9"};
    sys::Pipe pipe = sys::pipe();
    exec_options.streams = {-1, pipe.write_end.get(), pipe.write_end.get()};
    Executed executed = exec(exec_options);
    pipe.write_end.reset();
    EXPECT_EQ(drain(pipe.read_end), "1234\n5 6\nhull\nsleep\nCapEff:\t0000000000000000\n");
    EXPECT_EQ(reap(executed.pid), 9);

    exec_options.process.args = {"nope"};
    EXPECT_THROW(
        try { exec(exec_options); } catch (const LaunchError& error) {
            EXPECT_EQ(error.exit_code, 127);
            throw;
        },
        LaunchError);
    ::kill(container.pid(), SIGKILL);
    reap(container.pid());
    remove_cgroup();
}

TEST_F(RuntimeTest, AContainerThatIsNotStartedLeavesNothing) {
    spec_.process->args = {"/bin/sh"};
    pid_t pid = 0;
    {
        Fd null = sys::open("/dev/null", O_RDWR);
        Container container = create(options(null));
        pid = container.pid();
        EXPECT_TRUE(has_cgroup());
    }
    EXPECT_FALSE(has_cgroup());
    EXPECT_FALSE(find_pidfd(pid));
}

}  // namespace
}  // namespace hull::runtime
