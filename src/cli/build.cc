#include "api/types/system.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "cli/build_agent.hh"
#include "cli/build_call.hh"
#include "cli/build_context.hh"
#include "cli/build_extras.hh"
#include "cli/build_layout.hh"
#include "cli/build_output.hh"
#include "cli/build_report.hh"
#include "cli/commands.hh"
#include "cli/credentials.hh"
#include "cli/numbers.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"
#include "cli/words.hh"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

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
    {"allow", 0, FlagType::list,
     "Allow what is not allowed by default (network.host, security.insecure)"},
    {"annotation", 0, FlagType::list,
     "Add an annotation to the image ([manifest|index|manifest-descriptor:]key=value)"},
    {"attest", 0, FlagType::list, "Statement beside the image (type=provenance,mode=max)"},
    {"build-arg", 0, FlagType::list, "Set a build argument"},
    {"build-context", 0, FlagType::list,
     "What COPY --from and FROM mean by a name (name=PATH, URL, docker-image://, oci-layout://)"},
    {"cache-from", 0, FlagType::list,
     "Take results of steps from there (IMAGE, type=registry,ref=…, type=local,src=…)"},
    {"cache-to", 0, FlagType::list,
     "Bring results of steps there (type=inline, type=registry,ref=…, type=local,dest=…)"},
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
    {"no-cache-filter", 0, FlagType::strings, "Stages whose steps all run"},
    {"output", 'o', FlagType::list, "Where the result goes: DIR, -, or type=…,dest=…", "",
     check_build_output},
    {"platform", 0, FlagType::strings,
     "Platform of the image (os[/arch[/variant]]); several make an index"},
    {"progress", 0, FlagType::text, "Output: auto, plain, tty, quiet or rawjson", "auto",
     check_progress},
    {"provenance", 0, FlagType::text, "The same as --attest=type=provenance (mode=min, mode=max)"},
    {"pull", 0, FlagType::boolean, "Look for newer base images"},
    {"push", 0, FlagType::boolean, "Push the image: --output=type=registry"},
    {"quiet", 'q', FlagType::boolean, "Print only the image's ID"},
    {"rm", 0, FlagType::boolean, "Remove a step's container (they always are)", "true"},
    {"sbom", 0, FlagType::text, "The same as --attest=type=sbom (not supported)"},
    {"secret", 0, FlagType::list, "Secret for RUN --mount=type=secret (id=x[,src=FILE|,env=NAME])"},
    {"security-opt", 0, FlagType::strings, "Security options of the steps"},
    {"shm-size", 0, FlagType::bytes, "Size of /dev/shm"},
    {"ssh", 0, FlagType::list, "SSH agent for RUN --mount=type=ssh (default|id[=SOCKET])"},
    {"tag", 't', FlagType::list, "Name of the image (name:tag)"},
    {"target", 0, FlagType::text, "Stage to build"},
    {"timeout", 0, FlagType::duration, "Most time the build may take"},
    {"ulimit", 0, FlagType::ulimit, "Limits of the steps' processes"},
    {"verify", 0, FlagType::boolean, "Build twice, the second time without cache, and compare"},
    {"waste", 0, FlagType::boolean, "Show what each step has stored for nothing"},
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

using Agents = std::vector<std::unique_ptr<KeyAgent>>;

/// default, id, id=SOCKET or id=KEY[,KEY…]; keys get an agent of their own.
std::pair<std::string, std::string> find_agent(const std::string& text, Agents& agents) {
    const auto [id, path] = cut(text, '=');
    if (path) {
        const auto info = sys::find_stat(std::string(*path));
        if (info && S_ISSOCK(info->st_mode)) return {std::string(id), std::string(*path)};
        const std::vector<std::string> keys = split_csv(std::string(*path));
        for (const std::string& key : keys)
            if (!sys::find_stat(key))
                fail("--ssh {}: {} is neither the socket of an agent nor a private key", text, key);
        agents.push_back(std::make_unique<KeyAgent>(keys));
        return {std::string(id), agents.back()->socket()};
    }
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
    add("platform", join_text(arguments.list("platform"), ","));
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
json::Object make_extra(const Arguments& arguments, const BuildContext& context,
                        const json::Array& annotations, Agents& keys) {
    json::Object extra;
    if (context.text) extra["dockerfile"] = *context.text;
    if (context.ignore) extra["ignore"] = *context.ignore;
    std::map<std::string, std::string> secrets, agents;
    for (const std::string& secret : arguments.list("secret")) secrets.insert(read_secret(secret));
    for (const std::string& agent : arguments.list("ssh")) agents.insert(find_agent(agent, keys));
    if (!secrets.empty()) extra["secrets"] = secrets;
    if (!agents.empty()) extra["ssh"] = agents;
    if (!arguments.list("allow").empty()) extra["allow"] = arguments.list("allow");
    json::Value provenance = make_provenance(arguments);
    if (!annotations.empty()) extra["annotations"] = annotations;
    if (!provenance.is_null()) extra["provenance"] = std::move(provenance);
    if (!arguments.list("no-cache-filter").empty())
        extra["noCacheFilter"] = arguments.list("no-cache-filter");
    return extra;
}

/// The images that are loaded for a build, until it is done.
class LoadedImages {
public:
    explicit LoadedImages(Session& session) : session_(session) {}
    ~LoadedImages() {
        for (const std::string& id : ids_) {
            try {
                session_.daemon().remove_image(id, false, false);
            } catch (const Error&) {
                // It was there before, or what was built of it is of the same layers.
            }
        }
    }
    LoadedImages(const LoadedImages&) = delete;
    LoadedImages& operator=(const LoadedImages&) = delete;

    /// The image in an OCI layout, by its id.
    std::string load(const std::string& directory) {
        ids_.push_back(load_layout(session_, directory));
        return ids_.back();
    }

private:
    Session& session_;
    std::vector<std::string> ids_;
};

/// --build-context name=value.
json::Object make_contexts(const Arguments& arguments, LoadedImages& loaded) {
    json::Object contexts;
    for (const std::string& item : arguments.list("build-context")) {
        const auto [name, value] = cut(item, '=');
        if (!value || name.empty() || value->empty())
            fail("invalid context value: {}, expected key=value", item);
        const std::string text(*value);
        constexpr std::string_view image = "docker-image://", layout = "oci-layout://";
        if (text.starts_with(image)) {
            contexts[name] = json::Object{{"image", text.substr(image.size())}};
        } else if (text.starts_with(layout)) {
            std::string directory = text.substr(layout.size());
            if (!sys::find_stat(directory)) directory = directory.substr(0, directory.rfind(':'));
            contexts[name] = json::Object{{"image", loaded.load(directory)}};
        } else if (is_remote_context(text)) {
            contexts[name] = json::Object{{"address", text}};
        } else {
            const BuildContext context = open_named_context(text);
            contexts[name] =
                json::Object{{"directory", context.directory}, {"identity", context.identity()}};
        }
    }
    return contexts;
}

/// --cache-to or --cache-from.
struct CachePlace {
    std::string type = "registry", reference, directory;
    bool has_all = false;   ///< mode=max
    bool may_fail = false;  ///< ignore-error
};

CachePlace parse_cache_place(const std::string& text) {
    CachePlace place;
    if (text.find('=') == std::string::npos) {
        place.reference = text;
        return place;
    }
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (!value) fail("invalid value {}: it must be key=value", field);
        if (key == "type")
            place.type = *value;
        else if (key == "ref")
            place.reference = *value;
        else if (key == "src" || key == "dest")
            place.directory = *value;
        else if (key == "mode" && (*value == "min" || *value == "max"))
            place.has_all = *value == "max";
        else if (key == "ignore-error" && (*value == "true" || *value == "false"))
            place.may_fail = *value == "true";
        else if ((key != "oci-mediatypes" && key != "image-manifest") || *value != "true")
            fail(
                "{}={} of a cache is not supported: use type, ref, src, dest, mode and "
                "ignore-error; it is an OCI image, always",
                key, *value);
    }
    const bool is_known =
        place.type == "registry" || place.type == "local" || place.type == "inline";
    if (!is_known)
        fail("cache type {} is not supported: use inline, registry or local", place.type);
    if (place.type == "registry" && place.reference.empty()) fail("ref is required for a registry");
    if (place.type == "local" && place.directory.empty())
        fail("src or dest is required for a local cache");
    return place;
}

/// The images that the daemon is to look into; a local one that is not there yet is none.
std::vector<std::string> open_caches(const Arguments& arguments, LoadedImages& loaded) {
    std::vector<std::string> images;
    for (const std::string& text : arguments.list("cache-from")) {
        const CachePlace place = parse_cache_place(text);
        if (place.type == "inline") fail("inline is no place to take a cache from");
        if (place.type == "registry")
            images.push_back(place.reference);
        else if (sys::find_stat(join(place.directory, "index.json")))
            images.push_back(loaded.load(place.directory));
    }
    return images;
}

void export_cache(Session& session, const CachePlace& place,
                  const std::vector<std::string>& records) {
    http::Query query{{"mode", place.has_all ? "max" : "min"}};
    for (std::size_t i = 1; i < records.size(); ++i) query.emplace_back("also", records[i]);
    const json::Value reply = session.ask([&](client::Client& daemon) {
        return daemon.post("/build/history/" + records.front() + "/cache", query);
    });
    const std::string& id = reply["Id"].as_string();
    if (place.type != "local") return push_and_forget(session, id, place.reference);
    save_layout(session, id, place.directory);
    session.ask([&](client::Client& daemon) { daemon.remove_image(id, false, false); });
}

void export_caches(Session& session, const Arguments& arguments,
                   const std::vector<std::string>& records) {
    for (const std::string& text : arguments.list("cache-to")) {
        const CachePlace place = parse_cache_place(text);
        if (place.type == "inline") continue;
        try {
            export_cache(session, place, records);
        } catch (const Error& error) {
            if (!place.may_fail) throw;
            session.complain(fmt::format("WARNING: no build cache in {}{}: {}", place.reference,
                                         place.directory, error.message()));
        }
    }
}

struct Outcome : BuildAnswer {
    std::string error;
    int code = 0;
    std::string hidden;  ///< what was printed, when nothing is to be shown
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
        outcome.take(message.aux);
        if (progress == "quiet") outcome.hidden += message.stream;
        if (progress == "rawjson" || progress == "quiet") continue;
        if (!message.stream.empty()) session.print(message.stream);
        if (!message.status.empty())
            session.print_line(message.id.empty() ? message.status
                                                  : message.id + ": " + message.status);
    }
    return outcome;
}

/// A build has a connection of its own, which the daemon closes when it did not read the context.
class Connections {
public:
    explicit Connections(Session& session) : session_(session) {}
    client::Client& open() {
        return *opened_.emplace_back(std::make_unique<client::Client>(session_.make_client()));
    }

private:
    Session& session_;
    std::vector<std::unique_ptr<client::Client>> opened_;
};

/// Sends the build; a directory that the daemon cannot read in place is sent as an archive.
http::ClientResponse send(Connections& connections, Session& session, http::Query query,
                          json::Object extra, BuildContext& context) {
    const bool is_local = session.resolved_host().starts_with("unix://");
    if (!context.dockerfile.empty()) query.emplace_back("dockerfile", context.dockerfile);
    if (!context.remote.empty()) query.emplace_back("remote", context.remote);
    const auto dump = [&] { return extra.empty() ? "" : json::dump(extra); };
    const std::string registries = json::dump(all_credentials(session));
    bool is_docker = false;
    if (!context.directory.empty() && is_local) {
        extra["context"] = context.directory;
        extra["identity"] = context.identity();
        try {
            return connections.open().build(query, dump(), registries,
                                            [](std::span<std::byte>) { return std::size_t(0); });
        } catch (const Error& error) {
            // Docker's daemon knows nothing of directories read in place: its context is empty.
            is_docker =
                error.message().find("Cannot locate specified Dockerfile") != std::string::npos;
            if (error.kind() != ErrorKind::not_found && !is_docker) throw;
        }
        extra.erase("context");
        extra.erase("identity");
    }
    const bool sends_text = is_docker && context.text;
    if (!context.directory.empty()) context.read_directory(!sends_text);
    if (sends_text) query.emplace_back("dockerfile", context.send_text());
    return connections.open().build(query, dump(), registries, context.source);
}

/// The same build again, of an image without a name and without a cache.
http::Query without_names(http::Query query) {
    std::erase_if(query, [](const auto& pair) { return pair.first == "t"; });
    query.emplace_back("nocache", "1");
    return query;
}

std::vector<BuildOutput> parse_outputs(const Arguments& arguments) {
    std::vector<BuildOutput> outputs;
    for (const std::string& text : arguments.list("output"))
        outputs.push_back(parse_build_output(text));
    if (arguments.flag("push")) outputs.emplace_back().type = BuildOutput::Type::registry;
    return outputs;
}

/// Of --tag, and of outputs that name the image.
std::vector<std::string> find_names(const Arguments& arguments,
                                    const std::vector<BuildOutput>& outputs) {
    std::vector<std::string> names = arguments.list("tag");
    for (const BuildOutput& output : outputs)
        for (const std::string& name : output.names)
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return names;
}

/// Of --annotation, and of outputs.
json::Array find_annotations(const Arguments& arguments, const std::vector<BuildOutput>& outputs) {
    std::vector<std::string> lines = arguments.list("annotation");
    for (const BuildOutput& output : outputs)
        lines.insert(lines.end(), output.annotations.begin(), output.annotations.end());
    const bool has_index =
        arguments.list("platform").size() > 1 || !make_provenance(arguments).is_null();
    return make_annotations(lines, has_index);
}

/// What would fail at the end fails before anything is built.
void check_outputs(const std::vector<BuildOutput>& outputs, const std::vector<std::string>& names,
                   bool has_several) {
    for (const BuildOutput& output : outputs) {
        const bool pushes = output.type == BuildOutput::Type::registry || output.push;
        if (pushes && names.empty()) fail("tag is needed when pushing to registry");
        if (!has_several) continue;
        if (output.type == BuildOutput::Type::docker)
            fail("docker exporter does not currently support exporting manifest lists");
        if (output.type == BuildOutput::Type::oci && names.empty())
            fail("an OCI layout of several platforms needs a name: give it by --tag or name=");
    }
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    Session& session = call.session;
    const std::vector<BuildOutput> outputs = parse_outputs(arguments);
    const auto is_silent = std::count_if(outputs.begin(), outputs.end(), writes_to_stdout);
    if (is_silent > 1) fail("only one output can go to standard output");
    const bool is_quiet = arguments.flag("quiet") || is_silent;
    const std::string progress = is_quiet ? "quiet" : arguments.text("progress");
    BuildContext context = open_build_context(arguments.positional[0], arguments.text("file"));
    BuildCall question = parse_build_call(arguments.text("call"));
    if (arguments.flag("check")) question.method = BuildCall::Method::check;
    if (question.method != BuildCall::Method::build)
        return run_build_call(session, question, context, arguments.text("file"),
                              arguments.text("target"),
                              string_arguments(build_arguments(arguments)));
    if (arguments.flag("verify") && context.directory.empty() && context.remote.empty())
        fail("--verify reads its context twice: it needs a directory");
    const std::string& id_file = arguments.text("iidfile");
    if (!id_file.empty()) sys::unlink(id_file);
    const std::vector<std::string> tags = find_names(arguments, outputs);
    http::Query query = make_query(session, arguments);
    for (const std::string& tag : tags) query.emplace_back("t", tag);
    Agents keys;
    json::Object extra = make_extra(arguments, context, find_annotations(arguments, outputs), keys);
    check_outputs(outputs, tags, arguments.list("platform").size() > 1);
    LoadedImages loaded(session);
    if (json::Object contexts = make_contexts(arguments, loaded); !contexts.empty())
        extra["contexts"] = std::move(contexts);
    if (const auto caches = open_caches(arguments, loaded); !caches.empty())
        query.emplace_back("cachefrom", json::dump(json::Value(caches)));
    for (const std::string& text : arguments.list("cache-to"))
        if (parse_cache_place(text).type == "inline") extra["inlineCache"] = true;
    if (const std::string& timeout = arguments.text("timeout"); !timeout.empty())
        extra["timeoutMs"] = parse_duration(timeout) / 1'000'000;
    Connections connections(session);
    const std::string record_id = random_hex(6);
    extra["record"] = record_id;
    const Outcome outcome = session.ask([&](client::Client&) {
        http::ClientResponse response = send(connections, session, query, extra, context);
        return follow(response, progress, session);
    });
    if (!outcome.error.empty()) {
        // What nobody saw may say why.
        if (!outcome.hidden.empty()) sys::write_all(STDERR_FILENO, outcome.hidden);
        session.complain(outcome.error);
        if (outcome.code != 1 || outcome.error.starts_with("The command "))
            session.complain(fmt::format(
                "Look at what it has left: {0} build debug {1}\n"
                "All that was printed: {0} build logs {1}",
                session.program, outcome.record_id.empty() ? record_id : outcome.record_id));
        return outcome.code;
    }
    export_caches(session, arguments,
                  outcome.record_ids.empty() ? std::vector{record_id} : outcome.record_ids);
    if (arguments.flag("waste")) print_waste(session, record_id);
    if (arguments.flag("verify")) {
        const std::string second_id = random_hex(6);
        extra["record"] = second_id;
        const int code = verify_build(session, {outcome.image_id, record_id}, second_id, [&] {
            http::ClientResponse response =
                send(connections, session, without_names(query), extra, context);
            return follow(response, "quiet", session).image_id;
        });
        if (code) return code;
    }
    if (progress == "quiet" && !is_silent) session.print_line(outcome.image_id);
    if (!id_file.empty()) write_file(id_file, outcome.image_id, 0666);
    if (const std::string& file = arguments.text("metadata-file"); !file.empty())
        write_file(file, format_metadata(outcome, tags, record_id), 0644);
    for (const BuildOutput& output : outputs) write_build_output(session, output, outcome, tags);
    return 0;
}

}  // namespace

const Command build_command{
    .name = "image build",
    .aliases = {"build", "builder build", "buildx build"},
    .usage = "[OPTIONS] PATH | URL | -",
    .summary = "Build an image from a Dockerfile",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::files,
};

}  // namespace hull::cli
