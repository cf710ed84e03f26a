#include "api/server/buildkit_gate.hh"
#include "api/server/routes.hh"
#include "api/server/times.hh"
#include "api/types/system.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "build/builder.hh"
#include "engine/engine.hh"
#include "image/images.hh"
#include "oci/platform.hh"

#include <algorithm>
#include <exception>
#include <map>
#include <thread>

namespace hull::server {

namespace {

using http::Response;

/// A JSON object of strings in a query parameter; null values mean "not given".
std::map<std::string, std::string> string_map(const Call& call, std::string_view name) {
    std::map<std::string, std::string> map;
    const std::string text = call.query(name);
    if (text.empty()) return map;
    const json::Value value = with_context([&] { return json::parse(text); }, "reading {}", name);
    if (value.is_null()) return map;
    for (const auto& [key, item] : value.as_object())
        if (!item.is_null()) map[key] = item.as_string();
    return map;
}

std::vector<std::string> query_values(const Call& call, std::string_view wanted) {
    std::vector<std::string> values;
    for (const auto& [name, value] : call.exchange.query)
        if (name == wanted && !value.empty()) values.push_back(value);
    return values;
}

std::vector<std::string> string_list(const Call& call, std::string_view name) {
    const std::string text = call.query(name);
    if (text.empty()) return {};
    return with_context([&] { return json::parse(text).as_strings(); }, "reading {}", name);
}

/// Limits and the like of RUN steps.
api::HostConfig parse_host(const Call& call) {
    api::HostConfig host;
    const auto number = [&](std::string_view name) { return call.find_integer(name).value_or(0); };
    host.memory = number("memory");
    host.memory_swap = number("memswap");
    host.cpu_shares = number("cpushares");
    host.cpu_period = number("cpuperiod");
    host.cpu_quota = number("cpuquota");
    host.cpuset_cpus = call.query("cpusetcpus");
    host.cpuset_mems = call.query("cpusetmems");
    host.shm_size = number("shmsize");
    host.cgroup_parent = call.query("cgroupparent");
    host.network_mode = call.query("networkmode");
    if (auto hosts = query_values(call, "extrahosts"); !hosts.empty()) {
        // Older clients send them as one JSON text.
        if (hosts.size() == 1 && hosts.front().starts_with('['))
            hosts = string_list(call, "extrahosts");
        host.extra_hosts = api::Strings(hosts);
    }
    if (const auto options = string_list(call, "securityopt"); !options.empty())
        host.security_opt = api::Strings(options);
    if (const std::string text = call.query("ulimits"); !text.empty())
        host.ulimits = with_context(
            [&] { return api::parse_array<api::Ulimit>(json::parse(text)); }, "reading ulimits");
    return host;
}

/// X-Registry-Config: AuthConfigs by registry. One that cannot be read counts as none, as with
/// Docker: public images need none.
json::Value parse_registries(const Call& call) {
    const auto text = decode_base64(call.exchange.headers.get("X-Registry-Config"));
    if (!text || text->empty()) return {};
    try {
        return json::parse(*text);
    } catch (const Error&) {
        return {};
    }
}

build::BuildRequest parse_build(const Call& call) {
    build::BuildRequest request;
    request.id = call.query("buildid");
    request.tags = query_values(call, "t");
    request.dockerfile = call.query("dockerfile");
    request.target = call.query("target");
    request.platform = call.query("platform");
    request.build_args = string_map(call, "buildargs");
    request.labels = string_map(call, "labels");
    request.no_cache = call.flag("nocache");
    request.pull = call.flag("pull");
    request.quiet = call.flag("q");
    request.cache_from = string_list(call, "cachefrom");
    request.host = parse_host(call);
    request.registries = parse_registries(call);
    return request;
}

/// What `hull build` says beyond Docker's parameters, in a header of its own.
json::Value parse_extra(const Call& call) {
    const std::string_view header = call.exchange.headers.get("X-Hull-Build");
    if (header.empty()) return json::Object();
    const auto text = decode_base64(header);
    if (!text) throw Error(ErrorKind::invalid_argument, "X-Hull-Build is no base64");
    return with_context([&] { return json::parse(*text); }, "reading X-Hull-Build");
}

void add_extra(build::BuildRequest& request, const json::Value& extra) {
    if (extra["dockerfile"].is_string()) request.dockerfile_text = extra["dockerfile"].as_string();
    if (extra["ignore"].is_string()) request.ignore_text = extra["ignore"].as_string();
    if (extra["inlineCache"].is_bool()) request.inline_cache = extra["inlineCache"].as_bool();
    if (extra["timeoutMs"].is_number()) request.timeout_ms = extra["timeoutMs"].as_int();
    if (extra["steps"].is_bool()) request.tells_steps = extra["steps"].as_bool();
    request.no_cache_stages = extra["noCacheFilter"].as_strings();
    request.secrets = extra["secrets"].as_string_map();
    request.ssh = extra["ssh"].as_string_map();
    if (extra["record"].is_string()) {
        const std::string& id = extra["record"].as_string();
        if (id.size() < 12 || id.size() > 64 ||
            id.find_first_not_of("0123456789abcdef") != std::string::npos)
            throw Error(ErrorKind::invalid_argument, "invalid name {} of a build's record", id);
        request.record_id = id;
        request.tells_more = true;
    }
    if (extra["contexts"].is_object())
        for (const auto& [name, value] : extra["contexts"].as_object()) {
            build::BuildRequest::NamedContext& given = request.contexts[name];
            if (value["image"].is_string()) given.image = value["image"].as_string();
            if (value["address"].is_string()) given.address = value["address"].as_string();
            if (value["directory"].is_string()) {
                given.directory = value["directory"].as_string();
                given.identity = value["identity"].as_string();
            }
        }
    for (const json::Value& line :
         extra["annotations"].is_array() ? extra["annotations"].as_array() : json::Array()) {
        build::Annotation annotation;
        const std::string& place = line["place"].as_string();
        if (place == "index")
            annotation.place = build::Annotation::Place::index;
        else if (place == "manifest-descriptor")
            annotation.place = build::Annotation::Place::manifest_descriptor;
        annotation.platform = line["platform"].as_string();
        annotation.name = line["name"].as_string();
        annotation.value = line["value"].as_string();
        request.annotations.push_back(std::move(annotation));
    }
    if (extra["provenance"].is_object()) {
        request.provenance = extra["provenance"]["mode"].as_string() == "max"
                                 ? build::Provenance::max
                                 : build::Provenance::min;
        request.builder_id = extra["provenance"]["builder"].as_string();
    }
    for (const std::string& allowed : extra["allow"].as_strings()) {
        if (allowed == "security.insecure")
            request.allow_insecure = true;
        else if (allowed == "network.host")
            request.allow_host_network = true;
        else
            throw Error(ErrorKind::invalid_argument, "invalid entitlement: {}", allowed);
    }
}

json::Array describe_parts(const build::BuildResult& result) {
    json::Array parts;
    for (const auto& part : result.parts)
        parts.push_back(json::Object{
            {"Platform", part.platform}, {"ID", part.image_id}, {"Digest", part.digest}});
    return parts;
}

/// POST /build: the body is the context. What fails after the first byte is told in the stream.
void build_image(Call& call) {
    if (call.query("version") == "2") return hand_over_build(call);
    if (call.flag("squash"))
        throw Error(
            ErrorKind::unsupported,
            "--squash is not supported: a last stage FROM scratch with COPY --from does it");
    const json::Value extra = parse_extra(call);
    confine_build(call, extra);
    build::BuildRequest request = parse_build(call);
    add_extra(request, extra);
    StopEvent& stop = call.exchange.stop_event();
    const auto send = [&](const api::ProgressMessage& message) {
        if (!call.exchange.replied())
            call.exchange.start_stream(200, {{"Content-Type", "application/json"}});
        call.exchange.write(json::dump(to_json(message)) + "\r\n");
    };
    const auto say = [&](const std::string& text) {
        api::ProgressMessage message;
        message.stream = text;
        send(message);
    };
    std::optional<build::Builder::ReceivedContext> received;
    std::optional<build::Builder::RemoteContext> remote;
    std::vector<build::Builder::RemoteContext> others;
    build::Context context;
    const std::string address = call.query("remote");
    if (!address.empty()) {
        const std::string& keep = request.build_args["BUILDKIT_CONTEXT_KEEP_GIT_DIR"];
        remote.emplace(call.builder.fetch_context(address, keep == "1" || keep == "true",
                                                  request.secrets, stop));
        if (keep.empty()) request.build_args.erase("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        context.directory = remote->directory;
        if (remote->dockerfile) request.dockerfile_text = remote->dockerfile;
    } else if (extra["context"].is_string()) {
        context =
            call.builder.local_context(extra["context"].as_string(), extra["identity"].as_string());
    } else {
        const Fd input = call.exchange.body_fd();
        received.emplace(call.builder.receive_context(input.get(), stop));
        context.directory = received->directory();
    }
    for (auto& [name, given] : request.contexts) {
        if (!given.address.empty()) {
            others.push_back(
                call.builder.fetch_context(given.address, false, request.secrets, stop));
            given.directory = others.back().directory;
        } else if (!given.directory.empty()) {
            const build::Context local =
                call.builder.local_context(given.directory, given.identity);
            given.index = local.index;
        }
    }
    try {
        const build::BuildResult result = call.builder.build(request, context, send, stop);
        if (request.quiet) return say(result.image_id + "\n");
        api::ProgressMessage aux;
        json::Object told{{"ID", result.image_id}};
        if (request.tells_more) {
            told["Digest"] = result.digest;
            told["Parts"] = describe_parts(result);
            if (!result.provenance.is_null()) told["Provenance"] = result.provenance;
        }
        aux.aux = std::move(told);
        send(aux);
        say("Successfully built " + result.image_id.substr(7, 12) + "\n");
        for (const std::string& tag : result.tags) say("Successfully tagged " + tag + "\n");
    } catch (const build::StepFailure& failure) {
        api::ProgressMessage message;
        message.error = failure.message();
        message.error_code = failure.code();
        send(message);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled || !call.exchange.replied()) throw;
        api::ProgressMessage message;
        message.error = error.message();
        send(message);
    }
}

/// GET /images/{name}/rootfs, of Hull's own: the files of an image as a tar.
void export_rootfs(Call& call) {
    const std::string name = call.path("name");
    const std::vector<std::string> platforms = query_values(call, "platform");
    const std::vector<std::string> parts = query_values(call, "part");
    if (!parts.empty() && parts.size() != platforms.size())
        throw Error(ErrorKind::invalid_argument, "as many parts as platforms are needed");
    std::vector<image::ImagePointer> images;
    const image::ImagePointer named = call.images.get_image(name);  // an unknown name is a 404
    for (std::size_t i = 0; i < platforms.size(); ++i) {
        // What an index took the name of is found by the index.
        image::ImagePointer image = parts.empty() ? nullptr : call.images.find_image(parts[i]);
        if (!image) image = call.images.find_platform(named, oci::parse_platform(platforms[i]));
        if (!image)
            throw Error(ErrorKind::not_found, "image {} is not here for {}", name, platforms[i]);
        images.push_back(std::move(image));
    }
    if (images.empty()) images.push_back(named);
    const bool splits = call.flag("split");
    StopEvent& stop = call.exchange.stop_event();
    sys::Pipe pipe = sys::pipe();
    call.exchange.start_stream(200, {{"Content-Type", "application/x-tar"}});
    std::exception_ptr failure;
    std::thread writer([&, output = std::move(pipe.write_end)]() mutable {
        try {
            call.builder.export_rootfs(images, splits, output.get(), stop);
        } catch (...) {
            failure = std::current_exception();
        }
        output.reset();
    });
    try {
        std::vector<std::byte> buffer(64UL << 10);
        while (const std::size_t count = sys::read(pipe.read_end.get(), buffer))
            call.exchange.write({reinterpret_cast<const char*>(buffer.data()), count});
    } catch (const Error&) {
        // The client is gone; closing the pipe ends the writer.
    }
    pipe.read_end.reset();
    writer.join();
    if (failure) std::rethrow_exception(failure);  // breaks the stream off
}

/// POST /build/prune: what went, and the bytes.
Response prune_build_cache(Call& call) {
    build::Builder::PruneOptions options;
    options.all = call.flag("all");
    for (const char* name : {"keep-storage", "reserved-space"})
        if (const auto bytes = call.find_integer(name); bytes && *bytes > 0)
            options.keep_bytes = static_cast<std::uint64_t>(*bytes);
    const auto bytes_of = [&](const char* name) {
        return static_cast<std::uint64_t>(
            std::max<std::int64_t>(call.find_integer(name).value_or(0), 0));
    };
    options.most_bytes = bytes_of("max-used-space");
    options.min_free_bytes = bytes_of("min-free-space");
    for (const auto& [name, values] : call.filters()) {
        if (name != "until" && name != "unused-for") {
            options.filters[name] = values;
            continue;
        }
        for (const std::string& value : values) {
            const auto age_ns = find_duration(value);
            if (!age_ns)
                throw Error(ErrorKind::invalid_argument, "invalid duration {} of filter {}", value,
                            name);
            options.unused_since_ns = now_ns() - *age_ns;
        }
    }
    options.dry_run = is_dry_run(call);
    const build::Builder::PruneReport report = call.builder.prune(options);
    if (!options.dry_run && options.all && call.services.buildkit)
        call.services.buildkit->forget_contexts();
    if (!options.dry_run)
        call.engine.publish_event("builder", "prune", "",
                                  {{"reclaimed", std::to_string(report.freed_bytes)}});
    return Response::json(json::Object{
        {"CachesDeleted", report.deleted.empty() ? json::Value() : json::Value(report.deleted)},
        {"SpaceReclaimed", report.freed_bytes},
    });
}

/// POST /build/cancel?id=
Response cancel_build(Call& call) {
    call.builder.cancel(call.query("id"));
    return Response::no_content();
}

constexpr Route routes[] = {
    {"POST", "/build", nullptr, build_image},
    {"POST", "/build/prune", prune_build_cache},
    {"GET", "/build/prune", prune_build_cache},
    {"GET", "/images/{name...}/rootfs", nullptr, export_rootfs},
    {"POST", "/build/cancel", cancel_build},
};

}  // namespace

std::span<const Route> build_routes() { return routes; }

}  // namespace hull::server
