#include "cli/commands.hh"
#include "cli/create_flags.hh"
#include "cli/each.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
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

int run(Invocation& call) {
    if (call.arguments.given("kernel-memory"))
        throw Error(ErrorKind::unsupported,
                    "--kernel-memory is gone from the kernel: use --memory, which includes it");
    const json::Value request = make_request(call.arguments);
    if (request.as_object().empty())
        throw Error(ErrorKind::invalid_argument,
                    "you must provide one or more flags when using this command");
    std::vector<std::string> warnings;
    const int code = for_each_argument(call, [&](client::Client& daemon, const std::string& name) {
        const json::Value reply =
            daemon.post("/containers/" + http::encode_percent(name) + "/update", {}, request);
        for (std::string& warning : reply["Warnings"].as_strings())
            warnings.push_back(std::move(warning));
    });
    for (const std::string& warning : warnings) call.session.complain(warning);
    return code;
}

}  // namespace

const Command update_command{
    .name = "container update",
    .aliases = {"update"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Change limits, restart policy or published ports of one or more containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
