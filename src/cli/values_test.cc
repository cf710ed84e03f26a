#include "cli/values.hh"

#include "base/error.hh"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>

namespace hull::cli {
namespace {

std::string problem_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.message();
    }
    return "none";
}

TEST(Bytes, UnitsArePowersOf1024) {
    struct {
        std::string_view text;
        std::int64_t bytes;
    } const cases[] = {
        {"0", 0},
        {"100", 100},
        {"1k", 1024},
        {"1KB", 1024},
        {"1KiB", 1024},
        {"512m", 512LL << 20},
        {"1.5g", 3LL << 29},
        {"1 gb", 1LL << 30},
        {"2t", 2LL << 40},
        {"7b", 7},
    };
    for (const auto& [text, bytes] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(parse_bytes(text), bytes);
    }
    EXPECT_EQ(parse_swap_bytes("-1"), -1);
    EXPECT_EQ(problem_of([] { parse_bytes("foo"); }), "invalid size: 'foo'");
    EXPECT_EQ(problem_of([] { parse_bytes("1x"); }), "invalid suffix: 'x'");
    EXPECT_EQ(problem_of([] { parse_bytes("-1"); }), "invalid size: '-1'");
    EXPECT_EQ(problem_of([] { parse_bytes("1kk"); }), "invalid suffix: 'kk'");
}

TEST(Cpus, AreExactBillionths) {
    EXPECT_EQ(parse_nano_cpus("1.5"), 1500000000);
    EXPECT_EQ(parse_nano_cpus("3/2"), 1500000000);
    EXPECT_EQ(parse_nano_cpus(".01"), 10000000);
    EXPECT_EQ(problem_of([] { parse_nano_cpus("x"); }), "failed to parse x as a rational number");
    EXPECT_EQ(problem_of([] { parse_nano_cpus("0.0000000001"); }), "value is too precise");
    EXPECT_EQ(problem_of([] { parse_nano_cpus("1/3"); }), "value is too precise");
}

TEST(Duration, IsGos) {
    EXPECT_EQ(parse_duration("1h2m3.5s"), 3723500000000);
    EXPECT_EQ(parse_duration("10ms"), 10000000);
    EXPECT_EQ(parse_duration("-1s"), -1000000000);
    EXPECT_EQ(parse_duration("0"), 0);
    EXPECT_EQ(problem_of([] { parse_duration("5"); }), "time: missing unit in duration \"5\"");
    EXPECT_EQ(problem_of([] { parse_duration("5y"); }),
              "time: unknown unit \"y\" in duration \"5y\"");
    EXPECT_EQ(problem_of([] { parse_duration("x"); }), "time: invalid duration \"x\"");
}

TEST(Ulimit, SoftAloneIsHardToo) {
    EXPECT_EQ(parse_ulimit("nofile=1024").hard, 1024);
    const api::Ulimit limit = parse_ulimit("nproc=5:10");
    EXPECT_EQ(limit.soft, 5);
    EXPECT_EQ(limit.hard, 10);
    EXPECT_EQ(parse_ulimit("core=-1").soft, -1);
    EXPECT_EQ(problem_of([] { parse_ulimit("foo"); }), "invalid ulimit argument: foo");
    EXPECT_EQ(problem_of([] { parse_ulimit("foo=1"); }), "invalid ulimit type: foo");
    EXPECT_EQ(problem_of([] { parse_ulimit("nofile=2:1"); }),
              "ulimit soft limit must be less than or equal to hard limit: 2 > 1");
}

TEST(Mount, ReadsDockersCsv) {
    const api::Mount bind = parse_mount(
        "type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave,bind-recursive=disabled");
    EXPECT_EQ(bind.type, "bind");
    EXPECT_EQ(bind.source, "/a");
    EXPECT_EQ(bind.target, "/b");
    EXPECT_TRUE(bind.read_only);
    EXPECT_EQ(bind.bind_options->propagation, "rslave");
    EXPECT_TRUE(bind.bind_options->non_recursive);
    const api::Mount tmpfs = parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777");
    EXPECT_EQ(tmpfs.tmpfs_options->size_bytes, 1 << 20);
    EXPECT_EQ(tmpfs.tmpfs_options->mode, 01777);
    EXPECT_EQ(parse_mount("target=/v").type, "volume");
    EXPECT_EQ(parse_mount("\"target=/a,b\"").target, "/a,b");
    EXPECT_EQ(problem_of([] { parse_mount("type=bind"); }), "target is required");
    EXPECT_EQ(problem_of([] { parse_mount("foo"); }),
              "invalid field 'foo' must be a key=value pair");
    EXPECT_EQ(problem_of([] { parse_mount("foo=1"); }), "unexpected key 'foo' in 'foo=1'");
    EXPECT_EQ(problem_of([] { parse_mount("type=bind,target=/a,volume-nocopy"); }),
              "cannot mix 'volume-*' options with mount type 'bind'");
    EXPECT_EQ(problem_of([] { parse_mount("target=/a,readonly=maybe"); }),
              "invalid value for readonly: maybe");
}

TEST(Volume, WithoutColonIsAnonymous) {
    EXPECT_EQ(parse_volume("/data").target, "/data");
    EXPECT_EQ(parse_volume("/a:/b:ro").bind, "/a:/b:ro");
    EXPECT_EQ(parse_volume("name:/b").bind, "name:/b");
    EXPECT_TRUE(parse_volume("./x:/b").bind.starts_with("/"));
    EXPECT_TRUE(parse_volume("./x:/b").bind.ends_with("/x:/b"));
}

TEST(Ports, FollowTheGrammar) {
    const auto one = parse_published_ports("127.0.0.1:8080:80/udp");
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0].port, "80/udp");
    EXPECT_EQ(one[0].binding.host_ip, "127.0.0.1");
    EXPECT_EQ(one[0].binding.host_port, "8080");
    EXPECT_EQ(parse_published_ports("80")[0].binding.host_port, "");
    EXPECT_EQ(parse_published_ports("8000-8002:9000-9002").size(), 3U);
    EXPECT_EQ(parse_published_ports("8000-8002:9000-9002")[2].port, "9002/tcp");
    EXPECT_EQ(parse_published_ports("8000-8010:80")[0].binding.host_port, "8000-8010");
    EXPECT_EQ(parse_published_ports("[::1]:80:80")[0].binding.host_ip, "::1");
    EXPECT_EQ(problem_of([] { parse_published_ports("a"); }), "invalid containerPort: a");
    EXPECT_EQ(problem_of([] { parse_published_ports("80/foo"); }), "invalid proto: foo");
    EXPECT_EQ(problem_of([] { parse_published_ports("1-2:1-3"); }),
              "invalid ranges specified for container and host Ports: 1-3 and 1-2");
}

TEST(Environment, NamesAloneAreLookedUp) {
    ::setenv("HULL_TEST_VARIABLE", "v", 1);
    EXPECT_EQ(resolve_environment("HULL_TEST_VARIABLE"), "HULL_TEST_VARIABLE=v");
    EXPECT_EQ(resolve_environment("HULL_TEST_NOT_SET"), std::nullopt);
    EXPECT_EQ(resolve_environment("A="), "A=");
    EXPECT_EQ(problem_of([] { check_environment("=x"); }), "invalid environment variable: =x");
}

TEST(Timestamp, TakesDurationsDatesAndUnixTimes) {
    const std::int64_t now = 1000'000'000'000;
    EXPECT_EQ(parse_timestamp("10s", now), "990.000000000");
    EXPECT_EQ(parse_timestamp("1234", now), "1234.000000000");
    EXPECT_EQ(parse_timestamp("1234.5", now), "1234.500000000");
    EXPECT_EQ(parse_timestamp("1970-01-01T00:00:02Z", now), "2.000000000");
    EXPECT_EQ(parse_timestamp("1970-01-01T01:00+01:00", now), "0.000000000");
    EXPECT_EQ(problem_of([] { parse_timestamp("x", 0); }),
              "failed to parse value as time or duration: \"x\"");
}

TEST(Hosts, AndDevicesAndRestartPoliciesAreChecked) {
    EXPECT_EQ(parse_extra_host("a:1.2.3.4"), "a:1.2.3.4");
    EXPECT_EQ(parse_extra_host("a=[::1]"), "a:::1");
    EXPECT_EQ(parse_extra_host("a:host-gateway"), "a:host-gateway");
    EXPECT_EQ(problem_of([] { parse_extra_host("foo"); }), "bad format for add-host: \"foo\"");
    EXPECT_EQ(parse_device("/dev/a:/dev/b:r").cgroup_permissions, "r");
    EXPECT_EQ(parse_device("/dev/a:rw").path_in_container, "/dev/a");
    EXPECT_EQ(problem_of([] { check_device("foo:a"); }), "a is not an absolute path");
    EXPECT_EQ(parse_restart_policy("on-failure:3").maximum_retry_count, 3);
    EXPECT_EQ(problem_of([] { parse_restart_policy("on-failure:x"); }),
              "invalid restart policy format: maximum retry count must be an integer");
}

TEST(Networks, HaveAShortAndALongForm) {
    EXPECT_EQ(parse_network("host").name, "host");
    const NetworkValue value = parse_network("name=n,alias=a,alias=b,ip=1.2.3.4,driver-opt=k=v");
    EXPECT_EQ(value.name, "n");
    EXPECT_EQ(value.settings.aliases.size(), 2U);
    EXPECT_EQ(value.settings.ipam_config->ipv4_address, "1.2.3.4");
    EXPECT_EQ(problem_of([] { parse_network("alias=a"); }), "network name/id is not specified");
}

}  // namespace
}  // namespace hull::cli
