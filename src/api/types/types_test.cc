#include "api/types/container.hh"
#include "api/types/exec.hh"
#include "api/types/image.hh"
#include "api/types/system.hh"
#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::api {

namespace {

template <typename T>
std::string round_trip(std::string_view text) {
    return json::dump(to_json(parse<T>(json::parse(text))));
}

}  // namespace

TEST(Types, NullEmptyAndAbsentStayApart) {
    const auto config =
        parse<ContainerConfig>(json::parse(R"({"Cmd":null,"Env":[],"Labels":{},"Volumes":null})"));
    const json::Value written = to_json(config);
    EXPECT_TRUE(written["Cmd"].is_null());
    EXPECT_TRUE(written["Env"].is_array());
    EXPECT_TRUE(written["Labels"].is_object());
    EXPECT_TRUE(written["Volumes"].is_null());
    EXPECT_EQ(written.as_object().find("ExposedPorts"), nullptr);  // omitempty
    EXPECT_NE(written.as_object().find("OnBuild"), nullptr);       // null
    EXPECT_TRUE(config.cmd.is_null());
    EXPECT_FALSE(config.env.is_null());
}

TEST(Types, MemberNamesMatchInAnyCaseAndUnknownOnesAreIgnored) {
    const auto request = parse<CreateRequest>(json::parse(
        R"({"image":"busybox","CMD":["a"],"hostconfig":{"NETWORKMODE":"none","Nope":1},"X":{}})"));
    EXPECT_EQ(request.config.image, "busybox");
    EXPECT_EQ(request.config.cmd, (std::vector<std::string>{"a"}));
    EXPECT_EQ(request.host_config.network_mode, "none");
}

TEST(Types, ACommandMayBeOneString) {
    const auto config =
        parse<ContainerConfig>(json::parse(R"({"Cmd":"date","Entrypoint":["a","b"]})"));
    EXPECT_EQ(config.cmd, (std::vector<std::string>{"date"}));
    EXPECT_EQ(config.entrypoint.size(), 2U);
}

TEST(Types, AWrongTypeNamesItsMember) {
    try {
        parse<CreateRequest>(json::parse(R"({"HostConfig":{"Memory":"lots"}})"));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        EXPECT_NE(error.message().find("HostConfig: Memory: expected an integer"),
                  std::string::npos)
            << error.message();
    }
}

TEST(Types, HostConfigKeepsWhatDockersCliSends) {
    const std::string_view sent =
        R"({"Binds":["/a:/b:ro"],"LogConfig":{"Type":"","Config":{}},"NetworkMode":"none",)"
        R"("PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},)"
        R"("RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"ConsoleSize":[24,80],)"
        R"("CapAdd":["NET_ADMIN"],"Memory":67108864,"MemorySwappiness":-1,"PidsLimit":0,)"
        R"("Ulimits":[{"Name":"nofile","Hard":2048,"Soft":1024}],"Init":true,)"
        R"("Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1024,"Mode":448}}],)"
        R"("MaskedPaths":[],"ReadonlyPaths":null,"Tmpfs":{"/x":"size=1m"}})";
    const auto host = parse<HostConfig>(json::parse(sent));
    EXPECT_EQ(host.port_bindings.at("80/tcp").at(0).host_port, "8080");
    EXPECT_EQ(host.restart_policy.maximum_retry_count, 3);
    EXPECT_EQ(host.console_size[1], 80);
    EXPECT_EQ(host.memory_swappiness, -1);
    EXPECT_EQ(host.ulimits.at(0).soft, 1024);
    EXPECT_EQ(host.mounts.at(0).tmpfs_options->mode, 448);
    EXPECT_FALSE(host.masked_paths.is_null());
    EXPECT_TRUE(host.readonly_paths.is_null());
    // What is sent comes back, in Docker's order and with every other member beside it.
    const json::Value written = to_json(host), original = json::parse(sent);
    for (const auto& [name, value] : original.as_object()) {
        SCOPED_TRACE(name);
        EXPECT_TRUE(written[name] == value) << json::dump(written[name]);
    }
    EXPECT_EQ(written.as_object().size(), 65U);  // all 69 but four omitted when empty
}

TEST(Types, RepliesRoundTrip) {
    const std::string_view exec =
        R"({"ID":"e","Running":false,"ExitCode":null,"ProcessConfig":{"tty":false,)"
        R"("entrypoint":"sh","arguments":["-c"],"privileged":false},"OpenStdin":false,)"
        R"("OpenStderr":true,"OpenStdout":true,"CanRemove":false,"ContainerID":"c",)"
        R"("DetachKeys":"","Pid":0})";
    EXPECT_EQ(round_trip<ExecInspect>(exec), exec);
    const std::string_view history =
        R"({"Comment":"","Created":5,"CreatedBy":"/bin/sh -c #(nop) <&>","Id":"<missing>",)"
        R"("Size":0,"Tags":null})";
    EXPECT_EQ(round_trip<HistoryItem>(history), history);  // < and > are not escaped
    EXPECT_EQ(round_trip<ImageDeleteItem>(R"({"Untagged":"a:1"})"), R"({"Untagged":"a:1"})");
    EXPECT_EQ(round_trip<ImagesPruneResponse>(R"({"ImagesDeleted":null,"SpaceReclaimed":0})"),
              R"({"ImagesDeleted":null,"SpaceReclaimed":0})");
    EXPECT_EQ(round_trip<CreateResponse>(R"({"Id":"x","Warnings":[]})"),
              R"({"Id":"x","Warnings":[]})");
    EXPECT_EQ(round_trip<WaitResponse>(R"({"StatusCode":0})"), R"({"StatusCode":0})");
    EXPECT_EQ(round_trip<WaitResponse>(R"({"StatusCode":1,"Error":{"Message":"m"}})"),
              R"({"StatusCode":1,"Error":{"Message":"m"}})");
    const std::string_view progress = R"({"errorDetail":{"code":401,"message":"no"},"error":"no"})";
    EXPECT_EQ(round_trip<ProgressMessage>(progress), progress);
}

TEST(Types, AContainerWithoutNetworkHasEmptyPorts) {
    const json::Value value = to_json(ContainerInspect{});
    EXPECT_EQ(json::dump(value["NetworkSettings"]["Ports"]), "{}");
    EXPECT_EQ(json::dump(value["Mounts"]), "[]");
    EXPECT_EQ(json::dump(value["Args"]), "[]");
    EXPECT_TRUE(value["ExecIDs"].is_null());
    EXPECT_EQ(value.as_object().find("SizeRw"), nullptr);
}

TEST(Types, SummariesRoundTrip) {
    ContainerSummary summary;
    summary.id = "i";
    summary.names = {"/n"};
    summary.network_mode = "none";
    summary.networks["none"].gateway = "g";
    summary.ports.push_back(
        {.ip = "0.0.0.0", .private_port = 80, .public_port = 81, .type = "tcp"});
    const json::Value written = to_json(summary);
    EXPECT_TRUE(to_json(parse<ContainerSummary>(written)) == written);
    EXPECT_EQ(json::dump(written["HostConfig"]), R"({"NetworkMode":"none"})");
}

TEST(Types, ContainerEventsCarryTheOldMembers) {
    EventMessage event;
    event.type = "container";
    event.action = "die";
    event.actor = {"id", {{"image", "busybox"}, {"exitCode", "0"}}};
    event.time_ns = 1'500'000'000;
    EXPECT_EQ(json::dump(to_json(event)),
              R"({"status":"die","id":"id","from":"busybox","Type":"container","Action":"die",)"
              R"("Actor":{"ID":"id","Attributes":{"exitCode":"0","image":"busybox"}},)"
              R"("scope":"local","time":1,"timeNano":1500000000})");
}

}  // namespace hull::api
