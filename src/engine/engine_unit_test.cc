#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/event_log.hh"
#include "engine/events.hh"
#include "engine/files.hh"
#include "engine/health.hh"
#include "engine/id_mapping.hh"
#include "engine/merge.hh"
#include "engine/mount_requests.hh"
#include "engine/mounts.hh"
#include "engine/names.hh"
#include "engine/signals.hh"
#include "engine/spec.hh"
#include "engine/table.hh"
#include "engine/text.hh"
#include "engine/validate.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

namespace hull::engine {
namespace {

template <typename Action>
std::string error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.message();
    }
    return "no error";
}

template <typename Action>
ErrorKind kind_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.kind();
    }
    return ErrorKind::internal;
}

Host small_host() {
    Host host = detect_host();
    host.cpus = 2;
    host.cpu_numbers = {0, 1};
    host.memory_nodes = {0};
    host.has_memory_cgroup = host.has_swap_limit = host.has_pids_cgroup = true;
    host.has_apparmor = false;
    return host;
}

api::CreateRequest minimal_request() {
    api::CreateRequest request;
    request.config.image = "busybox";
    request.host_config.network_mode = "none";
    return request;
}

// ---------------------------------------------------------------- words

TEST(Names, DockersRuleDecidesWhatIsAName) {
    for (const char* good : {"ab", "a_b", "a.b-c", "0a", "A1"}) EXPECT_TRUE(is_valid_name(good));
    for (const char* bad : {"", "a", "_a", ".ab", "a b", "a/b", "é1"})
        EXPECT_FALSE(is_valid_name(bad)) << bad;
}

TEST(Names, RandomOnesAreValidAndNeverTaken) {
    int asked = 0;
    std::string name = make_random_name([&](const std::string&) { return ++asked > 20; });
    EXPECT_TRUE(is_valid_name(name));
    EXPECT_EQ(asked, 21);
}

TEST(Signals, NamesNumbersAndRealTimeSignals) {
    EXPECT_EQ(find_signal("SIGTERM"), SIGTERM);
    EXPECT_EQ(find_signal("kill"), SIGKILL);
    EXPECT_EQ(find_signal("15"), 15);
    EXPECT_EQ(find_signal("SIGRTMIN+3"), 37);
    EXPECT_EQ(find_signal("RTMAX-1"), 63);
    EXPECT_EQ(find_signal("0"), std::nullopt);
    EXPECT_EQ(find_signal("65"), std::nullopt);
    EXPECT_EQ(error_of([] { parse_signal("BOGUS"); }), "Invalid signal: BOGUS");
}

TEST(Text, PathsAreCleanedAsGoDoes) {
    struct {
        std::string_view path, clean;
    } const cases[] = {{"/a//b/./c/..", "/a/b"}, {"/..", "/"}, {"a/../..", ".."}, {"", "."}};
    for (const auto& [path, clean] : cases) EXPECT_EQ(clean_path(path), clean);
}

TEST(Text, SizesAreReadAsDockerReadsThem) {
    EXPECT_EQ(find_size("10m"), 10 << 20);
    EXPECT_EQ(find_size("1.5k"), 1536);
    EXPECT_EQ(find_size("2GiB"), 2LL << 30);
    EXPECT_EQ(find_size("100"), 100);
    EXPECT_EQ(find_size("10x"), std::nullopt);
    EXPECT_EQ(find_size(""), std::nullopt);
}

TEST(Text, DurationsInDockersWords) {
    constexpr std::int64_t second = 1'000'000'000;
    struct {
        std::int64_t seconds;
        std::string_view words;
    } const cases[] = {{0, "Less than a second"}, {1, "1 second"},         {59, "59 seconds"},
                       {60, "About a minute"},    {150, "2 minutes"},      {3700, "About an hour"},
                       {7200, "2 hours"},         {3 * 86400, "3 days"},   {20 * 86400, "2 weeks"},
                       {90 * 86400, "3 months"},  {800 * 86400, "2 years"}};
    for (const auto& [seconds, words] : cases) EXPECT_EQ(human_duration(seconds * second), words);
}

TEST(Text, EnvironmentChangesReplaceByNameAndABareNameRemoves) {
    std::vector<std::string> environment = {"A=1", "B=2"};
    merge_environment(environment, {"A=3", "C=4", "B"});
    EXPECT_EQ(environment, (std::vector<std::string>{"A=3", "C=4"}));
}

TEST(Text, DetachKeysBecomeBytes) {
    EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
    EXPECT_EQ(parse_detach_keys("a,DEL,ctrl-@"), std::string("a\x7f\0", 3));
    EXPECT_EQ(kind_of([] { parse_detach_keys("ctrl-1"); }), ErrorKind::invalid_argument);
}

TEST(Text, MomentsAreUnixSecondsOrDatesOrDurations) {
    EXPECT_EQ(parse_moment("1.5"), 1'500'000'000);
    EXPECT_EQ(parse_moment("1970-01-01T00:00:02Z"), 2'000'000'000);
    EXPECT_NEAR(static_cast<double>(parse_moment("1h30m")),
                static_cast<double>(now_ns() - 5400LL * 1'000'000'000), 1e9);
    EXPECT_EQ(kind_of([] { parse_moment("soon"); }), ErrorKind::invalid_argument);
    EXPECT_EQ(kind_of([] { parse_moment("20241100044412"); }), ErrorKind::invalid_argument);
}

// ---------------------------------------------------------------- table

ContainerPointer make_container(const std::string& id, const std::string& name) {
    auto definition = std::make_shared<Definition>();
    definition->id = id;
    auto record = std::make_shared<Record>();
    record->definition = definition;
    record->name = name;
    return std::make_shared<Container>(record);
}

TEST(Table, LooksUpIdThenNameThenPrefix) {
    Table table;
    const std::string first = "abc" + std::string(61, '1'), second = "abd" + std::string(61, '2');
    for (const auto& [id, name] : {std::pair(first, "one"), std::pair(second, "abc")}) {
        table.reserve_name(name, id);
        table.insert(make_container(id, name));
    }
    EXPECT_EQ(table.get(first)->id, first);
    EXPECT_EQ(table.get("/one")->id, first);
    EXPECT_EQ(table.get("abc")->id, second) << "a name wins over a prefix";
    EXPECT_EQ(table.get("abc1")->id, first);
    EXPECT_EQ(error_of([&] { table.get("ab"); }), "multiple IDs found with provided prefix: ab");
    EXPECT_EQ(error_of([&] { table.get("nope"); }), "No such container: nope");
    EXPECT_EQ(kind_of([&] { table.get("nope"); }), ErrorKind::not_found);
}

TEST(Table, ANameInUseIsAConflictUntilItIsReleased) {
    Table table;
    table.reserve_name("web", "id1");
    EXPECT_EQ(error_of([&] { table.reserve_name("/web", "id2"); }),
              "Conflict. The container name \"/web\" is already in use by container \"id1\". You "
              "have to remove (or rename) that container to be able to reuse that name.");
    table.release_name("web");
    EXPECT_EQ(table.reserve_name("web", "id2"), "web");
    EXPECT_EQ(error_of([&] { table.reserve_name("a b", "id3"); }),
              "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

// ---------------------------------------------------------------- merging

TEST(Merge, EntrypointInTheRequestDropsTheImagesCmd) {
    oci::ImageConfigBlock image;
    image.entrypoint = std::vector<std::string>{"/entry"};
    image.cmd = std::vector<std::string>{"arg"};
    struct {
        api::Strings entrypoint, cmd;
        std::vector<std::string> words;
    } const cases[] = {
        {{}, {}, {"/entry", "arg"}},
        {{}, api::Strings(std::vector<std::string>{"x"}), {"/entry", "x"}},
        {api::Strings(std::vector<std::string>{"sh"}), {}, {"sh"}},
        {api::Strings(std::vector<std::string>{"sh"}),
         api::Strings(std::vector<std::string>{"-c"}),
         {"sh", "-c"}},
    };
    for (const auto& [entrypoint, cmd, words] : cases) {
        api::ContainerConfig config;
        config.entrypoint = entrypoint;
        config.cmd = cmd;
        merge_image_config(config, image);
        EXPECT_EQ(command_line(config), words);
    }
}

TEST(Merge, AnEmptyEntrypointLeavesNothingToRun) {
    oci::ImageConfigBlock image;
    image.entrypoint = std::vector<std::string>{"/entry"};
    image.cmd = std::vector<std::string>{"arg"};
    api::ContainerConfig config;
    config.entrypoint = std::vector<std::string>{""};
    merge_image_config(config, image);
    EXPECT_EQ(error_of([&] { command_line(config); }), "No command specified");
}

TEST(Merge, EnvByNameLabelsByKeyAndTheRestWhenEmpty) {
    oci::ImageConfigBlock image;
    image.env = {"PATH=/bin", "A=image"};
    image.labels = {{"a", "image"}, {"b", "image"}};
    image.user = "app";
    image.working_dir = "/srv";
    image.stop_signal = "SIGINT";
    image.volumes = {"/data"};
    api::ContainerConfig config;
    config.env = std::vector<std::string>{"A=own"};
    config.labels = std::map<std::string, std::string>{{"a", "own"}};
    config.working_dir = "/tmp";
    merge_image_config(config, image);
    EXPECT_EQ(std::vector<std::string>(config.env),
              (std::vector<std::string>{"A=own", "PATH=/bin"}));
    EXPECT_EQ(config.labels.at("a"), "own");
    EXPECT_EQ(config.labels.at("b"), "image");
    EXPECT_EQ(config.user, "app");
    EXPECT_EQ(config.working_dir, "/tmp");
    EXPECT_EQ(config.stop_signal, "SIGINT");
    EXPECT_TRUE(config.volumes.contains("/data"));
}

// ---------------------------------------------------------------- validation

TEST(Validate, RefusesWithDockersTexts) {
    struct {
        const char* text;
        void (*change)(api::CreateRequest&);
    } const cases[] =
        {
            {"Minimum memory limit allowed is 6MB",
             [](api::CreateRequest& r) { r.host_config.memory = 1000; }},
            {"You should always set the Memory limit when using Memoryswap limit, see usage",
             [](api::CreateRequest& r) { r.host_config.memory_swap = 1 << 30; }},
            {"Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
             [](api::CreateRequest& r) { r.host_config.nano_cpus = 3'000'000'000; }},
            {"Requested CPUs are not available - requested 0-7, available: 0,1",
             [](api::CreateRequest& r) { r.host_config.cpuset_cpus = "0-7"; }},
            {"invalid restart policy 'bogus'",
             [](api::CreateRequest& r) { r.host_config.restart_policy.name = "bogus"; }},
            {"can't create 'AutoRemove' container with restart policy",
             [](api::CreateRequest& r) {
        r.host_config.restart_policy.name = "always";
        r.host_config.auto_remove = true;
             }},
            {"invalid CapAdd: unknown capability: \"CAP_BOGUS\"",
             [](api::CreateRequest& r) { r.host_config.cap_add.push_back("bogus"); }},
            {"invalid --security-opt 2: \"foo=bar\"",
             [](api::CreateRequest& r) { r.host_config.security_opt.push_back("foo=bar"); }},
            {"the working directory 'tmp' is invalid, it needs to be an absolute path",
             [](api::CreateRequest& r) { r.config.working_dir = "tmp"; }},
            {"Invalid value 2000, range for oom score adj is [-1000, 1000]",
             [](api::CreateRequest& r) { r.host_config.oom_score_adj = 2000; }},
            {"logger: no log driver named 'bogus' is registered",
             [](api::CreateRequest& r) { r.host_config.log_config.type = "bogus"; }},
            {"sysctl \"kernel.hostname\" is not in a separate kernel namespace",
             [](api::CreateRequest& r) { r.host_config.sysctls.emplace("kernel.hostname", "x"); }},
            {"invalid device cgroup rule format: 'c 1:x r'",
             [](api::CreateRequest& r) { r.host_config.device_cgroup_rules.push_back("c 1:x r"); }},
    };
    const Host host = small_host();
    for (const auto& [text, change] : cases) {
        api::CreateRequest request = minimal_request();
        change(request);
        EXPECT_EQ(error_of([&] { validate(request, host); }), text);
        EXPECT_EQ(kind_of([&] { validate(request, host); }), ErrorKind::invalid_argument) << text;
    }
}

TEST(Validate, WhatIsNotSupportedIsNeverIgnored) {
    struct {
        const char* name;
        void (*change)(api::CreateRequest&);
    } const cases[] = {
        {"storage", [](api::CreateRequest& r) { r.host_config.storage_opt.emplace("size", "1g"); }},
        {"log driver", [](api::CreateRequest& r) { r.host_config.log_config.type = "splunk"; }},
        {"gpu", [](api::CreateRequest& r) { r.host_config.device_requests.emplace_back(); }},
        {"apparmor",
         [](api::CreateRequest& r) { r.host_config.security_opt.push_back("apparmor=mine"); }},
    };
    const Host host = small_host();
    for (const auto& [name, change] : cases) {
        api::CreateRequest request = minimal_request();
        change(request);
        EXPECT_EQ(kind_of([&] { validate(request, host); }), ErrorKind::unsupported) << name;
    }
}

TEST(Validate, MemoryWithoutSwapMayUseAsMuchSwapAgain) {
    api::CreateRequest request = minimal_request();
    request.host_config.memory = 64 << 20;
    validate(request, small_host());
    EXPECT_EQ(request.host_config.memory_swap, 128 << 20);
}

TEST(Capabilities, AddDropAllAndPrivileged) {
    api::HostConfig host;
    EXPECT_EQ(effective_capabilities(host).size(), 14u);
    host.cap_drop = std::vector<std::string>{"chown"};
    host.cap_add = std::vector<std::string>{"SYS_ADMIN"};
    auto names = effective_capabilities(host);
    EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_CHOWN"), 0);
    EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_SYS_ADMIN"), 1);
    host.cap_drop = std::vector<std::string>{"ALL"};
    host.cap_add = std::vector<std::string>{"NET_RAW"};
    EXPECT_EQ(effective_capabilities(host), (std::vector<std::string>{"CAP_NET_RAW"}));
    host.cap_add = std::vector<std::string>{"ALL"};
    host.cap_drop = std::vector<std::string>{"SYS_ADMIN"};
    names = effective_capabilities(host);
    EXPECT_GT(names.size(), 30u);
    EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_SYS_ADMIN"), 0);
    host.privileged = true;
    EXPECT_EQ(effective_capabilities(host).size(), names.size() + 1);
}

TEST(SecurityOptions, BothSeparatorsAndProfilesWithColonsInThem) {
    api::HostConfig host;
    host.security_opt =
        std::vector<std::string>{"no-new-privileges", "seccomp={\"defaultAction\":\"x\"}",
                                 "apparmor:unconfined", "label=disable"};
    SecurityOptions options = parse_security_options(host);
    EXPECT_TRUE(options.no_new_privileges);
    EXPECT_EQ(options.seccomp, "{\"defaultAction\":\"x\"}");
    EXPECT_EQ(options.apparmor, "unconfined");
}

// ---------------------------------------------------------------- mounts

std::vector<PlannedMount> plan(const api::ContainerConfig& config, const api::HostConfig& host) {
    return plan_mounts(config, host);
}

TEST(Mounts, BindsTmpfsAndVolumesParentsFirst) {
    api::ContainerConfig config;
    config.volumes.insert("/a/b/c");
    api::HostConfig host;
    host.binds = std::vector<std::string>{"/host/x:/a/b:ro,rslave"};
    host.tmpfs = std::map<std::string, std::string>{{"/a", "size=1m,exec"}};
    auto mounts = plan(config, host);
    ASSERT_EQ(mounts.size(), 3u);
    EXPECT_EQ(to_spec_mount(mounts[0]).options,
              (std::vector<std::string>{"nosuid", "nodev", "size=1m", "exec"}));
    EXPECT_EQ(to_spec_mount(mounts[1]).options,
              (std::vector<std::string>{"rbind", "rro", "rslave"}));
    EXPECT_EQ(to_spec_mount(mounts[1]).source, "/host/x");
    EXPECT_TRUE(mounts[2].anonymous);
    EXPECT_TRUE(mounts[2].copy_up);
}

TEST(Mounts, NamedVolumesAndTheirModes) {
    api::HostConfig host;
    host.volume_driver = "other";
    host.binds = std::vector<std::string>{"data:/a", "logs:/b:ro,nocopy"};
    auto mounts = plan({}, host);
    ASSERT_EQ(mounts.size(), 2u);
    EXPECT_EQ(mounts[0].volume, "data");
    EXPECT_EQ(mounts[0].driver, "other");
    EXPECT_EQ(mounts[0].mode, "z");
    EXPECT_TRUE(mounts[0].copy_up);
    EXPECT_FALSE(mounts[0].anonymous);
    EXPECT_TRUE(mounts[1].read_only);
    EXPECT_FALSE(mounts[1].copy_up);
}

TEST(Mounts, FromOthersUnlessTakenAndNeverMoreThanTheyHad) {
    api::HostConfig host;
    host.binds = std::vector<std::string>{"data:/a", "/host:/b:ro"};
    host.tmpfs = std::map<std::string, std::string>{{"/t", ""}};
    const auto donor = plan({}, host);
    const auto all = inherit_mounts(donor, "");
    ASSERT_EQ(all.size(), 2u);  // no tmpfs
    EXPECT_FALSE(all[0].read_only);
    EXPECT_TRUE(all[1].read_only);
    EXPECT_TRUE(inherit_mounts(donor, "ro")[0].read_only);
    EXPECT_TRUE(inherit_mounts(donor, "rw")[1].read_only);
    EXPECT_EQ(error_of([&] { inherit_mounts(donor, "rshared"); }), "invalid mode: rshared");
    EXPECT_EQ(error_of([&] { inherit_mounts(donor, "ro,rw"); }), "invalid mode: ro,rw");
    api::HostConfig own;
    own.binds = std::vector<std::string>{"mine:/a"};
    const auto mounts = plan_mounts({}, own, all);
    ASSERT_EQ(mounts.size(), 2u);
    EXPECT_EQ(mounts[0].volume, "mine");
}

TEST(Mounts, RefusalsInDockersWords) {
    struct {
        const char *bind, *text;
    } const cases[] = {
        {"/a", "invalid volume specification: '/a'"},
        {"/a:/b:ro,rw", "invalid mode: ro,rw"},
        {"/a:/b:bogus", "invalid mode: bogus"},
        {"/a:/",
         "invalid volume specification: '/a:/': invalid mount config: invalid specification: "
         "destination can't be '/'"},
        {"/a:b",
         "invalid volume specification: '/a:b': invalid mount config: invalid mount path: 'b' "
         "mount "
         "path must be absolute"},
    };
    for (const auto& [bind, text] : cases) {
        api::HostConfig host;
        host.binds.push_back(bind);
        EXPECT_EQ(error_of([&] { plan({}, host); }), text);
    }
    api::HostConfig host;
    host.binds = std::vector<std::string>{"/a:/x", "/b:/x/"};
    EXPECT_EQ(error_of([&] { plan({}, host); }), "Duplicate mount point: /x");
    api::HostConfig with_subpath;
    api::Mount mount;
    mount.type = "volume";
    mount.target = "/x";
    mount.volume_options.emplace().subpath = "a";
    with_subpath.mounts.push_back(mount);
    EXPECT_EQ(error_of([&] { plan({}, with_subpath); }),
              "invalid mount config for type \"volume\": must not set Subpath when using anonymous "
              "volumes");
}

TEST(IdMaps, TwoIdsAreExchangedAndNobodyIsLost) {
    const IdMapping mapping = make_id_mapping("map=host", {1000, 0}, {0, 0});
    ASSERT_EQ(mapping.uids.size(), 4u);  // nothing lies below 0
    std::uint64_t ids = 0;
    for (const oci::IdMapping& range : mapping.uids) {
        ids += range.size;
        EXPECT_EQ(range.host_id, range.container_id == 1000 ? 0u
                                 : range.container_id == 0  ? 1000u
                                                            : range.container_id);
    }
    EXPECT_EQ(ids, 0xffffffffu);
    EXPECT_EQ(mapping.gids.size(), 1u);  // the same on both sides
    const IdMapping given = make_id_mapping("idmap=uids=5-6-7;gids=1-2-3#4-5-6", {}, {});
    EXPECT_EQ(given.uids[0].container_id, 5u);
    EXPECT_EQ(given.uids[0].host_id, 6u);
    EXPECT_EQ(given.gids.size(), 2u);
    for (const char* text : {"idmap=", "idmap=uids=1-2-3", "idmap=uids=1-2-0;gids=1-2-3",
                             "idmap=uids=a-2-3;gids=1-2-3", "map=guest", "idmap=x=1"})
        EXPECT_NE(error_of([&] { check_id_map(text); }), "") << text;
}

TEST(Mounts, WhatDoesNotBelongToAKindIsRefused) {
    struct {
        std::function<void(api::Mount&)> change;
        const char* text;
    } const cases[] = {
        {[](api::Mount& m) { m.type = "bind", m.source = "/a", m.volume_options.emplace(); },
         "invalid mount config for type \"bind\": field VolumeOptions must not be specified"},
        {[](api::Mount& m) { m.type = "volume", m.bind_options.emplace(); },
         "invalid mount config for type \"volume\": field BindOptions must not be specified"},
        {[](api::Mount& m) { m.type = "tmpfs", m.source = "x"; },
         "invalid mount config for type \"tmpfs\": field Source must not be specified"},
        {[](api::Mount& m) { m.type = "image"; },
         "invalid mount config for type \"image\": field Source must not be empty"},
        {[](api::Mount& m) { m.type = "x"; },
         "invalid mount config for type \"x\": mount type unknown"},
        {[](api::Mount& m) { m.type = "volume", m.read_only = true; },
         "invalid mount config for type \"volume\": must not set ReadOnly mode when using "
         "anonymous volumes"},
        {[](api::Mount& m) { m.type = "bind", m.source = "a"; },
         "invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be "
         "absolute"},
    };
    for (const auto& [change, text] : cases) {
        api::Mount mount;
        mount.target = "/x";
        change(mount);
        EXPECT_EQ(error_of([&] { plan_mount_request(mount); }), text);
    }
}

TEST(Mounts, AMissingSourceIsMadeForVAndRefusedForMount) {
    api::HostConfig host;
    api::Mount mount;
    mount.type = "bind";
    mount.source = "/hull-no-such-path";
    mount.target = "/x";
    host.mounts.push_back(mount);
    EXPECT_EQ(error_of([&] { check_bind_sources(plan({}, host)); }),
              "invalid mount config for type \"bind\": bind source path does not exist: "
              "/hull-no-such-path");
    api::HostConfig with_bind;
    with_bind.binds = std::vector<std::string>{"/hull-no-such-path:/x"};
    EXPECT_NO_THROW(check_bind_sources(plan({}, with_bind)));
}

// ---------------------------------------------------------------- the spec

struct SpecTest : testing::Test {
    Definition definition;
    Options options;
    Host host = small_host();
    SeccompChoice seccomp;

    SpecTest() {
        definition.id = std::string(64, 'a');
        definition.path = "sh";
        definition.args = {"-c", "true"};
        definition.config.hostname = "aaaaaaaaaaaa";
        definition.host.network_mode = "none";
        definition.host.ipc_mode = "private";
        definition.host.cgroupns_mode = "private";
        options.data_root = "/data";
    }
    oci::Spec make() {
        return make_spec({definition,
                          options,
                          host,
                          "/data/containers/" + definition.id,
                          seccomp,
                          {},
                          [](const std::string&) { return pid_t(4711); }});
    }
    static const oci::Mount* find_mount(const oci::Spec& spec, std::string_view destination) {
        for (const oci::Mount& mount : spec.mounts)
            if (mount.destination == destination) return &mount;
        return nullptr;
    }
    static std::string namespaces(const oci::Spec& spec) {
        std::string text;
        for (const oci::Namespace& one : spec.linux_.namespaces)
            text += std::string(oci::to_string(one.type)) +
                    (one.path.empty() ? "" : "=" + one.path) + " ";
        return text;
    }
};

TEST_F(SpecTest, AppArmorConfinesUnlessAskedOtherwise) {
    const AppArmorDefault loaded{.is_loaded = true, .problem = ""};
    EXPECT_EQ(apparmor_profile(definition, host, loaded), "") << "the host has none";
    host.has_apparmor = true;
    EXPECT_EQ(apparmor_profile(definition, host, loaded), "docker-default");
    EXPECT_EQ(apparmor_profile(definition, host, {}), "") << "no apparmor_parser, as in Docker";
    const AppArmorDefault broken{.is_loaded = false, .problem = "it failed"};
    EXPECT_THROW(apparmor_profile(definition, host, broken), Error);
    definition.host.security_opt = {"apparmor=mine"};
    EXPECT_EQ(apparmor_profile(definition, host, broken), "mine");
    definition.host.security_opt = {};
    definition.host.privileged = true;
    EXPECT_EQ(apparmor_profile(definition, host, broken), "unconfined");
}

TEST_F(SpecTest, DefaultsAreDockers) {
    oci::Spec spec = make();
    EXPECT_EQ(namespaces(spec), "mount network uts pid ipc cgroup ");
    EXPECT_EQ(spec.process->args, (std::vector<std::string>{"sh", "-c", "true"}));
    EXPECT_EQ(spec.process->env,
              (std::vector<std::string>{
                  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                  "HOSTNAME=aaaaaaaaaaaa"}));
    EXPECT_EQ(spec.process->cwd, "/");
    EXPECT_EQ(spec.process->user.username, "0");
    EXPECT_EQ(spec.process->capabilities->bounding.size(), 14u);
    EXPECT_TRUE(spec.process->capabilities->inheritable.empty());
    EXPECT_EQ(spec.linux_.cgroups_path, "/hull/" + definition.id);
    EXPECT_EQ(spec.hostname, "aaaaaaaaaaaa");
    std::string destinations;
    for (const oci::Mount& mount : spec.mounts) destinations += mount.destination + " ";
    EXPECT_EQ(destinations,
              "/proc /dev /dev/pts /sys /sys/fs/cgroup /dev/mqueue /dev/shm /etc/resolv.conf "
              "/etc/hostname /etc/hosts ");
    EXPECT_EQ(find_mount(spec, "/dev/shm")->options.back(), "size=67108864");
    EXPECT_EQ(find_mount(spec, "/sys")->options.back(), "ro");
    const auto& masked = spec.linux_.masked_paths;
    for (const char* path : {"/proc/kcore", "/proc/keys", "/sys/firmware", "/proc/acpi"})
        EXPECT_EQ(std::count(masked.begin(), masked.end(), path), 1) << path;
    EXPECT_EQ(spec.linux_.readonly_paths.size(), 5u);
    EXPECT_EQ(spec.linux_.sysctl.at("net.ipv4.ip_unprivileged_port_start"), "0");
    ASSERT_FALSE(spec.linux_.resources.devices.empty());
    EXPECT_FALSE(spec.linux_.resources.devices.front().allow);
    EXPECT_FALSE(spec.root.readonly);
}

TEST_F(SpecTest, PrivilegedHidesAndForbidsNothing) {
    definition.host.privileged = true;
    oci::Spec spec = make();
    EXPECT_TRUE(spec.linux_.masked_paths.empty());
    EXPECT_TRUE(spec.linux_.readonly_paths.empty());
    EXPECT_EQ(spec.linux_.resources.devices.size(), 1u);
    EXPECT_TRUE(spec.linux_.resources.devices.front().allow);
    EXPECT_EQ(find_mount(spec, "/sys")->options.back(), "rw");
    EXPECT_GT(spec.process->capabilities->bounding.size(), 30u);
    EXPECT_EQ(seccomp_profile_text(definition, options), "");
}

TEST_F(SpecTest, HostModesLeaveNamespacesOut) {
    definition.host.network_mode = definition.host.pid_mode = definition.host.uts_mode = "host";
    definition.host.ipc_mode = "host";
    oci::Spec spec = make();
    EXPECT_EQ(namespaces(spec), "mount cgroup ");
    EXPECT_EQ(spec.hostname, "");
    EXPECT_TRUE(spec.linux_.sysctl.empty());
    EXPECT_EQ(find_mount(spec, "/dev/shm")->source, "/dev/shm");
}

TEST_F(SpecTest, ContainerModesJoinByPath) {
    definition.host.network_mode = definition.host.pid_mode = "container:other";
    EXPECT_EQ(namespaces(make()),
              "mount network=/proc/4711/ns/net uts pid=/proc/4711/ns/pid ipc cgroup ");
}

TEST_F(SpecTest, LimitsBecomeResources) {
    api::HostConfig& limits = definition.host;
    limits.memory = 64 << 20;
    limits.memory_swap = 128 << 20;
    limits.nano_cpus = 1'500'000'000;
    limits.pids_limit = 50;
    limits.cpu_shares = 512;
    limits.ulimits.push_back({"nofile", 2048, 1024});
    oci::Spec spec = make();
    EXPECT_EQ(spec.linux_.resources.memory.limit, 64 << 20);
    EXPECT_EQ(spec.linux_.resources.memory.swap, 128 << 20);
    EXPECT_EQ(spec.linux_.resources.cpu.quota, 150'000);
    EXPECT_EQ(spec.linux_.resources.cpu.period, 100'000u);
    EXPECT_EQ(spec.linux_.resources.cpu.shares, 512u);
    EXPECT_EQ(spec.linux_.resources.pids_limit, 50);
    ASSERT_EQ(spec.process->rlimits.size(), 1u);
    EXPECT_EQ(spec.process->rlimits[0].type, "RLIMIT_NOFILE");
    EXPECT_EQ(spec.process->rlimits[0].soft, 1024u);
}

TEST_F(SpecTest, AUserMountReplacesTheDefaultOne) {
    definition.host.tmpfs = std::map<std::string, std::string>{{"/dev/shm", "size=1m"}};
    definition.host.binds = std::vector<std::string>{"/etc/hosts:/etc/hosts"};
    definition.plan = plan(definition.config, definition.host);
    oci::Spec spec = make();
    auto count = [&](std::string_view destination) {
        return std::count_if(spec.mounts.begin(), spec.mounts.end(), [&](const oci::Mount& mount) {
            return mount.destination == destination;
        });
    };
    EXPECT_EQ(count("/dev/shm"), 1);
    EXPECT_EQ(count("/etc/hosts"), 1);
    EXPECT_EQ(find_mount(spec, "/etc/hosts")->source, "/etc/hosts");
}

TEST_F(SpecTest, AVolumeOverEtcDoesNotHideHosts) {
    definition.host.binds = std::vector<std::string>{"/srv:/etc"};
    definition.plan = plan(definition.config, definition.host);
    oci::Spec spec = make();
    EXPECT_LT(find_mount(spec, "/etc"), find_mount(spec, "/etc/hosts"));
}

TEST_F(SpecTest, DevicesAreMadeAndAllowed) {
    definition.host.devices.push_back({"/dev/null", "/dev/mynull", "r"});
    oci::Spec spec = make();
    ASSERT_EQ(spec.linux_.devices.size(), 1u);
    EXPECT_EQ(spec.linux_.devices[0].path, "/dev/mynull");
    EXPECT_EQ(spec.linux_.devices[0].major, 1);
    EXPECT_EQ(spec.linux_.resources.devices.back().access, "r");
    definition.host.devices[0].path_on_host = "/dev/hull-no-such";
    EXPECT_EQ(error_of([&] { make(); }),
              "error gathering device information while adding custom device "
              "\"/dev/hull-no-such\": no such file or directory");
}

TEST_F(SpecTest, GroupsAndUserGoToTheRuntimeAsTyped) {
    definition.config.user = "www-data:staff";
    definition.host.group_add = std::vector<std::string>{"audio", "44"};
    EXPECT_EQ(make().process->user.username, "www-data:staff+audio+44");
    api::ExecCreateRequest request;
    request.user = "nobody";
    request.cmd = std::vector<std::string>{"id"};
    request.tty = true;
    oci::Process process =
        make_exec_process({definition, options, host, "/data", seccomp, {}, nullptr}, request);
    EXPECT_EQ(process.user.username, "nobody+audio+44");
    EXPECT_EQ(process.args, (std::vector<std::string>{"id"}));
    EXPECT_EQ(process.env.back(), "TERM=xterm");
}

TEST(Records, SurviveTheirRow) {
    Definition definition;
    definition.id = std::string(64, 'b');
    definition.created_ns = 42;
    definition.image_id = "sha256:x";
    definition.diff_ids = {"sha256:y"};
    definition.config.env = std::vector<std::string>{"A=1"};
    definition.host.auto_remove = true;
    definition.path = "sh";
    PlannedMount mount;
    mount.type = PlannedMount::Type::volume;
    mount.volume = "v";
    mount.destination = "/data";
    definition.plan = {mount};
    Definition copy = parse_definition(json::parse(json::dump(to_json(definition))));
    EXPECT_EQ(to_json(copy), to_json(definition));
    RunState state;
    state.phase = Phase::paused;
    state.pid = 7;
    state.exit_code = 3;
    state.error = "x";
    EXPECT_EQ(to_json(parse_run_state(json::parse(json::dump(to_json(state))))), to_json(state));
}

TEST(ResolvConf, OptionsReplaceTheHostsLines) {
    api::HostConfig host;
    host.dns = std::vector<std::string>{"9.9.9.9"};
    host.dns_search = std::vector<std::string>{"example.org"};
    EXPECT_EQ(make_resolv_conf("nameserver 1.1.1.1\nsearch old\noptions ndots:2\n", host, {}),
              "options ndots:2\nnameserver 9.9.9.9\nsearch example.org\n");
}

// ---------------------------------------------------------------- events

api::EventMessage make_event(std::string action, std::map<std::string, std::string> attributes) {
    api::EventMessage event;
    event.type = "container";
    event.action = std::move(action);
    event.actor = {"id1", std::move(attributes)};
    return event;
}

TEST(Events, FiltersChooseAndLabelsMustAllFit) {
    api::EventMessage event = make_event("exec_create: sh", {{"name", "web"}, {"a", "1"}});
    EXPECT_TRUE(matches(event, {{"event", {"die", "exec_create"}}}));
    EXPECT_TRUE(matches(event, {{"container", {"web"}}}));
    EXPECT_TRUE(matches(event, {{"label", {"a=1"}}}));
    EXPECT_FALSE(matches(event, {{"label", {"a=1", "b"}}}));
    EXPECT_FALSE(matches(event, {{"type", {"image"}}}));
    EXPECT_EQ(error_of([] { check_event_filters({{"bogus", {}}}); }), "invalid filter 'bogus'");
}

TEST(Events, SinceReplaysAndUntilEnds) {
    EventBus bus;
    for (const char* action : {"create", "start", "die"}) bus.publish(make_event(action, {}));
    EventQuery query;
    query.since_ns = 0;
    query.until_ns = now_ns() + 1000;
    std::string seen;
    auto feed = bus.follow(query);
    EXPECT_EQ(bus.listeners(), 1);
    const auto sink = [&](const PublishedEvent& event) {
        seen += event.message.action + " ";
        return true;
    };
    while (feed->advance(sink) != Progress::ended) continue;
    EXPECT_EQ(seen, "create start die ");
    feed.reset();
    EXPECT_EQ(bus.listeners(), 0);
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/hull-engine-test-XXXXXX";
        if (!::mkdtemp(name)) throw_errno(errno, "mkdtemp");
        path_ = name;
    }
    ~TemporaryDirectory() { sys::remove_tree(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const Path& path() const { return path_; }

private:
    Path path_;
};

/// What a listener sees that is held up at its first event until `later` more are published.
std::vector<api::EventMessage> events_of_slow_listener(EventBus& bus, int later) {
    EventQuery query;
    query.since_ns = 0;
    std::vector<api::EventMessage> seen;
    bus.publish(make_event("first", {}));
    const auto feed = bus.follow(query);
    const auto sink = [&](const PublishedEvent& event) {
        seen.push_back(event.message);
        if (seen.size() == 1)
            for (int i = 0; i < later; ++i)
                bus.publish(make_event(i + 1 < later ? "x" : "end", {}));
        return event.message.action != "end";
    };
    while (feed->advance(sink) != Progress::ended) continue;
    return seen;
}

TEST(Events, ABellIsHeardOnceUntilTheListenerLooks) {
    EventBus bus;
    const auto feed = bus.follow({});
    const Fd wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    Bell::Listener listener(feed->bell(), wakeup.get());
    EXPECT_FALSE(listener.take());
    for (int i = 0; i < 3; ++i) bus.publish(make_event("start", {}));
    eventfd_t count = 0;
    EXPECT_EQ(::eventfd_read(wakeup.get(), &count), 0);
    EXPECT_EQ(count, 1U);
    EXPECT_TRUE(listener.take());
    EXPECT_FALSE(listener.take());
    int seen = 0;
    const auto sink = [&](const PublishedEvent&) { return ++seen > 0; };
    EXPECT_EQ(feed->advance(sink), Progress::idle);
    EXPECT_EQ(seen, 3);
}

TEST(Events, SlowListenerGetsAllFromTheLog) {
    const TemporaryDirectory directory;
    EventBus bus;
    bus.keep_in(directory.path());
    const auto seen = events_of_slow_listener(bus, 5000);
    ASSERT_EQ(seen.size(), 5001U);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].sequence, i + 1);
}

TEST(Events, SlowListenerIsToldWhatItMissed) {
    EventBus bus;
    const auto seen = events_of_slow_listener(bus, 3000);
    ASSERT_EQ(seen.size(), 1U + 1 + 1024);
    EXPECT_EQ(seen[1].type, "daemon");
    EXPECT_EQ(seen[1].action, "gap");
    EXPECT_EQ(seen[1].actor.attributes.at("missed"), std::to_string(3000 - 1024));
    EXPECT_EQ(seen[2].sequence, 1U + 3000 - 1024 + 1);
}

TEST(Events, LogOutlivesTheDaemonAndATornLine) {
    const TemporaryDirectory directory;
    {
        EventBus bus;
        bus.keep_in(directory.path());
        bus.publish(make_event("create", {{"sequence", "77"}}));
        bus.publish(make_event("start", {}));
    }
    {
        const Fd file = sys::open(join(directory.path(), "newer"), O_WRONLY | O_APPEND);
        sys::write_all(file.get(), R"({"Type":"container","Action":"di)");
    }
    EventBus bus;
    bus.keep_in(directory.path());
    const auto seen = events_of_slow_listener(bus, 1);
    ASSERT_EQ(seen.size(), 4U);
    EXPECT_EQ(seen[0].action, "create");
    EXPECT_EQ(seen[3].sequence, 4U);
}

TEST(Events, LogKeepsTwoSegments) {
    const TemporaryDirectory directory;
    EventLog log(directory.path(), 1000);
    api::EventMessage event = make_event("start", {});
    for (event.sequence = 1; event.sequence <= 100; ++event.sequence)
        log.append(json::dump(to_json(event)) + "\n");
    const auto tail = log.read_tail(1000);
    ASSERT_FALSE(tail.empty());
    EXPECT_GT(tail.front().sequence, 50U);
    EXPECT_EQ(tail.back().sequence, 100U);
    EXPECT_EQ(log.read(1, 3).size(), 3U);
    EXPECT_EQ(log.read(100, 3).size(), 1U);
}

// ---------------------------------------------------------------- health

ProbeResult probe(int exit_code, std::int64_t started_ns) {
    return {
        .started_ns = started_ns, .ended_ns = started_ns + 1, .exit_code = exit_code, .output = ""};
}

TEST(Health, RetriesInARowMakeUnhealthyAndOneSuccessHealthy) {
    HealthCheck check;
    check.retries = 3;
    Health health;
    health.status = Health::Status::starting;
    for (int code : {1, 1}) health = after_probe(health, check, 0, probe(code, 1));
    EXPECT_EQ(health.status, Health::Status::starting);
    health = after_probe(health, check, 0, probe(0, 1));
    EXPECT_EQ(health.status, Health::Status::healthy);
    EXPECT_EQ(health.failing_streak, 0);
    for (int code : {1, 2, -1}) health = after_probe(health, check, 0, probe(code, 1));
    EXPECT_EQ(health.status, Health::Status::unhealthy);
    EXPECT_EQ(health.failing_streak, 3);
    EXPECT_EQ(health.log.size(), 5U);
}

TEST(Health, FailuresOfTheStartPeriodCountOnlyOnceItWasHealthy) {
    HealthCheck check;
    check.retries = 1;
    check.start_period_ns = 100;
    Health health;
    health.status = Health::Status::starting;
    health = after_probe(health, check, 1000, probe(1, 1099));
    EXPECT_EQ(health.status, Health::Status::starting);
    EXPECT_EQ(health.failing_streak, 0);
    const Health late = after_probe(health, check, 1000, probe(1, 1100));
    EXPECT_EQ(late.status, Health::Status::unhealthy);
    health = after_probe(health, check, 1000, probe(0, 1050));
    health = after_probe(health, check, 1000, probe(1, 1060));
    EXPECT_EQ(health.status, Health::Status::unhealthy);
}

TEST(Health, ChecksMoreOftenWhileItStarts) {
    api::ContainerConfig config;
    config.healthcheck.emplace().test = api::Strings(std::vector<std::string>{"CMD", "true"});
    config.healthcheck->start_period = 60'000'000'000;
    const HealthCheck check = make_health_check(config);
    EXPECT_EQ(check.command, std::vector<std::string>{"true"});
    Health health;
    health.status = Health::Status::starting;
    EXPECT_EQ(next_probe_delay_ns(health, check, 0), 5'000'000'000);
    EXPECT_EQ(next_probe_delay_ns(health, check, 60'000'000'000), 30'000'000'000);
    health.status = Health::Status::healthy;
    EXPECT_EQ(next_probe_delay_ns(health, check, 0), 30'000'000'000);
    EXPECT_EQ(go_duration(30'000'000'000), "30s");
    EXPECT_EQ(go_duration(90'500'000'000), "1m30.5s");
    EXPECT_EQ(go_duration(200'000'000), "200ms");
}

}  // namespace
}  // namespace hull::engine
