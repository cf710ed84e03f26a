#include "compose/request.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/text.hh"
#include "compose/docker_hash.hh"
#include "compose/down.hh"
#include "compose/hash.hh"
#include "compose/labels.hh"
#include "compose/up.hh"

#include <gtest/gtest.h>
#include <unistd.h>

namespace hull::compose {
namespace {

Project load_text(std::string_view text) {
    char path[] = "/tmp/hull-request-XXXXXX";
    const std::string directory = ::mkdtemp(path);
    write_file(directory + "/compose.yaml", text);
    LoadOptions options;
    options.working_directory = directory;
    options.project_name = "p";
    options.check_consistency = true;
    Project project = load_project(options);
    Process::spawn(
        {.arguments = {"/bin/rm", "-rf", directory}, .environment = {}, .descriptors = {}})
        .wait();
    return project;
}

ContainerPlace place_of(const std::string& name) {
    ContainerPlace place;
    place.name = name;
    place.image_id = "sha256:1234";
    place.container_of = [](const std::string& service) { return "id-of-" + service; };
    place.names_of = [](const std::string& service) {
        return std::vector<std::string>{"p-" + service + "-1"};
    };
    return place;
}

/// The create request of a service `web` with this body.
json::Value request_of(const std::string& body, const std::string& more = "") {
    const Project project = load_text("services:\n  web:\n    image: x\n    " + body +
                                      "\n  other: {image: y}\n" + more);
    return to_json(
        make_container_request(project, "web", project.get_service("web"), place_of("p-web-1"))
            .request);
}

/// "HostConfig.CapAdd" of a request as JSON text; "/" separates where names have dots.
std::string at(const json::Value& request, const std::string& path) {
    const json::Value* value = &request;
    for (const std::string& name : split(path, path.find('/') == std::string::npos ? '.' : '/'))
        value = &(*value)[name];
    return json::dump(*value);
}

TEST(Request, EveryKeyOfAServiceReachesTheDaemon) {
    const struct {
        std::string body, path, value;
    } cases[] = {
        {"annotations: {a: b}", "HostConfig.Annotations", R"({"a":"b"})"},
        {"blkio_config: {weight: 300, weight_device: [{path: /dev/a, weight: 4}]}",
         "HostConfig.BlkioWeight", "300"},
        {"blkio_config: {device_read_bps: [{path: /dev/a, rate: 1k}]}",
         "HostConfig.BlkioDeviceReadBps", R"([{"Path":"/dev/a","Rate":1024}])"},
        {"blkio_config: {device_read_iops: [{path: /dev/a, rate: 120}]}",
         "HostConfig.BlkioDeviceReadIOps", R"([{"Path":"/dev/a","Rate":120}])"},
        {"blkio_config: {device_write_bps: [{path: /dev/a, rate: 2mb}]}",
         "HostConfig.BlkioDeviceWriteBps", R"([{"Path":"/dev/a","Rate":2097152}])"},
        {"blkio_config: {device_write_iops: [{path: /dev/a, rate: 30}]}",
         "HostConfig.BlkioDeviceWriteIOps", R"([{"Path":"/dev/a","Rate":30}])"},
        {"cap_add: [NET_ADMIN]", "HostConfig.CapAdd", R"(["NET_ADMIN"])"},
        {"cap_drop: [ALL]", "HostConfig.CapDrop", R"(["ALL"])"},
        {"cgroup: host", "HostConfig.CgroupnsMode", R"("host")"},
        {"cgroup_parent: /x", "HostConfig.CgroupParent", R"("/x")"},
        {"command: echo 'a b' c", "Cmd", R"(["echo","a b","c"])"},
        {"command: [a, b]", "Cmd", R"(["a","b"])"},
        {"cpu_shares: 7", "HostConfig.CpuShares", "7"},
        {"cpu_quota: 50000", "HostConfig.CpuQuota", "50000"},
        {"cpu_period: 100000", "HostConfig.CpuPeriod", "100000"},
        {"cpus: 1.5", "HostConfig.NanoCpus", "1500000000"},
        {"cpuset: 0-1", "HostConfig.CpusetCpus", R"("0-1")"},
        {"deploy: {resources: {limits: {cpus: '0.5'}}}", "HostConfig.NanoCpus", "500000000"},
        {"deploy: {resources: {limits: {memory: 64m}}}", "HostConfig.Memory", "67108864"},
        {"deploy: {resources: {limits: {pids: 9}}}", "HostConfig.PidsLimit", "9"},
        {"deploy: {resources: {reservations: {memory: 1m}}}", "HostConfig.MemoryReservation",
         "1048576"},
        {"deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}",
         "HostConfig.RestartPolicy", R"({"Name":"on-failure","MaximumRetryCount":3})"},
        {"deploy: {restart_policy: {condition: any}}", "HostConfig.RestartPolicy.Name",
         R"("always")"},
        {"device_cgroup_rules: ['c 1:3 mr']", "HostConfig.DeviceCgroupRules", R"(["c 1:3 mr"])"},
        {"devices: ['/dev/null:/dev/x:r']", "HostConfig.Devices",
         R"([{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"r"}])"},
        {"devices: [{source: /dev/null}]", "HostConfig.Devices",
         R"([{"PathOnHost":"/dev/null","PathInContainer":"/dev/null","CgroupPermissions":"rwm"}])"},
        {"dns: 1.1.1.1", "HostConfig.Dns", R"(["1.1.1.1"])"},
        {"dns_opt: [ndots:1]", "HostConfig.DnsOptions", R"(["ndots:1"])"},
        {"dns_search: [a.b]", "HostConfig.DnsSearch", R"(["a.b"])"},
        {"domainname: d", "Domainname", R"("d")"},
        {"entrypoint: /x y", "Entrypoint", R"(["/x","y"])"},
        {"entrypoint: []", "Entrypoint", R"([])"},
        {"environment: {B: 2, A: 'x y'}", "Env", R"(["A=x y","B=2"])"},
        {"expose: ['80', 53/udp]", "ExposedPorts", R"({"53/udp":{},"80/tcp":{}})"},
        {"extra_hosts: {a: 1.2.3.4}", "HostConfig.ExtraHosts", R"(["a:1.2.3.4"])"},
        {"gpus: all", "HostConfig.DeviceRequests",
         R"([{"Driver":"","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":null}])"},
        {"gpus: [{driver: nvidia, device_ids: ['0', '2'], capabilities: [utility], options: {a: "
         "b}}]",
         "HostConfig.DeviceRequests",
         R"([{"Driver":"nvidia","Count":0,"DeviceIDs":["0","2"],"Capabilities":[["utility","gpu"]],"Options":{"a":"b"}}])"},
        {"deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 2, capabilities: "
         "[gpu, tpu], options: {c: d}}]}}}",
         "HostConfig.DeviceRequests",
         R"([{"Driver":"nvidia","Count":2,"DeviceIDs":null,"Capabilities":[["gpu","tpu"]],"Options":{"c":"d"}}])"},
        {"deploy: {resources: {reservations: {devices: [{device_ids: [a], capabilities: [x]}]}}}",
         "HostConfig.DeviceRequests",
         R"([{"Driver":"","Count":0,"DeviceIDs":["a"],"Capabilities":[["x"]],"Options":null}])"},
        {"external_links: ['db:store', cache]", "NetworkingConfig/EndpointsConfig/p_default/Links",
         R"(["db:store","cache:cache"])"},
        {"mac_address: 02:42:ac:11:65:43", "NetworkingConfig/EndpointsConfig/p_default/MacAddress",
         R"("02:42:ac:11:65:43")"},
        {"networks: {default: {driver_opts: {a: 1}, link_local_ips: [169.254.1.2], gw_priority: "
         "4}}",
         "NetworkingConfig/EndpointsConfig/p_default/DriverOpts", R"({"a":"1"})"},
        {"networks: {default: {link_local_ips: [169.254.1.2], ipv6_address: 'fd00::5'}}",
         "NetworkingConfig/EndpointsConfig/p_default/IPAMConfig",
         R"({"IPv6Address":"fd00::5","LinkLocalIPs":["169.254.1.2"]})"},
        {"networks: {default: {gw_priority: 4}}",
         "NetworkingConfig/EndpointsConfig/p_default/GwPriority", "4"},
        {"networks: {default: {interface_name: lan0}}",
         "NetworkingConfig/EndpointsConfig/p_default/DriverOpts",
         R"({"com.docker.network.endpoint.ifname":"lan0"})"},
        {"volumes: [{type: image, source: y, target: /i, image: {subpath: etc}}]",
         "HostConfig.Mounts",
         R"([{"Type":"image","Source":"y","Target":"/i","ImageOptions":{"Subpath":"etc"}}])"},
        {"group_add: [mail, 50]", "HostConfig.GroupAdd", R"(["mail","50"])"},
        {"healthcheck: {test: x y, interval: 2s, timeout: 1s, retries: 4, start_period: 3s}",
         "Healthcheck.Test", R"(["CMD-SHELL","x y"])"},
        {"healthcheck: {test: [CMD, x], interval: 2s}", "Healthcheck.Interval", "2000000000"},
        {"healthcheck: {test: [CMD, x], start_interval: 1s}", "Healthcheck.StartInterval",
         "1000000000"},
        {"healthcheck: {disable: true}", "Healthcheck.Test", R"(["NONE"])"},
        {"hostname: h", "Hostname", R"("h")"},
        {"image: y", "Image", R"("y")"},
        {"init: true", "HostConfig.Init", "true"},
        {"ipc: shareable", "HostConfig.IpcMode", R"("shareable")"},
        {"ipc: service:other", "HostConfig.IpcMode", R"("container:id-of-other")"},
        {"logging: {driver: local, options: {max-size: 1m}}", "HostConfig.LogConfig",
         R"({"Type":"local","Config":{"max-size":"1m"}})"},
        {"mem_limit: 64m", "HostConfig.Memory", "67108864"},
        {"mem_reservation: 32m", "HostConfig.MemoryReservation", "33554432"},
        {"mem_swappiness: 5", "HostConfig.MemorySwappiness", "5"},
        {"memswap_limit: -1", "HostConfig.MemorySwap", "-1"},
        {"network_mode: none", "HostConfig.NetworkMode", R"("none")"},
        {"network_mode: service:other", "HostConfig.NetworkMode", R"("container:id-of-other")"},
        {"oom_kill_disable: true", "HostConfig.OomKillDisable", "true"},
        {"oom_score_adj: 100", "HostConfig.OomScoreAdj", "100"},
        {"pid: host", "HostConfig.PidMode", R"("host")"},
        {"pids_limit: 20", "HostConfig.PidsLimit", "20"},
        {"ports: ['8080:80', '127.0.0.1:53:53/udp', 90]", "HostConfig.PortBindings",
         R"({"53/udp":[{"HostIp":"127.0.0.1","HostPort":"53"}],"80/tcp":[{"HostIp":"","HostPort":"8080"}],"90/tcp":[{"HostIp":"","HostPort":""}]})"},
        {"privileged: true", "HostConfig.Privileged", "true"},
        {"read_only: true", "HostConfig.ReadonlyRootfs", "true"},
        {"restart: on-failure:4", "HostConfig.RestartPolicy",
         R"({"Name":"on-failure","MaximumRetryCount":4})"},
        {"restart: unless-stopped", "HostConfig.RestartPolicy.Name", R"("unless-stopped")"},
        {"runtime: r", "HostConfig.Runtime", R"("r")"},
        {"security_opt: [no-new-privileges]", "HostConfig.SecurityOpt", R"(["no-new-privileges"])"},
        {"shm_size: 1m", "HostConfig.ShmSize", "1048576"},
        {"stdin_open: true", "OpenStdin", "true"},
        {"stop_grace_period: 1m30s", "StopTimeout", "90"},
        {"stop_signal: SIGUSR1", "StopSignal", R"("SIGUSR1")"},
        {"storage_opt: {size: 1G}", "HostConfig.StorageOpt", R"({"size":"1G"})"},
        {"sysctls: [net.core.somaxconn=10]", "HostConfig.Sysctls",
         R"({"net.core.somaxconn":"10"})"},
        {"tmpfs: ['/run', '/tmp:size=1m']", "HostConfig.Tmpfs", R"({"/run":"","/tmp":"size=1m"})"},
        {"tty: true", "Tty", "true"},
        {"ulimits: {nofile: 5}", "HostConfig.Ulimits", R"([{"Name":"nofile","Hard":5,"Soft":5}])"},
        {"ulimits: {nofile: {soft: 3, hard: 4}}", "HostConfig.Ulimits",
         R"([{"Name":"nofile","Hard":4,"Soft":3}])"},
        {"use_api_socket: true", "HostConfig.Binds",
         R"(["/var/run/docker.sock:/var/run/docker.sock"])"},
        {"user: '1:2'", "User", R"("1:2")"},
        {"userns_mode: host", "HostConfig.UsernsMode", R"("host")"},
        {"uts: host", "HostConfig.UTSMode", R"("host")"},
        {"volumes: ['/a:/b:ro']", "HostConfig.Binds", R"(["/a:/b:ro"])"},
        {"volumes: [{type: bind, source: /a, target: /b, bind: {propagation: rslave}}]",
         "HostConfig.Binds", R"(["/a:/b:rw,rslave"])"},
        {"volumes: [{type: bind, source: /a, target: /b, bind: {selinux: Z}}]", "HostConfig.Binds",
         R"(["/a:/b:rw,Z"])"},
        {"volumes: [{type: bind, source: /a, target: /b, consistency: cached, bind: {recursive: "
         "readonly, create_host_path: false}}]",
         "HostConfig.Mounts",
         R"([{"Type":"bind","Source":"/a","Target":"/b","Consistency":"cached","BindOptions":{"ReadOnlyForceRecursive":true}}])"},
        {"volumes: [{type: volume, target: /b, volume: {labels: {a: b}}}]", "HostConfig.Mounts",
         R"([{"Type":"volume","Target":"/b","VolumeOptions":{"Labels":{"a":"b"}}}])"},
        {"volumes_from: ['other:ro', 'container:c']", "HostConfig.VolumesFrom",
         R"(["id-of-other:ro","c"])"},
        {"working_dir: /w", "WorkingDir", R"("/w")"},
    };
    for (const auto& [body, path, value] : cases) {
        SCOPED_TRACE(body);
        // One service has its own image already.
        const std::string text = body.starts_with("image:") ? "labels: {}" : body;
        const json::Value request =
            body.starts_with("image:")
                ? [&] {
            const Project project = load_text("services: {web: {" + body + "}}");
            return to_json(make_container_request(project, "web", project.get_service("web"),
                                                  place_of("p-web-1"))
                               .request);
            }()
            : request_of(text);
        EXPECT_EQ(at(request, path), value);
    }
}

TEST(Request, NetworksVolumesSecretsAndConfigs) {
    const Project project = load_text(R"(
services:
  web:
    image: x
    networks: {front: {aliases: [w], ipv4_address: 10.0.0.5, priority: 10}, back: {mac_address: "02:00:00:00:00:01"}}
    links: ["db:store"]
    volumes: ["data:/d", "/anonymous", {type: tmpfs, target: /t, tmpfs: {size: 1m}}, {type: volume, source: data, target: /n, volume: {nocopy: true, subpath: s}}]
    secrets: [key]
    configs: [{source: made, target: /etc/made, mode: 0400}]
  db: {image: y, networks: [back]}
networks: {front: {}, back: {name: shared, external: true}}
volumes: {data: {}}
secrets: {key: {file: /k}}
configs: {made: {content: text}}
)");
    ContainerPlace place = place_of("p-web-1");
    place.kept_volumes["/anonymous"] = "0123";
    const ContainerRequest made =
        make_container_request(project, "web", project.get_service("web"), place);
    const json::Value request = to_json(made.request);
    EXPECT_EQ(at(request, "HostConfig.NetworkMode"), R"("p_front")");
    EXPECT_EQ(at(request, "NetworkingConfig/EndpointsConfig/p_front/Aliases"),
              R"(["p-web-1","web","w"])");
    EXPECT_EQ(at(request, "NetworkingConfig/EndpointsConfig/p_front/IPAMConfig/IPv4Address"),
              R"("10.0.0.5")");
    EXPECT_EQ(at(request, "NetworkingConfig/EndpointsConfig/p_front/Links"),
              R"(["p-db-1:p-db-1","p-db-1:db","p-db-1:store"])");
    ASSERT_EQ(made.joinings.size(), 1U);
    EXPECT_EQ(made.joinings[0].network, "shared");
    EXPECT_EQ(made.joinings[0].settings.mac_address, "02:00:00:00:00:01");
    const auto& mounts = made.request.host_config.mounts;
    ASSERT_EQ(mounts.size(), 5U);
    EXPECT_EQ(mounts[0].source, "p_data");
    EXPECT_EQ(mounts[1].source, "0123");
    EXPECT_EQ(mounts[2].tmpfs_options->size_bytes, 1048576);
    EXPECT_TRUE(mounts[3].volume_options->no_copy);
    EXPECT_EQ(mounts[3].volume_options->subpath, "s");
    EXPECT_EQ(mounts[4].target, "/run/secrets/key");
    EXPECT_TRUE(mounts[4].read_only);
    ASSERT_EQ(made.files.size(), 1U);
    EXPECT_EQ(made.files[0].content, "text");
    EXPECT_EQ(made.files[0].mode, 0400U);
}

Container made_of(const Project& project, const std::string& service, int number,
                  const std::string& state = "running") {
    ContainerPlace place = place_of(container_name(project, service, number));
    place.number = number;
    const ContainerRequest request =
        make_container_request(project, service, project.get_service(service), place);
    Container container;
    container.id = service + std::to_string(number);
    container.name = place.name;
    container.service = service;
    container.number = number;
    container.state = state;
    container.image_id = place.image_id;
    container.labels = request.request.config.labels;
    return container;
}

std::string plan_text(const Project& project, const State& state, const UpOptions& options = {},
                      const std::string& image_id = "sha256:1234") {
    std::map<std::string, std::string> ids;
    for (const std::string& name : project.service_names()) ids[name] = image_id;
    return describe_plan(make_plan(project, state, ids, options));
}

TEST(Plan, NothingIsDoneTwiceAndEveryRecreationSaysWhy) {
    const Project before =
        load_text("services: {a: {image: x, ports: [\"80:80\"]}, b: {image: y, depends_on: [a]}}");
    State state;
    state.containers = {made_of(before, "a", 1), made_of(before, "b", 1, "exited")};
    EXPECT_EQ(plan_text(before, {}), "a: create p-a-1\nb: create p-b-1\n");
    EXPECT_EQ(plan_text(before, state), "a: keep p-a-1\nb: start p-b-1\n");
    const Project after = load_text(
        "services: {a: {ports: [\"81:80\"], image: x}, b: {image: y, network_mode: "
        "\"service:a\"}}");
    EXPECT_EQ(plan_text(after, state).substr(0, 52),
              "a: recreate p-a-1: ports[0].published: 80→81\nb: re");
    EXPECT_NE(plan_text(after, state)
                  .find("b: recreate p-b-1: a is recreated, whose namespaces or volumes it uses"),
              std::string::npos);
    EXPECT_NE(
        plan_text(before, state, {}, "sha256:9999").find("a: recreate p-a-1: image: 1234→9999\n"),
        std::string::npos);
    UpOptions options;
    options.force_recreate = true;
    EXPECT_EQ(plan_text(before, state, options),
              "a: recreate p-a-1: forced\nb: recreate p-b-1: forced\n");
    options = {};
    options.no_recreate = true;
    EXPECT_EQ(plan_text(load_text("services: {a: {image: x, tty: true}}"),
                        {{made_of(before, "a", 1)}, {}}, options),
              "a: keep p-a-1\n");
    options = {};
    options.scale["a"] = 3;
    EXPECT_EQ(plan_text(before, state, options),
              "a: keep p-a-1\na: create p-a-2\na: create p-a-3\nb: start p-b-1\n");
    options.scale["a"] = 0;
    EXPECT_EQ(plan_text(before, state, options), "a: remove p-a-1: 1 of 0\nb: start p-b-1\n");
}

TEST(Order, DependenciesStartBeforeAndStopAfter) {
    Container web, db;
    web.service = "web";
    web.labels[labels::depends_on] = "db:service_started:false,cache:service_healthy:true";
    db.service = "db";
    const State state{{web, db}, {}};
    EXPECT_EQ(start_order(state)["web"], (std::vector<std::string>{"db", "cache"}));
    EXPECT_TRUE(start_order(state)["db"].empty());
    EXPECT_EQ(stop_order(state)["db"], std::vector<std::string>{"web"});
}

// The hashes are docker compose's own: `docker compose config --hash` of 2.40, and 2.26's label.
TEST(DockerHash, IsDockerComposes) {
    const auto service = [](const std::string& keys) {
        return load_text("services: {web: {image: busybox, " + keys + "}, db: {image: busybox}}")
            .get_service("web");
    };
    struct Case {
        const char* keys;
        const char* now;
        const char* v2_26;
    };
    for (const Case& one : {
             Case{"init: true", "9a0096faf46aed1523b3f1a78cb305a29b8b58046d737eb5cce7d03f509c0f87",
                  "9a0096faf46aed1523b3f1a78cb305a29b8b58046d737eb5cce7d03f509c0f87"},
             Case{"command: sh -c \"a && b <c>\", environment: {B: 2, A: \"é\"}",
                  "2e30eddc55350a5ba00fbc6015e62cc8f1b59ea7be14569630ce1a846497a696",
                  "2e30eddc55350a5ba00fbc6015e62cc8f1b59ea7be14569630ce1a846497a696"},
             Case{"ports: [\"8080:80\"], deploy: {replicas: 2, resources: {limits: {cpus: 0.25}}}",
                  "550927b62681deb0c80b5b85193b9dbc8f1999347dcf20b665c41a74447fb45a",
                  "550927b62681deb0c80b5b85193b9dbc8f1999347dcf20b665c41a74447fb45a"},
             Case{"volumes: [{type: bind, source: /x, target: /b}, \"/s:/t:ro\", {type: tmpfs, "
                  "target: /t2, tmpfs: {size: 1m}}]",
                  "e55c68c79fef561d08761054ce41caaa5507f167dc00ffff9fcf7c7e06ddae55",
                  "e55c68c79fef561d08761054ce41caaa5507f167dc00ffff9fcf7c7e06ddae55"},
             Case{"networks: {default: {aliases: [w], priority: 5}}, ulimits: {nproc: {soft: 1, "
                  "hard: 2}, core: 0}",
                  "727a0f79374918f274d581e9427b0e90dc6178a3e0d25a1cfe58b687d710b848",
                  "a14db57958630fa86a747954db55136cbeecf0b921c391415d21c4428a383a4a"},
             Case{"depends_on: [db], profiles: []",
                  "2afd7866203dca40993313263173003833e9de9c3ad83f2f59484e32a5605234",
                  "d9912f80158817c3804902c2e8f2016cf974ea8ccc35f91918359322bcf936ce"},
             Case{"labels: {b: 1, a: x}, healthcheck: {test: x, interval: 90s}, blkio_config: "
                  "{device_read_bps: [{path: /d, rate: 12mb}]}",
                  "e44adbe6cf266632f0ae9938c23c772dad083537e2fdd4dcc912e4b4107f9dfa",
                  "e44adbe6cf266632f0ae9938c23c772dad083537e2fdd4dcc912e4b4107f9dfa"},
             Case{"mem_swappiness: 60, extra_hosts: [\"b:1.2.3.4\", \"a=::1\"], stop_grace_period: "
                  "0s",
                  "7d6ccc8e2eb69331121e990eb5cc48aa4643c17650ddded75b11c135fa42339b",
                  "7d6ccc8e2eb69331121e990eb5cc48aa4643c17650ddded75b11c135fa42339b"},
         }) {
        const Node node = service(one.keys);
        EXPECT_EQ(docker_service_hash(node), one.now) << one.keys;
        EXPECT_TRUE(has_docker_hash(one.v2_26, node)) << one.keys;
        EXPECT_FALSE(has_docker_hash("0123", node));
    }
}

TEST(DockerHash, OfNetworksAndVolumesIsDockerComposes) {
    const Project project = load_text(R"(
services: {a: {image: x, networks: [n1, n2, n3], volumes: ["v1:/a", "v2:/b"]}}
networks:
  n1: {name: nn_n1}
  n2: {name: nn_n2, labels: {z: "1", a: x}, internal: true, driver: bridge, driver_opts:
    {b: "2", com.docker.network.bridge.enable_icc: "true"}}
  n3: {name: nn_n3, ipam: {driver: default, config: [{subnet: 10.77.0.0/16, gateway: 10.77.0.1,
    ip_range: 10.77.1.0/24, aux_addresses: {h: 10.77.0.9}}]}, enable_ipv6: false, attachable: true}
volumes:
  v1: {name: nn_v1}
  v2: {name: nn_v2, labels: {k: v}, driver_opts: {type: tmpfs, device: tmpfs, o: size=1m}}
)");
    const Node& networks = project.root["networks"];
    EXPECT_TRUE(docker_network_hash(networks["n1"]).starts_with("46873e62593af1af"));
    EXPECT_TRUE(docker_network_hash(networks["n2"]).starts_with("bc39c25e541d2c61"));
    EXPECT_TRUE(docker_network_hash(networks["n3"]).starts_with("fd8c0445a16ee9b9"));
    EXPECT_TRUE(docker_volume_hash(project.root["volumes"]["v1"]).starts_with("8258a21a034837a9"));
    EXPECT_TRUE(docker_volume_hash(project.root["volumes"]["v2"]).starts_with("92b20f48e41ab2cb"));
}

TEST(Plan, ContainersOfAnotherProgramAndLeftOversAreSeen) {
    const Project project = load_text("services: {a: {image: x}}");
    Container foreign = made_of(project, "a", 1);
    foreign.labels.erase(labels::config);
    foreign.labels[labels::config_hash] = "0123";
    EXPECT_EQ(plan_text(project, {{foreign}, {}}),
              "a: recreate p-a-1: docker compose made it of another configuration: what differs is "
              "not known\n");
    Container left = made_of(project, "a", 1);
    left.name = "0123456789ab_p-a-1";
    left.id = "left";
    const std::string text = plan_text(project, {{left, made_of(project, "a", 1)}, {}});
    EXPECT_NE(text.find("a: remove 0123456789ab_p-a-1: left over by an interrupted replacement"),
              std::string::npos);
    EXPECT_NE(text.find("a: keep p-a-1"), std::string::npos);
}

}  // namespace
}  // namespace hull::compose
