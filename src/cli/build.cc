#include "api/types/system.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "cli/build_call.hh"
#include "cli/build_context.hh"
#include "cli/build_output.hh"
#include "cli/commands.hh"
#include "cli/credentials.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"
#include "cli/words.hh"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace hull::cli {
namespace {

void check_progress(std::string_view text) {
    for (const std::string_view known : {"auto", "plain", "tty", "quiet", "rawjson"})
        if (text == known) return;
    fail("invalid progress mode {}: use auto, plain, tty, quiet or rawjson", text);
}

constexpr Flag flags[] = {
    {"add-host", 0, FlagType::list, "Add a line to /etc/hosts of the steps (host:ip)", "",
     check_extra_host},
    {"allow", 0, FlagType::list, "Allow what is not allowed by default (security.insecure)"},
    {"build-arg", 0, FlagType::list, "Set a build argument"},
    {"call", 0, FlagType::text,
     "Ask the Dockerfile instead: check, outline or targets (,format=json)", "build"},
    {"cgroup-parent", 0, FlagType::text, "Cgroup to make the steps' cgroups in"},
    {"check", 0, FlagType::boolean, "The same as --call=check"},
    {"compress", 0, FlagType::boolean, "Compress the context (accepted: it is not worth it here)"},
    {"cpu-period", 0, FlagType::integer, "Period of the CPU quota in microseconds"},
    {"cpu-quota", 0, FlagType::integer, "CPU time per period in microseconds"},
    {"cpu-shares", 'c', FlagType::integer, "Relative CPU weight"},
    {"cpuset-cpus", 0, FlagType::text, "CPUs to run on (0-3, 0,1)"},
    {"cpuset-mems", 0, FlagType::text, "Memory nodes to use (0-3, 0,1)"},
    {"file", 'f', FlagType::text, "The Dockerfile (\"PATH/Dockerfile\")"},
    {"force-rm", 0, FlagType::boolean, "Remove a step's container (they always are)"},
    {"iidfile", 0, FlagType::text, "Write the image's ID to this file"},
    {"label", 0, FlagType::list, "Add a label to the image"},
    {"load", 0, FlagType::boolean, "Keep the image here (it always is)"},
    {"memory", 'm', FlagType::bytes, "Memory limit of a step"},
    {"memory-swap", 0, FlagType::swap_bytes, "Memory and swap limit of a step, -1: unlimited"},
    {"metadata-file", 0, FlagType::text, "Write what was built to this file, as JSON"},
    {"network", 0, FlagType::text, "Network of the RUN steps", "default"},
    {"no-cache", 0, FlagType::boolean, "Run every step"},
    {"output", 'o', FlagType::text, "Where the result goes: DIR, -, or type=…,dest=…", "",
     check_build_output},
    {"platform", 0, FlagType::text, "Platform of the image (os[/arch[/variant]])"},
    {"progress", 0, FlagType::text, "Output: auto, plain, tty, quiet or rawjson", "auto",
     check_progress},
    {"pull", 0, FlagType::boolean, "Look for newer base images"},
    {"quiet", 'q', FlagType::boolean, "Print only the image's ID"},
    {"rm", 0, FlagType::boolean, "Remove a step's container (they always are)", "true"},
    {"secret", 0, FlagType::list, "Secret for RUN --mount=type=secret (id=x[,src=FILE|,env=NAME])"},
    {"security-opt", 0, FlagType::strings, "Security options of the steps"},
    {"shm-size", 0, FlagType::bytes, "Size of /dev/shm"},
    {"ssh", 0, FlagType::list, "SSH agent for RUN --mount=type=ssh (default|id[=SOCKET])"},
    {"tag", 't', FlagType::list, "Name of the image (name:tag)"},
    {"target", 0, FlagType::text, "Stage to build"},
    {"ulimit", 0, FlagType::ulimit, "Limits of the steps' processes"},
};

/// NAME=value, or NAME with the value of our environment; null when there is none.
json::Object build_arguments(const Arguments& arguments) {
    json::Object map;
    for (const std::string& item : arguments.list("build-arg")) {
        const auto [name, value] = cut(item, '=');
        if (value) {
            map[name] = std::string(*value);
        } else if (const char* own = std::getenv(std::string(name).c_str())) {
            map[name] = own;
        } else {
            map[name] = nullptr;
        }
    }
    return map;
}

/// Those with a value.
std::map<std::string, std::string> string_arguments(const json::Object& map) {
    std::map<std::string, std::string> strings;
    for (const auto& [name, value] : map)
        if (value.is_string()) strings[name] = value.as_string();
    return strings;
}

/// id=x,src=FILE or id=x,env=NAME.
std::pair<std::string, std::string> read_secret(const std::string& text) {
    std::string id, source, variable;
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (!value) fail("invalid field '{}' must be a key=value pair", field);
        if (key == "id")
            id = *value;
        else if (key == "src" || key == "source")
            source = *value;
        else if (key == "env")
            variable = *value;
        else if (key == "type" && *value == "env")
            variable = variable.empty() ? "?" : variable;
        else if (key != "type" || *value != "file")
            fail("unexpected key '{}' in '{}'", key, field);
    }
    if (id.empty()) fail("secret {} has no id", text);
    if (variable == "?") variable = source.empty() ? id : std::exchange(source, "");
    if (!variable.empty()) {
        const char* value = std::getenv(variable.c_str());
        if (!value) fail("environment variable {} of secret {} is not set", variable, id);
        return {id, value};
    }
    if (source.empty()) {
        if (const char* value = std::getenv(id.c_str())) return {id, value};
        source = id;
    }
    constexpr std::size_t most_bytes = 500UL << 10;
    return {id, with_context([&] { return read_file(source, most_bytes); }, "secret {}", id)};
}

/// default, id, or id=SOCKET.
std::pair<std::string, std::string> find_agent(const std::string& text) {
    const auto [id, path] = cut(text, '=');
    if (path) return {std::string(id), std::string(*path)};
    const char* own = std::getenv("SSH_AUTH_SOCK");
    if (!own || !*own) fail("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    return {std::string(id), own};
}

/// The proxies of the configuration file are build arguments.
void add_proxies(Session& session, json::Object& map) {
    const json::Value& proxies = session.config("proxies");
    if (!proxies.is_object()) return;
    const json::Value& own = proxies[session.host];
    const json::Value& chosen = own.is_null() ? proxies["default"] : own;
    static constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"httpProxy", "HTTP_PROXY"},
        {"httpsProxy", "HTTPS_PROXY"},
        {"noProxy", "NO_PROXY"},
        {"ftpProxy", "FTP_PROXY"},
        {"allProxy", "ALL_PROXY"}};
    for (const auto& [member, name] : names)
        if (chosen[member].is_string())
            for (const std::string& spelled : {std::string(name), lower(name)})
                if (!map.find(spelled)) map[spelled] = chosen[member];
}

http::Query make_query(Session& session, const Arguments& arguments) {
    http::Query query;
    const auto add = [&](const char* parameter, const std::string& value) {
        if (!value.empty()) query.emplace_back(parameter, value);
    };
    const auto add_number = [&](const char* parameter, const char* flag) {
        if (const std::int64_t value = arguments.integer(flag))
            query.emplace_back(parameter, std::to_string(value));
    };
    for (const std::string& tag : arguments.list("tag")) add("t", tag);
    for (const std::string& host : arguments.list("add-host"))
        add("extrahosts", parse_extra_host(host));
    json::Object build_args = build_arguments(arguments);
    add_proxies(session, build_args);
    if (!build_args.empty()) add("buildargs", json::dump(build_args));
    if (!arguments.list("label").empty())
        add("labels", json::dump(json::Value(make_string_map(arguments.list("label")))));
    if (!arguments.list("security-opt").empty())
        add("securityopt", json::dump(json::Value(arguments.list("security-opt"))));
    json::Array ulimits;
    for (const std::string& ulimit : arguments.list("ulimit"))
        ulimits.push_back(api::to_json(parse_ulimit(ulimit)));
    if (!ulimits.empty()) add("ulimits", json::dump(ulimits));
    add("target", arguments.text("target"));
    add("platform", arguments.text("platform"));
    add("networkmode", arguments.text("network"));
    add("cgroupparent", arguments.text("cgroup-parent"));
    add("cpusetcpus", arguments.text("cpuset-cpus"));
    add("cpusetmems", arguments.text("cpuset-mems"));
    add_number("cpushares", "cpu-shares");
    add_number("cpuperiod", "cpu-period");
    add_number("cpuquota", "cpu-quota");
    const auto add_bytes = [&](const char* parameter, const char* flag) {
        if (const std::string& text = arguments.text(flag); !text.empty())
            query.emplace_back(parameter, std::to_string(parse_swap_bytes(text)));
    };
    add_bytes("memory", "memory");
    add_bytes("memswap", "memory-swap");
    add_bytes("shmsize", "shm-size");
    if (arguments.flag("no-cache")) add("nocache", "1");
    if (arguments.flag("pull")) add("pull", "1");
    query.emplace_back("version", "1");
    return query;
}

/// What goes beyond Docker's parameters.
json::Object make_extra(const Arguments& arguments, const BuildContext& context) {
    json::Object extra;
    if (context.text) extra["dockerfile"] = *context.text;
    if (context.ignore) extra["ignore"] = *context.ignore;
    std::map<std::string, std::string> secrets, agents;
    for (const std::string& secret : arguments.list("secret")) secrets.insert(read_secret(secret));
    for (const std::string& agent : arguments.list("ssh")) agents.insert(find_agent(agent));
    if (!secrets.empty()) extra["secrets"] = secrets;
    if (!agents.empty()) extra["ssh"] = agents;
    if (!arguments.list("allow").empty()) extra["allow"] = arguments.list("allow");
    return extra;
}

struct Outcome {
    std::string image_id, error;
    int code = 0;
};

/// Prints the build's messages and returns how it ended.
Outcome follow(http::ClientResponse& response, std::string_view progress, const Session& session) {
    Outcome outcome;
    std::string line;
    while (response.read_line(line)) {
        if (line.empty() || line == "\r") continue;
        if (progress == "rawjson") session.print_line(trim(line));
        const auto message = api::parse<api::ProgressMessage>(json::parse(line));
        if (!message.error.empty()) {
            outcome.error = message.error;
            outcome.code = message.error_code ? static_cast<int>(message.error_code) : 1;
        }
        if (message.aux["ID"].is_string()) outcome.image_id = message.aux["ID"].as_string();
        if (progress == "rawjson" || progress == "quiet") continue;
        if (!message.stream.empty()) session.print(message.stream);
        if (!message.status.empty())
            session.print_line(message.id.empty() ? message.status
                                                  : message.id + ": " + message.status);
    }
    return outcome;
}

/// Sends the build; a directory that the daemon cannot read in place is sent as an archive.
http::ClientResponse send(Session& session, http::Query query, json::Object extra,
                          BuildContext& context) {
    const bool is_local = session.resolved_host().starts_with("unix://");
    if (!context.dockerfile.empty()) query.emplace_back("dockerfile", context.dockerfile);
    const auto dump = [&] { return extra.empty() ? "" : json::dump(extra); };
    const std::string registries = json::dump(all_credentials(session));
    if (!context.directory.empty() && is_local) {
        extra["context"] = context.directory;
        extra["identity"] = context.identity();
        try {
            return session.daemon().build(query, dump(), registries,
                                          [](std::span<std::byte>) { return std::size_t(0); });
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;
        }
        extra.erase("context");
        extra.erase("identity");
    }
    if (!context.directory.empty()) context.read_directory();
    return session.daemon().build(query, dump(), registries, context.source);
}

bool writes_to_stdout(const std::string& output) {
    if (output.empty()) return false;
    const BuildOutput parsed = parse_build_output(output);
    return parsed.type != BuildOutput::Type::image && parsed.destination.empty();
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    Session& session = call.session;
    const bool is_quiet = arguments.flag("quiet") || writes_to_stdout(arguments.text("output"));
    const std::string progress = is_quiet ? "quiet" : arguments.text("progress");
    BuildContext context = open_build_context(arguments.positional[0], arguments.text("file"));
    BuildCall question = parse_build_call(arguments.text("call"));
    if (arguments.flag("check")) question.method = BuildCall::Method::check;
    if (question.method != BuildCall::Method::build)
        return run_build_call(session, question, context, arguments.text("file"),
                              arguments.text("target"),
                              string_arguments(build_arguments(arguments)));
    const std::string& id_file = arguments.text("iidfile");
    if (!id_file.empty()) sys::unlink(id_file);
    const http::Query query = make_query(session, arguments);
    const json::Object extra = make_extra(arguments, context);
    const Outcome outcome = session.ask([&](client::Client&) {
        http::ClientResponse response = send(session, query, extra, context);
        return follow(response, progress, session);
    });
    if (!outcome.error.empty()) {
        session.complain(outcome.error);
        return outcome.code;
    }
    const std::string& output = arguments.text("output");
    if (progress == "quiet" && output.empty()) session.print_line(outcome.image_id);
    if (!id_file.empty()) write_file(id_file, outcome.image_id, 0666);
    if (const std::string& file = arguments.text("metadata-file"); !file.empty()) {
        json::Object metadata{{"containerimage.config.digest", outcome.image_id},
                              {"containerimage.digest", outcome.image_id}};
        if (!arguments.list("tag").empty())
            metadata["image.name"] = join_text(arguments.list("tag"), ",");
        write_file(file, json::dump_indented(metadata, 2) + "\n", 0644);
    }
    if (!output.empty()) {
        const std::vector<std::string>& tags = arguments.list("tag");
        write_build_output(session, parse_build_output(output),
                           tags.empty() ? outcome.image_id : tags.front());
    }
    return 0;
}

}  // namespace

const Command build_command{
    .name = "image build",
    .aliases = {"build", "builder build", "buildx build"},
    .usage = "[OPTIONS] PATH | -",
    .summary = "Build an image from a Dockerfile",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::files,
};

}  // namespace hull::cli
