// What a build will look at: stages, images, and the files of the context that it names.
#include "base/error.hh"
#include "base/log.hh"
#include "base/text.hh"
#include "build/dockerfile/arguments.hh"
#include "build/dockerfile/expand.hh"
#include "buildkit/dockerfile_build.hh"
#include "http/headers.hh"
#include "oci/platform.hh"
#include "oci/reference.hh"

namespace hull::buildkit {

namespace language = build::dockerfile;

void DockerfileBuild::read_globals() {
    globals_ =
        language::platform_arguments(oci::host_platform(), oci::host_platform(), option("target"));
    const Attributes arguments = options_with("build-arg:");
    for (const language::Instruction& instruction : dockerfile_->global_args) {
        const auto expanded = language::expand_instruction(instruction, find_global(),
                                                           dockerfile_->directives.escape);
        for (const auto& argument : std::get<language::Arg>(expanded.value).arguments) {
            const auto given = arguments.find(argument.name);
            if (given != arguments.end())
                globals_[argument.name] = given->second;
            else if (argument.value)
                globals_[argument.name] = *argument.value;
        }
    }
}

std::function<std::optional<std::string>(std::string_view)> DockerfileBuild::find_global() const {
    return [this](std::string_view name) -> std::optional<std::string> {
        const auto found = globals_.find(std::string(name));
        if (found == globals_.end()) return std::nullopt;
        return found->second;
    };
}

std::string DockerfileBuild::base_of(std::size_t stage) const {
    return language::expand_word(dockerfile_->stages[stage].base, find_global());
}

/// Adds a stage and those that it takes something from.
void DockerfileBuild::need(std::size_t stage) {
    if (!needed_.insert(stage).second) return;
    const auto need_source = [&](const std::string& name) {
        if (name.empty() || options_.contains("context:" + name)) return;
        if (const auto other = language::find_stage(*dockerfile_, name, stage))
            need(*other);
        else
            images_.insert(name);
    };
    const std::string base = base_of(stage);
    if (const auto other = language::find_base_stage(*dockerfile_, base, stage);
        other && !options_.contains("context:" + base))
        need(*other);
    else if (base != "scratch")
        images_.insert(base), bases_.insert(base);
    for (const language::Instruction& instruction : dockerfile_->stages[stage].instructions) {
        if (const auto* copy = std::get_if<language::Copy>(&instruction.value))
            need_source(copy->from);
        if (!std::holds_alternative<language::Run>(instruction.value)) continue;
        const auto expanded = language::expand_instruction(instruction, find_global(),
                                                           dockerfile_->directives.escape);
        for (const language::Mount& mount : std::get<language::Run>(expanded.value).mounts)
            need_source(mount.from);
    }
}

/// What the build will look at, as far as that can be told without building. The build itself says
/// what is wrong with the Dockerfile.
void DockerfileBuild::plan() {
    if (!dockerfile_) return;
    try {
        read_globals();
        need(language::get_target(*dockerfile_, option("target")));
        is_planned_ = true;
    } catch (const Error& error) {
        log::debug("planning a build: {}", error.message());
    }
}

/// The paths of the context that COPY, ADD and mounts name; none when it may be any.
std::vector<std::string> DockerfileBuild::find_followed() {
    std::vector<std::string> paths;
    const auto add = [&](std::string path) {
        while (path.starts_with('/') || path.starts_with("./")) path.erase(0, path.find('/') + 1);
        while (path.ends_with('/')) path.pop_back();
        if (path.empty() || path == "." || path.find("..") != std::string::npos ||
            path.find("/./") != std::string::npos ||
            path.find_first_of("$\"'\\") != std::string::npos)
            return false;
        paths.push_back(path);
        return true;
    };
    if (!is_planned_ || !load_bases()) return {};
    for (const std::size_t stage : needed_) {
        for (const language::Instruction& instruction : dockerfile_->stages[stage].instructions) {
            const language::Transfer* transfer = std::get_if<language::Add>(&instruction.value);
            if (const auto* copy = std::get_if<language::Copy>(&instruction.value);
                copy && copy->from.empty())
                transfer = copy;
            if (transfer)
                for (const std::string& source : transfer->sources)
                    if (!add(source)) return {};
            const bool mounts_context = std::holds_alternative<language::Run>(instruction.value) &&
                                        instruction.original.find("--mount") != std::string::npos &&
                                        instruction.original.find("bind") != std::string::npos;
            const bool is_trigger = std::holds_alternative<language::OnBuild>(instruction.value);
            if (mounts_context || is_trigger) return {};
        }
    }
    // An empty list would mean everything.
    if (paths.empty()) paths.push_back(".dockerignore");
    return paths;
}

/// Brings the images that stages begin with: their triggers may name files, too. False when one
/// has triggers, or cannot be had.
bool DockerfileBuild::load_bases() {
    EngineApi api = host_.daemon.api();
    for (const std::string& name : bases_) {
        const std::string target = "/images/" + http::encode_percent(name) + "/json";
        try {
            json::Value image;
            try {
                image = api.ask("GET", target);
            } catch (const Error& error) {
                if (error.kind() != ErrorKind::not_found) throw;
                pull(api, name);
                image = api.ask("GET", target);
            }
            if (!image["Config"]["OnBuild"].as_strings().empty()) return false;
        } catch (const Error& error) {
            log::debug("looking at {}: {}", name, error.message());
            return false;
        }
    }
    return true;
}

void DockerfileBuild::pull(EngineApi& api, const std::string& name) {
    const oci::Reference reference = oci::Reference::parse(name).with_default_tag();
    const std::string vertex = "metadata " + name;
    progress_.start(vertex, "[internal] load metadata for " + reference.canonical());
    http::Headers headers;
    const json::Value& own =
        call_.registries[reference.domain() == "docker.io" ? "https://index.docker.io/v1/"
                                                           : reference.domain()];
    if (own.is_object()) headers.set("X-Registry-Auth", encode_base64(json::dump(own)));
    const http::Query query{{"fromImage", reference.canonical()}, {"platform", option("platform")}};
    try {
        api.follow("POST", "/images/create" + http::format_query(query), headers,
                   [](const json::Value&) {});
        progress_.complete(vertex);
    } catch (const Error& error) {
        progress_.complete(vertex, false, error.message());
        throw;
    }
}

/// The images that the build may pull.
std::vector<std::string> DockerfileBuild::images() const {
    std::vector<std::string> names(images_.begin(), images_.end());
    for (const auto& [name, value] : options_with("context:"))
        if (value.starts_with("docker-image://")) names.push_back(value.substr(15));
    for (const Target& cache : inputs_.cache_imports) names.push_back(cache.get("ref"));
    return names;
}

}  // namespace hull::buildkit
