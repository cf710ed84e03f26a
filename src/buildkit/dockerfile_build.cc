#include "buildkit/dockerfile_build.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "build/dockerfile/check.hh"
#include "build/dockerfile/check_report.hh"
#include "build/dockerfile/ignore.hh"
#include "build/dockerfile/outline.hh"
#include "buildkit/step_names.hh"
#include "oci/reference.hh"

#include <algorithm>
#include <cstring>

namespace hull::buildkit {

namespace {

namespace language = build::dockerfile;

constexpr const char* definition_vertex = "definition";
constexpr std::size_t most_dockerfile_bytes = 4UL << 20;
constexpr std::string_view upload_address = "http://buildkit-session/";

std::string step_key(std::int64_t number) { return fmt::format("step {}", number); }

}  // namespace

std::string DockerfileBuild::option(const std::string& name) const {
    const auto found = options_.find(name);
    return found == options_.end() ? "" : found->second;
}

Attributes DockerfileBuild::options_with(const std::string& prefix) const {
    Attributes values;
    for (const auto& [name, value] : options_)
        if (name.starts_with(prefix)) values[name.substr(prefix.size())] = value;
    return values;
}

/// Directories may be another session's: clients that build many targets open one for each.
ClientSessionPointer DockerfileBuild::session_of(const std::string& name) {
    const std::string other = option("local-sessionid:" + name);
    return host_.sessions.get(other.empty() ? inputs_.session : other);
}

Rooms::Room DockerfileBuild::bring(const std::string& name, const std::string& vertex,
                                   const std::string& detail, SyncRequest request) {
    const ClientSessionPointer session = session_of(name);
    Rooms::Room room = host_.rooms.enter(session->shared_key + "\n" + name + "\n" + vertex);
    request.name = name;
    std::uint64_t total = 0;
    sync_directory(*session, request, room.name(), [&](std::uint64_t bytes) {
        constexpr std::uint64_t worth_telling = 1 << 20;
        if (bytes / worth_telling != total / worth_telling)
            progress_.detail(vertex, detail, static_cast<std::int64_t>(bytes), false);
        total = bytes;
    });
    progress_.detail(vertex, detail, static_cast<std::int64_t>(total), true);
    return room;
}

// ---------------------------------------------------------------- the Dockerfile

void DockerfileBuild::read_dockerfile() {
    file_name_ = option("filename").empty() ? "Dockerfile" : option("filename");
    remote_ = option("context");
    const bool has_own = options_.contains("dockerfilekey");
    if (!remote_.empty() && !has_own) return;  // it is in the context
    const std::string name = has_own ? option("dockerfilekey") : "dockerfile";
    progress_.start(definition_vertex, "[internal] load build definition from " + file_name_);
    const Rooms::Room room =
        bring(name, definition_vertex, "transferring dockerfile:",
              {"", {}, {file_name_, file_name_ + ".dockerignore", lower(file_name_)}});
    auto text = find_file(join(room.name(), file_name_), most_dockerfile_bytes);
    if (!text && file_name_ == "Dockerfile")
        text = find_file(join(room.name(), "dockerfile"), most_dockerfile_bytes);
    if (!text)
        throw Error(ErrorKind::not_found,
                    "failed to read dockerfile: open {}: no such file or directory", file_name_);
    dockerfile_text_ = *text;
    extra_["dockerfile"] = *text;
    if (const auto ignore =
            find_file(join(room.name(), file_name_ + ".dockerignore"), most_dockerfile_bytes)) {
        extra_["ignore"] = *ignore;
        ignored_ = language::parse_ignore_file(*ignore);
    }
    progress_.complete(definition_vertex);
    parse();
}

void DockerfileBuild::parse() {
    if (trim(dockerfile_text_).empty())
        throw Error(ErrorKind::invalid_argument, "the Dockerfile ({}) cannot be empty", file_name_);
    try {
        dockerfile_ = language::parse_dockerfile(dockerfile_text_, file_name_);
    } catch (const language::DockerfileError& error) {
        const language::Location& place = error.diagnostic().location;
        failure_ = FailurePlace{file_name_, dockerfile_text_, place.line, place.last_line};
        throw;
    }
}

/// docker build --check and --call: no build at all.
std::optional<BuildOutcome> DockerfileBuild::answer_question() {
    const std::string question = option("requestid");
    if (question.empty()) return std::nullopt;
    if (!dockerfile_)
        throw Error(ErrorKind::unsupported, "{} of a remote context is not supported", question);
    BuildOutcome outcome;
    const auto answer = [&](const json::Value& value, std::string text) {
        outcome.metadata["result.json"] = json::dump(value);
        outcome.metadata["result.txt"] = std::move(text);
        return outcome;
    };
    if (question == "frontend.targets")
        return answer(language::targets_json(*dockerfile_), language::targets_text(*dockerfile_));
    const Attributes arguments = options_with("build-arg:");
    if (question == "frontend.outline") {
        const auto outline = language::make_outline(*dockerfile_, option("target"), arguments);
        return answer(language::outline_json(outline), language::outline_text(outline));
    }
    if (question == "frontend.lint") {
        language::CheckOptions options;
        options.build_args = arguments;
        const auto directive = arguments.find("BUILDKIT_DOCKERFILE_CHECK");
        if (directive != arguments.end()) options.directive = directive->second;
        const language::CheckResult result = language::check(*dockerfile_, options);
        outcome.metadata["result.statuscode"] = result.findings.empty() ? "0" : "1";
        return answer(language::check_json(result, dockerfile_->source),
                      language::check_text(result, dockerfile_->source));
    }
    throw Error(ErrorKind::unsupported, "the request {} is not supported", question);
}

/// The build checks, as clients show them after the build.
void DockerfileBuild::warn() {
    if (!dockerfile_) return;
    language::CheckOptions options;
    options.build_args = options_with("build-arg:");
    const auto directive = options.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
    if (directive != options.build_args.end()) options.directive = directive->second;
    const language::IgnorePatterns patterns(ignored_);
    options.ignore = &patterns;
    const language::CheckResult result = language::check(*dockerfile_, options);
    const MessageWriter source = MessageWriter().text(1, file_name_).text(2, dockerfile_text_);
    for (const language::Diagnostic& finding : result.findings) {
        const language::Location& place = finding.location;
        const auto line = [](int number) {
            return MessageWriter().number(1, static_cast<std::uint64_t>(number));
        };
        MessageWriter warning;
        warning.number(2, 1)
            .text(3, fmt::format("{}: {} (line {})", finding.rule, finding.message, place.line))
            .message(6, source)
            .message(7, MessageWriter()
                            .message(1, line(place.line))
                            .message(2, line(std::max(place.line, place.last_line))));
        for (const language::CheckRule& rule : language::check_rules())
            if (rule.name == finding.rule)
                warning.text(4, rule.description).text(5, language::rule_url(rule));
        progress_.warn(definition_vertex, warning);
    }
    if (result.error)
        throw Error(ErrorKind::invalid_argument, "lint violation found for rules: {}",
                    result.findings.front().rule);
}

// ---------------------------------------------------------------- what the steps need

void DockerfileBuild::bring_context() {
    if (remote_.starts_with(upload_address)) {
        const ClientSessionPointer session = session_of("context");
        upload_ =
            session->connection->start("/moby.upload.v1.Upload/Pull",
                                       {{"urlpath", remote_.substr(upload_address.size() - 1)}});
        upload_->finish();
        call_.archive = [call = upload_.get(), left = std::string(),
                         session](std::span<std::byte> buffer) mutable -> std::size_t {
            while (left.empty()) {
                std::string message;
                if (!call->read(message)) return 0;
                MessageReader reader(message);
                for (Field field; reader.next(field);)
                    if (field.number == 1) left = field.bytes;
            }
            const std::size_t count = std::min(buffer.size(), left.size());
            std::memcpy(buffer.data(), left.data(), count);
            left.erase(0, count);
            return count;
        };
        return;
    }
    if (remote_ == "upload-request") {
        body_ = host_.uploads.take(inputs_.ref);
        call_.archive = [this](std::span<std::byte> buffer) {
            return sys::read(body_->archive.get(), buffer);
        };
        return;
    }
    if (!remote_.empty()) return;
    const std::string name = option("contextkey").empty() ? "context" : option("contextkey");
    if (!extra_.find("ignore")) {
        constexpr const char* vertex = "ignore";
        progress_.start(vertex, "[internal] load .dockerignore");
        const Rooms::Room room =
            bring(name, vertex, "transferring context:", {"", {}, {".dockerignore"}});
        if (const auto text =
                find_file(join(room.name(), ".dockerignore"), most_dockerfile_bytes)) {
            extra_["ignore"] = *text;
            ignored_ = language::parse_ignore_file(*text);
        }
        progress_.complete(vertex);
    }
    constexpr const char* vertex = "context";
    progress_.start(vertex, "[internal] load build context");
    rooms_.push_back(bring(name, vertex, "transferring context:", {"", ignored_, find_followed()}));
    progress_.complete(vertex);
    extra_["context"] = rooms_.back().path();
    extra_["identity"] = rooms_.back().identity();
}

/// context:NAME=…: what stands for a stage or an image of that name.
void DockerfileBuild::bring_named_contexts() {
    json::Object contexts;
    constexpr std::string_view image = "docker-image://", local = "local:";
    for (const auto& [name, value] : options_with("context:")) {
        if (name.find("::") != std::string::npos) continue;  // for one platform only
        if (value.starts_with(image)) {
            contexts[name] = json::Object{{"image", value.substr(image.size())}};
        } else if (value.starts_with(local)) {
            const std::string directory = value.substr(local.size());
            const std::string vertex = "context " + name;
            progress_.start(vertex, fmt::format("[context {}] load from client", name));
            rooms_.push_back(bring(directory, vertex, "transferring " + name + ":", {}));
            progress_.complete(vertex);
            contexts[name] = json::Object{{"directory", rooms_.back().path()},
                                          {"identity", rooms_.back().identity()}};
        } else if (value.starts_with("http://") || value.starts_with("https://") ||
                   value.starts_with("git://") || value.starts_with("git@") ||
                   value.starts_with("ssh://")) {
            contexts[name] = json::Object{{"address", value}};
        } else {
            throw Error(ErrorKind::unsupported,
                        "the build context {}={} is not supported: use a directory, an image, or "
                        "an address",
                        name, value);
        }
    }
    if (!contexts.empty()) extra_["contexts"] = std::move(contexts);
}

void DockerfileBuild::bring_secrets() {
    constexpr const char* method = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
    if (!dockerfile_) return;
    const ClientSessionPointer session = host_.sessions.get(inputs_.session);
    if (!session->offers(method)) return;
    json::Object secrets;
    const auto outline =
        language::make_outline(*dockerfile_, option("target"), options_with("build-arg:"));
    for (const auto& item : outline.secrets) {
        try {
            const std::string reply =
                session->connection->ask(method, MessageWriter().text(1, item.name).bytes());
            std::string data;
            MessageReader reader(reply);
            for (Field field; reader.next(field);)
                if (field.number == 1) data = field.bytes;
            secrets[item.name] = data;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;  // the step says that it needs it
        }
    }
    if (!secrets.empty()) extra_["secrets"] = std::move(secrets);
}

void DockerfileBuild::bring_agents() {
    if (!dockerfile_) return;
    const ClientSessionPointer session = host_.sessions.get(inputs_.session);
    if (!session->offers("/moby.sshforward.v1.SSH/ForwardAgent")) return;
    json::Object sockets;
    const auto outline =
        language::make_outline(*dockerfile_, option("target"), options_with("build-arg:"));
    for (const auto& item : outline.ssh) {
        const std::string id = item.name.empty() ? "default" : item.name;
        try {
            sockets[id] = agents_.emplace_back(host_.daemon, session, id).path();
        } catch (const Error& error) {
            log::info("no agent {}: {}", id, error.message());  // the step says that it needs it
        }
    }
    if (!sockets.empty()) extra_["ssh"] = std::move(sockets);
}

/// The client knows them by host. A registry that it has none for is asked without.
void DockerfileBuild::bring_credentials() {
    constexpr const char* method = "/moby.filesync.v1.Auth/Credentials";
    const ClientSessionPointer session = host_.sessions.get(inputs_.session);
    if (!session->offers(method) || !dockerfile_) return;
    std::set<std::string> hosts;
    for (const std::string& name : images()) {
        try {
            hosts.insert(oci::Reference::parse(name).domain());
        } catch (const Error&) {
            // No name of an image: the build says so.
        }
    }
    json::Object registries;
    for (const std::string& host : hosts) {
        const bool is_hub = host == "docker.io";
        const std::string reply = session->connection->ask(
            method, MessageWriter().text(1, is_hub ? "registry-1.docker.io" : host).bytes());
        std::string user, secret;
        MessageReader reader(reply);
        for (Field field; reader.next(field);) {
            if (field.number == 1) user = field.bytes;
            if (field.number == 2) secret = field.bytes;
        }
        if (secret.empty()) continue;
        registries[is_hub ? "https://index.docker.io/v1/" : host] =
            user.empty() ? json::Object{{"identitytoken", secret}}
                         : json::Object{{"username", user}, {"password", secret}};
    }
    if (!registries.empty()) call_.registries = std::move(registries);
}

// ---------------------------------------------------------------- the build

http::Query DockerfileBuild::make_query() {
    http::Query query;
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) query.emplace_back(name, value);
    };
    for (const std::string& tag : inputs_.tags) add("t", tag);
    if (!dockerfile_) add("dockerfile", option("filename"));
    if (!remote_.empty() && !call_.archive) add("remote", remote_);
    add("target", option("target"));
    const std::string platform = option("platform");
    if (platform.find(',') != std::string::npos)
        throw Error(ErrorKind::unsupported,
                    "an image for several platforms at once ({}) is not supported: build them one "
                    "by one and join them with docker manifest or hull manifest",
                    platform);
    add("platform", platform);
    if (const Attributes values = options_with("build-arg:"); !values.empty())
        add("buildargs", json::dump(json::Value(values)));
    if (const Attributes values = options_with("label:"); !values.empty())
        add("labels", json::dump(json::Value(values)));
    if (options_.contains("no-cache")) {
        const std::string stages = option("no-cache");
        if (stages.empty())
            add("nocache", "1");
        else
            extra_["noCacheFilter"] = split_nonempty(stages, ',');
    }
    if (option("image-resolve-mode") == "pull") add("pull", "1");
    const std::string network = option("force-network-mode");
    add("networkmode", network == "sandbox" ? "" : network);
    add("shmsize", option("shm-size"));
    add("cgroupparent", option("cgroup-parent"));
    for (const std::string& host : split_nonempty(option("add-hosts"), ',')) {
        std::string text = host;
        if (const std::size_t equals = text.find('='); equals != std::string::npos)
            text[equals] = ':';
        add("extrahosts", text);
    }
    json::Array ulimits;
    for (const std::string& limit : split_nonempty(option("ulimit"), ',')) {
        // name=soft:hard
        const std::size_t equals = limit.find('='), colon = limit.find(':');
        if (equals == std::string::npos) continue;
        const auto number = [&](const std::string& text) { return json::parse(text); };
        const std::string soft = limit.substr(equals + 1, colon - equals - 1);
        const std::string hard = colon == std::string::npos ? soft : limit.substr(colon + 1);
        ulimits.push_back(json::Object{
            {"Name", limit.substr(0, equals)}, {"Soft", number(soft)}, {"Hard", number(hard)}});
    }
    if (!ulimits.empty()) add("ulimits", json::dump(ulimits));
    std::vector<std::string> caches;
    for (const Target& cache : inputs_.cache_imports)
        if (cache.type == "registry" && !cache.get("ref").empty())
            caches.push_back(cache.get("ref"));
    if (!caches.empty()) add("cachefrom", json::dump(json::Value(caches)));
    query.emplace_back("version", "1");
    return query;
}

/// A message of hulld's about a step, see build/step_events.hh, or Docker's.
void DockerfileBuild::take(const json::Value& message) {
    if (message["error"].is_string()) fail(message);
    const json::Value& aux = message["aux"];
    if (aux["ID"].is_string()) image_id_ = aux["ID"].as_string();
    if (aux["plan"].is_object()) {
        plan_ = aux["plan"];
        names_ = name_steps(plan_);
        for (const auto& [number, name] : names_) progress_.announce(step_key(number), name);
        return;
    }
    if (!aux["step"].is_number()) return;
    const std::int64_t number = aux["step"].as_int();
    const std::string key = step_key(number);
    const bool is_shown = names_.contains(number);
    if (aux["failed"].is_bool()) {
        failed_step_ = number;
    } else if (aux["log"].is_string()) {
        if (is_shown) progress_.log(key, aux["log"].as_string());
    } else if (aux["begins"].is_bool()) {
        if (is_shown) progress_.start(key, names_[number]);
    } else if (aux["cached"].is_bool() && is_shown) {
        progress_.complete(key, aux["cached"].as_bool());
    }
}

std::optional<FailurePlace> DockerfileBuild::find_place(std::int64_t step) const {
    if (!dockerfile_ || !plan_.is_object()) return std::nullopt;
    for (const json::Value& described : plan_["stages"].as_array()) {
        const std::size_t index = described["index"].as_uint();
        const std::int64_t position = step - described["first"].as_int();
        if (position < 0 || index >= dockerfile_->stages.size()) continue;
        const language::Stage& stage = dockerfile_->stages[index];
        const auto number = static_cast<std::size_t>(position);
        if (number > stage.instructions.size()) continue;
        const language::Location& place =
            number == 0 ? stage.location : stage.instructions[number - 1].location;
        return FailurePlace{file_name_, dockerfile_text_, place.line, place.last_line};
    }
    return std::nullopt;
}

/// In BuildKit's words, which clients and scripts look for.
void DockerfileBuild::fail(const json::Value& message) {
    std::string text = message["error"].as_string();
    const std::int64_t code =
        message["errorDetail"]["code"].is_number() ? message["errorDetail"]["code"].as_int() : 0;
    const std::string begin = "The command '";
    const std::size_t end = text.rfind("' returned a non-zero code: ");
    if (code != 0 && text.starts_with(begin) && end != std::string::npos)
        text = fmt::format("process \"{}\" did not complete successfully: exit code: {}",
                           text.substr(begin.size(), end - begin.size()), code);
    if (failed_step_ != 0 && names_.contains(failed_step_))
        progress_.complete(step_key(failed_step_), false, text);
    if (failed_step_ != 0) failure_ = find_place(failed_step_);
    throw Error(ErrorKind::internal, "{}", text);
}

BuildOutcome DockerfileBuild::build() {
    extra_["steps"] = true;
    if (inputs_.inline_cache) extra_["inlineCache"] = true;
    if (!inputs_.record_id.empty()) extra_["record"] = inputs_.record_id;
    if (!inputs_.entitlements.empty()) extra_["allow"] = inputs_.entitlements;
    call_.query = make_query();
    call_.extra = std::move(extra_);
    EngineApi api = host_.daemon.api();
    api.build(
        std::move(call_), [this](const json::Value& message) { take(message); }, cancellation_);
    if (image_id_.empty()) throw Error(ErrorKind::internal, "the build ended without an image");
    BuildOutcome outcome;
    outcome.image_id = image_id_;
    return outcome;
}

BuildOutcome DockerfileBuild::run() {
    read_dockerfile();
    if (auto answer = answer_question()) return *answer;
    warn();
    plan();
    bring_credentials();
    bring_context();
    bring_named_contexts();
    bring_secrets();
    bring_agents();
    return build();
}

}  // namespace hull::buildkit
