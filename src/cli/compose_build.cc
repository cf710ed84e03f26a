#include "cli/compose_build.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "cli/commands.hh"
#include "cli/compose_call.hh"
#include "cli/compose_contexts.hh"
#include "cli/compose_project.hh"
#include "cli/session.hh"
#include "compose/hash.hh"
#include "compose/labels.hh"
#include "compose/parallel.hh"
#include "compose/values.hh"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"build-arg", 0, FlagType::list, "Set a build argument"},
    {"builder", 0, FlagType::text, "Builder to use: there is one, default"},
    {"check", 0, FlagType::boolean, "Only check the Dockerfiles"},
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"memory", 'm', FlagType::bytes, "Memory limit of a step"},
    {"no-cache", 0, FlagType::boolean, "Run every step"},
    {"print", 0, FlagType::boolean, "Print what would be built"},
    {"provenance", 0, FlagType::text, "Add a provenance attestation"},
    {"pull", 0, FlagType::boolean, "Look for newer base images"},
    {"push", 0, FlagType::boolean, "Push the images that were built"},
    {"quiet", 'q', FlagType::boolean, "No output"},
    {"sbom", 0, FlagType::text, "Add an SBOM attestation"},
    {"ssh", 0, FlagType::text, "SSH agent for the builds"},
    {"with-dependencies", 0, FlagType::boolean, "Build what the services depend on, too"},
};

/// A file that goes away with its owner.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& text) {
        char path[] = "/tmp/hull-build-XXXXXX";
        const Fd file(::mkstemp(path));
        if (!file) throw_errno(errno, "mkstemp");
        path_ = path;
        write_file(path_, text, 0600);
    }
    ~TemporaryFile() { ::unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

bool is_remote(const std::string& context) {
    return context.find("://") != std::string::npos || context.starts_with("git@");
}

/// `hull build` of a service: its words, and the files they name.
struct BuildCommand {
    std::vector<std::string> words;
    std::vector<std::unique_ptr<TemporaryFile>> files;
    const std::string& keep(const std::string& text) {
        return files.emplace_back(std::make_unique<TemporaryFile>(text))->path();
    }
};

void add_secrets(BuildCommand& command, const compose::Project& project,
                 const compose::Node& build) {
    for (const compose::Node& item : build["secrets"].items) {
        const compose::Node& secret = project.root["secrets"][item["source"].text];
        const std::string id = item.find("target") ? item["target"].text : item["source"].text;
        std::string path = secret["file"].text;
        if (const std::string& variable = secret["environment"].text; !variable.empty()) {
            const auto found = project.environment.find(variable);
            if (found == project.environment.end())
                throw Error(ErrorKind::invalid_argument,
                            "environment variable \"{}\" required by secret \"{}\" is not set",
                            variable, item["source"].text);
            path = command.keep(found->second.value);
        }
        command.words.insert(command.words.end(), {"--secret", "id=" + id + ",src=" + path});
    }
}

bool build_has(std::string_view flag) {
    for (const Flag& known : find_command("build")->flags)
        if (known.name == flag) return true;
    return false;
}

/// Flags that not every builder has.
void add_beyond(std::vector<std::string>& words, const compose::Node& build,
                const ComposeBuildOptions& options) {
    for (const auto& [key, flag] :
         {std::pair("cache_from", "--cache-from"), std::pair("cache_to", "--cache-to")})
        for (const std::string& place : build[key].to_texts())
            words.insert(words.end(), {flag, place});
    for (const auto& [flag, value] :
         {std::pair("provenance", options.provenance), std::pair("sbom", options.sbom)}) {
        if (value.empty() || value == "false") continue;
        if (!build_has(flag))
            throw Error(ErrorKind::unsupported, "attestations are not supported: leave --{} out",
                        flag);
        words.insert(words.end(), {"--" + std::string(flag), value});
    }
}

/// The words of `build` for a service.
std::vector<std::string> build_words(const compose::Project& project, const std::string& service,
                                     const compose::Node& build,
                                     const ComposeBuildOptions& options) {
    std::vector<std::string> words{"-t", compose::image_of(project, service)};
    const auto add = [&](const char* flag, const std::string& value) {
        if (!value.empty()) words.insert(words.end(), {flag, value});
    };
    for (const std::string& tag : build["tags"].to_texts()) add("-t", tag);
    for (const compose::Member& argument : build["args"].members)
        add("--build-arg", argument.value.is_null()
                               ? argument.key
                               : argument.key + "=" + argument.value.to_text());
    for (const std::string& argument : options.arguments) add("--build-arg", argument);
    for (const compose::Member& label : build["labels"].members)
        add("--label", label.key + "=" + label.value.to_text());
    add("--label", std::string(compose::labels::project) + "=" + project.name);
    add("--label", std::string(compose::labels::service) + "=" + service);
    add("--label", std::string(compose::labels::version) + "=" + HULL_VERSION);
    for (std::string host : build["extra_hosts"].to_texts()) {
        host[host.find('=')] = ':';
        add("--add-host", host);
    }
    add("--network", build["network"].text);
    add("--target", build["target"].text);
    add("--shm-size", build["shm_size"].text);
    for (const compose::Member& limit : build["ulimits"].members)
        add("--ulimit", limit.value.is_mapping()
                            ? fmt::format("{}={}:{}", limit.key, limit.value["soft"].integer,
                                          limit.value["hard"].integer)
                            : fmt::format("{}={}", limit.key, limit.value.integer));
    for (const std::string& agent : build["ssh"].to_texts()) {
        const std::size_t equal = agent.find('=');
        add("--ssh", equal == std::string::npos
                         ? agent
                         : agent.substr(0, equal + 1) +
                               compose::resolve_path(project.directory, agent.substr(equal + 1)));
    }
    add("--ssh", options.ssh);
    const std::vector<std::string> platforms = build["platforms"].to_texts();
    add("--platform", platforms.empty() ? project.get_service(service)["platform"].text : "");
    for (const std::string& platform : platforms) add("--platform", platform);
    add("--memory", options.memory);
    if (build["no_cache"].is_true() || options.no_cache) words.push_back("--no-cache");
    if (build["pull"].is_true() || options.pull) words.push_back("--pull");
    if (build["privileged"].is_true() || !build["entitlements"].items.empty())
        throw Error(ErrorKind::unsupported, "service \"{}\": privileged builds are not supported",
                    service);
    if (options.quiet && !options.check) words.push_back("--quiet");
    if (options.check) words.push_back("--check");
    if (options.beside_others && !options.quiet && !options.check)
        words.insert(words.end(), {"--progress", "plain"});
    return words;
}

json::Object texts(const compose::Node& mapping) {
    json::Object object;
    for (const compose::Member& member : mapping.members)
        object.append(member.key, member.value.to_text());
    return object;
}

/// What would be built, as a file of `docker buildx bake`.
std::string bake_file(const compose::Project& project, const std::vector<std::string>& services) {
    json::Object targets;
    json::Array names;
    for (const std::string& name : services) {
        const compose::Node& build = project.get_service(name)["build"];
        json::Array tags{compose::image_of(project, name)};
        for (const std::string& tag : build["tags"].to_texts()) tags.emplace_back(tag);
        json::Object target{{"context", build["context"].text}, {"tags", std::move(tags)}};
        if (build.find("dockerfile_inline"))
            target["dockerfile-inline"] = build["dockerfile_inline"].text;
        else
            target["dockerfile"] = build["dockerfile"].text;
        if (!build["args"].members.empty()) target["args"] = texts(build["args"]);
        if (!build["labels"].members.empty()) target["labels"] = texts(build["labels"]);
        if (!build["target"].text.empty()) target["target"] = build["target"].text;
        if (!build["additional_contexts"].members.empty())
            target["contexts"] = texts(build["additional_contexts"]);
        target["output"] = json::Array{"type=docker"};
        targets[name] = std::move(target);
        names.emplace_back(name);
    }
    return json::dump_indented(
               json::Object{{"group", json::Object{{"default", json::Object{{"targets", names}}}}},
                            {"target", std::move(targets)}},
               2) +
           "\n";
}

/// What a thread beside this one uses: the same daemon and settings, connections of its own.
Session make_other(Session& session) {
    Session other;
    other.program = session.program;
    other.context = session.context;
    other.host = session.resolved_host();
    other.host_is_default = false;
    other.api_version = session.api_version;
    other.configuration = session.configuration;
    other.tls = session.tls;
    other.debug = session.debug;
    return other;
}

ComposeBuildOptions read_options(const Invocation& call) {
    const Arguments& arguments = call.arguments;
    ComposeBuildOptions options;
    options.no_cache = arguments.flag("no-cache");
    options.pull = arguments.flag("pull");
    options.push = arguments.flag("push");
    options.quiet = arguments.flag("quiet");
    options.check = arguments.flag("check");
    options.arguments = arguments.list("build-arg");
    options.memory = arguments.text("memory");
    options.ssh = arguments.text("ssh");
    options.provenance = arguments.text("provenance");
    options.sbom = arguments.text("sbom");
    if (call.session.group_arguments->given("parallel"))
        options.parallel = static_cast<int>(call.session.group_arguments->integer("parallel"));
    return options;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    if (const std::string& builder = arguments.text("builder");
        !builder.empty() && builder != "default")
        throw Error(ErrorKind::not_found,
                    "no builder \"{}\" found: the daemon builds, as the builder default", builder);
    compose::Project project = load_compose_project(call);
    std::vector<std::string> names = arguments.positional;
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::string& other : built_before(project.get_service(names[i])))
            if (std::find(names.begin(), names.end(), other) == names.end())
                names.push_back(std::move(other));
    compose::select_services(project, names, arguments.flag("with-dependencies"));
    std::vector<std::string> services;
    for (const std::string& name : compose::dependency_order(project))
        if (project.get_service(name).find("build")) services.push_back(name);
    if (services.empty()) {
        call.session.complain("WARNING: No services to build");
        return 0;
    }
    if (arguments.flag("print")) {
        call.session.print(bake_file(project, services));
        return 0;
    }
    if (compose_dry_run(call)) {
        for (const std::string& name : services)
            call.session.print_line(
                fmt::format("{}: build {}", name, compose::image_of(project, name)));
        return 0;
    }
    build_compose_services(call.session, project, services, read_options(call));
    return 0;
}

}  // namespace

void build_compose_service(Session& session, const compose::Project& project,
                           const std::string& service, const ComposeBuildOptions& options) {
    const compose::Node& build = project.get_service(service)["build"];
    if (build.is_null())
        throw Error(ErrorKind::invalid_argument, "service \"{}\" has no build", service);
    BuildCommand command;
    command.words = build_words(project, service, build, options);
    add_secrets(command, project, build);
    add_beyond(command.words, build, options);
    const std::string& context = build["context"].text;
    const std::map<std::string, std::string> images = image_contexts(project, service);
    for (const std::string& other : other_contexts(project, service))
        command.words.insert(command.words.end(), {"--build-context", other});
    std::optional<std::string> text;
    std::string file = build["dockerfile"].text;
    if (!file.empty() && !is_remote(context)) file = compose::resolve_path(context, file);
    if (build.find("dockerfile_inline"))
        text = build["dockerfile_inline"].text;
    else if (!images.empty())
        text = read_file(file.empty() ? compose::resolve_path(context, "Dockerfile") : file);
    if (text)
        command.words.insert(command.words.end(), {"-f", command.keep(with_stages(*text, images))});
    else if (!file.empty())
        command.words.insert(command.words.end(), {"-f", file});
    command.words.push_back(context);
    const int code = call_command(session, "build", command.words);
    if (code != 0) throw Error(ErrorKind::internal, "service \"{}\" could not be built", service);
}

void build_compose_services(Session& session, const compose::Project& project,
                            const std::vector<std::string>& services, ComposeBuildOptions options) {
    session.daemon();
    options.beside_others = services.size() > 1;
    std::map<std::string, std::vector<std::string>> after;
    for (const std::string& name : services) after[name] = built_before(project.get_service(name));
    compose::run_in_order(after, options.parallel, [&](const std::string& name) {
        Session own = make_other(session);
        own.prints_to_error = !options.check;
        build_compose_service(own, project, name, options);
        if (options.push && call_command(own, "push", {compose::image_of(project, name)}) != 0)
            throw Error(ErrorKind::internal, "{} could not be pushed",
                        compose::image_of(project, name));
    });
}

const Command compose_build_command{
    .name = "compose build",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Build images of services",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
