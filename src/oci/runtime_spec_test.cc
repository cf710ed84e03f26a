#include "oci/runtime_spec.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::oci {
namespace {

std::string message_of(const std::string& text) {
    try {
        parse_spec(text);
        return "";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.message();
    }
}

constexpr std::string_view full = R"({
 "ociVersion": "1.2.1", "hostname": "h", "domainname": "d", "annotations": {"a": "b"},
 "root": {"path": "rootfs", "readonly": true},
 "process": {"terminal": true, "consoleSize": {"height": 24, "width": 80}, "cwd": "/",
  "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3]}, "args": ["sh"], "env": ["A=b"],
  "capabilities": {"bounding": ["CAP_KILL"], "ambient": ["CAP_KILL"]},
  "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 18446744073709551615}],
  "noNewPrivileges": true, "oomScoreAdj": -5, "apparmorProfile": "p", "selinuxLabel": "s",
  "scheduler": {"policy": "SCHED_BATCH", "nice": 3}, "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4}},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]}],
 "hooks": {"poststop": [{"path": "/bin/h", "args": ["h"], "env": ["X=y"], "timeout": 5}]},
 "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/n"}],
  "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
  "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438}],
  "cgroupsPath": "/hull/1", "sysctl": {"net.x": "1"}, "rootfsPropagation": "rslave",
  "maskedPaths": ["/m"], "readonlyPaths": ["/r"], "personality": {"domain": "LINUX"},
  "resources": {"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 5, "swap": -1},
   "cpu": {"shares": 2, "quota": -1, "cpus": "0"}, "pids": {"limit": 9}, "unified": {"a.b": "c"},
   "blockIO": {"weight": 10, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}]},
   "hugepageLimits": [{"pageSize": "2MB", "limit": 1}]},
  "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86"],
   "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_EQ"}]}]}}
})";

TEST(RuntimeSpec, EveryMemberIsReadAndWrittenAgain) {
    const Spec spec = parse_spec(full);
    EXPECT_EQ(spec.process->rlimits.at(0).hard, UINT64_MAX);
    EXPECT_EQ(spec.process->oom_score_adj, -5);
    EXPECT_EQ(spec.process->user.umask, 18U);
    EXPECT_EQ(spec.linux_.find_namespace(NamespaceType::network)->path, "/n");
    EXPECT_EQ(spec.linux_.find_namespace(NamespaceType::user), nullptr);
    EXPECT_EQ(spec.linux_.resources.pids_limit, 9);
    EXPECT_EQ(spec.linux_.resources.memory.swap, -1);
    EXPECT_EQ(spec.linux_.seccomp->syscalls.at(0).arguments.at(0).value, UINT64_MAX);
    EXPECT_EQ(spec.hooks.poststop.at(0).timeout_s, 5);
    const json::Value written = to_json(spec);
    EXPECT_EQ(json::dump(to_json(parse_spec(written))), json::dump(written));
    for (const char* member : {"process", "root", "mounts", "hooks", "linux", "annotations"})
        EXPECT_FALSE(written[member].is_null()) << member;
    // What was read is all there: nothing of the original is lost.
    const json::Value original = json::parse(full);
    EXPECT_EQ(written["linux"]["resources"].as_object().size(),
              original["linux"]["resources"].as_object().size());
    EXPECT_EQ(written["process"].as_object().size(), original["process"].as_object().size());
    EXPECT_EQ(written["linux"].as_object().size(), original["linux"].as_object().size());
}

TEST(RuntimeSpec, WrongTypesAreRefusedNamingTheMember) {
    const auto with_linux = [](const std::string& members) {
        return R"({"ociVersion":"1.0.0","root":{"path":"r"},"linux":{)" + members + "}}";
    };
    EXPECT_EQ(message_of(with_linux(R"("resources":{"memory":{"limit":"1g"}})")),
              "linux.resources.memory.limit: expected an integer, got a string");
    EXPECT_EQ(message_of(with_linux(R"("namespaces":[{"type":"pid"},{"type":"moon"}])")),
              "linux.namespaces[1].type: unknown namespace \"moon\"");
    EXPECT_EQ(message_of(with_linux(R"("namespaces":[{"type":"pid"},{"type":"pid"}])")),
              "linux.namespaces: pid is listed twice");
    EXPECT_EQ(message_of(with_linux(R"("maskedPaths":{})")),
              "linux.maskedPaths: expected an array, got an object");
    EXPECT_EQ(message_of(with_linux(R"("sysctl":{"a":1})")),
              "linux.sysctl.a: expected a string, got a number");
    EXPECT_EQ(message_of(R"({"ociVersion":"1.0.0","root":{}})"), "root.path: is missing");
    EXPECT_EQ(
        message_of(
            R"({"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"tmp","args":["a"]}})"),
        "process.cwd: \"tmp\" is not an absolute path");
    EXPECT_EQ(message_of("[]"), "expected an object");
}

TEST(RuntimeSpec, VersionsFrom1To1Point3AreAccepted) {
    const auto with_version = [](const std::string& version) {
        return R"({"ociVersion":")" + version + R"(","root":{"path":"r"}})";
    };
    for (const char* version : {"1.0.0", "1.0.2-dev", "1.1.0+dev", "1.2.0", "1.3.7"})
        EXPECT_EQ(message_of(with_version(version)), "") << version;
    for (const char* version : {"0.9.0", "1.4.0", "2.0.0", "1", "1.", "1.3", "x"})
        EXPECT_NE(message_of(with_version(version)), "") << version;
}

}  // namespace
}  // namespace hull::oci
