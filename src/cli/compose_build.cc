#include "cli/compose_build.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "cli/commands.hh"
#include "cli/compose_call.hh"
#include "cli/compose_project.hh"
#include "cli/session.hh"
#include "compose/hash.hh"
#include "compose/labels.hh"
#include "compose/values.hh"

#include <unistd.h>

#include <cstdlib>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"build-arg", 0, FlagType::list, "Set a build argument"},
    {"builder", 0, FlagType::text, "Builder to use (there is one: the daemon's)", "", nullptr,
     true},
    {"check", 0, FlagType::boolean, "Only check the Dockerfiles"},
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
        char path[] = "/tmp/hull-dockerfile-XXXXXX";
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

void add_secrets(std::vector<std::string>& words, const compose::Project& project,
                 const compose::Node& build) {
    for (const compose::Node& item : build["secrets"].items) {
        const compose::Node& secret = project.root["secrets"][item["source"].text];
        const std::string id = item.find("target") ? item["target"].text : item["source"].text;
        if (secret.find("file"))
            words.insert(words.end(), {"--secret", "id=" + id + ",src=" + secret["file"].text});
        else
            words.insert(words.end(),
                         {"--secret", "id=" + id + ",env=" + secret["environment"].text});
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
    for (const std::string& image : build["cache_from"].to_texts()) add("--cache-from", image);
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
    for (const std::string& agent : build["ssh"].to_texts()) add("--ssh", agent);
    const std::vector<std::string> platforms = build["platforms"].to_texts();
    if (platforms.size() > 1)
        throw Error(ErrorKind::unsupported,
                    "service \"{}\": an image of several platforms cannot be built", service);
    add("--platform",
        platforms.empty() ? project.get_service(service)["platform"].text : platforms[0]);
    add_secrets(words, project, build);
    add("--memory", options.memory);
    if (build["no_cache"].is_true() || options.no_cache) words.push_back("--no-cache");
    if (build["pull"].is_true() || options.pull) words.push_back("--pull");
    if (build["privileged"].is_true() || !build["entitlements"].items.empty())
        throw Error(ErrorKind::unsupported, "service \"{}\": privileged builds are not supported",
                    service);
    if (options.quiet) words.push_back("--quiet");
    return words;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    compose::Project project = load_compose_project(call);
    for (const std::string& name : arguments.positional) project.get_service(name);
    compose::select_services(project, arguments.positional, arguments.flag("with-dependencies"));
    for (const char* flag : {"check", "print", "provenance", "sbom"})
        if (arguments.given(flag))
            throw Error(ErrorKind::unsupported, "compose build --{} is not supported yet", flag);
    ComposeBuildOptions options;
    options.no_cache = arguments.flag("no-cache");
    options.pull = arguments.flag("pull");
    options.quiet = arguments.flag("quiet");
    options.arguments = arguments.list("build-arg");
    options.memory = arguments.text("memory");
    for (const std::string& name : compose::dependency_order(project)) {
        if (!project.get_service(name).find("build")) continue;
        build_compose_service(call.session, project, name, options);
        if (arguments.flag("push"))
            call_command(call.session, "push", {compose::image_of(project, name)});
    }
    return 0;
}

}  // namespace

void build_compose_service(Session& session, const compose::Project& project,
                           const std::string& service, const ComposeBuildOptions& options) {
    const compose::Node& build = project.get_service(service)["build"];
    if (build.is_null())
        throw Error(ErrorKind::invalid_argument, "service \"{}\" has no build", service);
    if (!build["additional_contexts"].members.empty())
        throw Error(ErrorKind::unsupported,
                    "service \"{}\": additional_contexts are not supported yet", service);
    std::vector<std::string> words = build_words(project, service, build, options);
    const std::string& context = build["context"].text;
    std::optional<TemporaryFile> inline_file;
    if (build.find("dockerfile_inline")) {
        inline_file.emplace(build["dockerfile_inline"].text);
        words.insert(words.end(), {"-f", inline_file->path()});
    } else if (const std::string& file = build["dockerfile"].text; !file.empty()) {
        words.insert(words.end(),
                     {"-f", is_remote(context) ? file : compose::resolve_path(context, file)});
    }
    words.push_back(context);
    const int code = call_command(session, "build", words);
    if (code != 0) throw Error(ErrorKind::internal, "service \"{}\" could not be built", service);
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
