#include "cli/commands.hh"
#include "cli/create_flags.hh"
#include "cli/each.hh"
#include "cli/values.hh"
#include "compose/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"cmd", 0, FlagType::text, "Other command, as words of a shell (by a recreate)"},
    {"dry-run", 0, FlagType::boolean, "Only say what would change at once and what by a recreate"},
    {"env", 'e', FlagType::list, "Set an environment variable (by a recreate)", "",
     check_environment},
    {"env-rm", 0, FlagType::list, "Remove an environment variable (by a recreate)"},
    {"label", 'l', FlagType::list, "Set a label", "", check_label},
    {"label-rm", 0, FlagType::list, "Remove a label"},
    {"mount", 0, FlagType::mount, "Mount one thing more (by a recreate)"},
    {"mount-rm", 0, FlagType::list, "Take away what is mounted at a path (by a recreate)"},
    flag_named(create_flags, "blkio-weight"),
    flag_named(create_flags, "cpu-period"),
    flag_named(create_flags, "cpu-quota"),
    flag_named(create_flags, "cpu-rt-period"),
    flag_named(create_flags, "cpu-rt-runtime"),
    flag_named(create_flags, "cpu-shares"),
    flag_named(create_flags, "cpus"),
    flag_named(create_flags, "cpuset-cpus"),
    flag_named(create_flags, "cpuset-mems"),
    {"kernel-memory", 0, FlagType::bytes, "Kernel memory limit", "", nullptr, true},
    flag_named(create_flags, "memory"),
    flag_named(create_flags, "memory-reservation"),
    flag_named(create_flags, "memory-swap"),
    flag_named(create_flags, "pids-limit"),
    {"publish-add", 0, FlagType::list, "Publish one more port, at once ([IP:][HOST:]PORT[/PROTO])"},
    {"publish-rm", 0, FlagType::list, "Withdraw a published port ([IP:][HOST:]PORT[/PROTO])"},
    {"restart", 0, FlagType::text, "What to do when the container exits"},
};

/// The members of the request that were asked for: what is absent stays as it is.
json::Object make_request(const Arguments& arguments) {
    json::Object request;
    const auto integer = [&](std::string_view flag, std::string member) {
        if (arguments.given(flag)) request.append(std::move(member), arguments.integer(flag));
    };
    const auto bytes = [&](std::string_view flag, std::string member) {
        if (arguments.given(flag))
            request.append(std::move(member), parse_swap_bytes(arguments.text(flag)));
    };
    const auto text = [&](std::string_view flag, std::string member) {
        if (arguments.given(flag)) request.append(std::move(member), arguments.text(flag));
    };
    integer("blkio-weight", "BlkioWeight");
    integer("cpu-period", "CpuPeriod");
    integer("cpu-quota", "CpuQuota");
    integer("cpu-rt-period", "CpuRealtimePeriod");
    integer("cpu-rt-runtime", "CpuRealtimeRuntime");
    integer("cpu-shares", "CpuShares");
    if (arguments.given("cpus"))
        request.append("NanoCpus", parse_nano_cpus(arguments.text("cpus")));
    text("cpuset-cpus", "CpusetCpus");
    text("cpuset-mems", "CpusetMems");
    bytes("memory", "Memory");
    bytes("memory-reservation", "MemoryReservation");
    bytes("memory-swap", "MemorySwap");
    integer("pids-limit", "PidsLimit");
    const auto ports = [&](std::string_view flag, std::string member) {
        api::PortMap map;
        for (const std::string& text_of_port : arguments.list(flag))
            for (const PortValue& value : parse_published_ports(text_of_port))
                map[value.port].push_back(value.binding);
        if (!map.empty()) request.append(std::move(member), to_json(map));
    };
    ports("publish-add", "PublishAdd");
    ports("publish-rm", "PublishRemove");
    if (arguments.given("restart")) {
        const api::RestartPolicy policy = parse_restart_policy(arguments.text("restart"));
        request.append(
            "RestartPolicy",
            json::Object{{"Name", policy.name}, {"MaximumRetryCount", policy.maximum_retry_count}});
    }
    return request;
}

/// What the kernel cannot change in a running container.
json::Object make_recreate_request(const Arguments& arguments) {
    json::Object request;
    const auto list = [&](std::string_view flag, std::string member) {
        if (arguments.given(flag)) request.append(std::move(member), arguments.list(flag));
    };
    if (arguments.given("env")) {
        std::vector<std::string> entries;
        for (const std::string& entry : arguments.list("env"))
            if (std::optional<std::string> resolved = resolve_environment(entry))
                entries.push_back(std::move(*resolved));
        request.append("Env", entries);
    }
    list("env-rm", "EnvRemove");
    if (arguments.given("label")) {
        json::Object labels;
        for (const auto& [name, value] : make_string_map(arguments.list("label")))
            labels.append(name, value);
        request.append("Labels", std::move(labels));
    }
    list("label-rm", "LabelsRemove");
    if (arguments.given("cmd")) {
        const auto words = compose::split_command(arguments.text("cmd"));
        if (!words || words->empty()) fail("--cmd: a quote does not end, or there is no word");
        request.append("Cmd", *words);
    }
    if (arguments.given("mount")) {
        json::Array mounts;
        for (const std::string& text : arguments.list("mount"))
            mounts.push_back(to_json(parse_mount(text)));
        request.append("Mounts", std::move(mounts));
    }
    list("mount-rm", "MountsRemove");
    return request;
}

/// One line for each change, with how it comes about.
std::string describe_changes(const std::string& name, const json::Object& limits,
                             const json::Value& recreate) {
    std::string text;
    for (const auto& [member, value] : limits)
        text += fmt::format("{}: {} changes at once\n", name, member);
    if (!recreate.is_object()) return text;
    for (const std::string& change : recreate["Live"].as_strings())
        text += fmt::format("{}: {} changes at once\n", name, change);
    for (const std::string& change : recreate["Recreate"].as_strings())
        text += fmt::format("{}: {} changes {}\n", name, change,
                            recreate["Running"].as_bool()
                                ? "by a recreate: it is stopped and started, its files stay"
                                : "for its next start");
    return text;
}

int run(Invocation& call) {
    if (call.arguments.given("kernel-memory"))
        throw Error(ErrorKind::unsupported,
                    "--kernel-memory is gone from the kernel: use --memory, which includes it");
    const json::Value request = make_request(call.arguments);
    const json::Object recreate = make_recreate_request(call.arguments);
    const bool dry_run = call.arguments.flag("dry-run");
    if (request.as_object().empty() && recreate.empty())
        throw Error(ErrorKind::invalid_argument,
                    "you must provide one or more flags when using this command");
    std::vector<std::string> warnings;
    std::string changes;
    const int code = for_each_argument(call, [&](client::Client& daemon, const std::string& name) {
        const std::string path = "/containers/" + http::encode_percent(name);
        const auto ask_recreate = [&] {
            return recreate.empty() ? json::Value()
                                    : daemon.post(path + "/recreate",
                                                  {{"dryrun", dry_run ? "1" : "0"}}, recreate);
        };
        if (dry_run) {
            daemon.inspect_container(name);  // whether there is one
            changes += describe_changes(name, request.as_object(), ask_recreate());
            return;
        }
        ask_recreate();
        if (request.as_object().empty()) return;
        const json::Value reply = daemon.post(path + "/update", {}, request);
        for (std::string& warning : reply["Warnings"].as_strings())
            warnings.push_back(std::move(warning));
    });
    call.session.print(changes);
    for (const std::string& warning : warnings) call.session.complain(warning);
    return code;
}

}  // namespace

const Command update_command{
    .name = "container update",
    .aliases = {"update"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Change limits, ports, environment, mounts or command of one or more containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
