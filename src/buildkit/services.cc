#include "buildkit/services.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "buildkit/message.hh"
#include "oci/platform.hh"

#include <sys/socket.h>

#include <algorithm>
#include <thread>

namespace hull::buildkit {

namespace {

std::string read_request(Call& call) {
    std::string message;
    if (!call.read(message))
        throw Error(ErrorKind::invalid_argument, "{} has no request", call.path());
    return message;
}

/// What clients compare: the BuildKit whose interface this is.
MessageWriter version_message() {
    return MessageWriter().text(1, "hull").text(2, "v0.13.2").text(3, HULL_VERSION);
}

MessageWriter worker_message() {
    const oci::Platform platform = oci::host_platform();
    const MessageWriter own = MessageWriter()
                                  .text(1, platform.architecture)
                                  .text(2, platform.os)
                                  .text(3, platform.variant);
    MessageWriter worker;
    worker.text(1, sha256_hex("hull").substr(0, 25))
        .map(2, {{"org.mobyproject.buildkit.worker.executor", "hull"}})
        .message(3, own)
        .message(5, version_message());
    return worker;
}

/// With where the error is in the Dockerfile, as clients show it: the detail of the status is
/// BuildKit's errdefs.Source, in JSON.
CallStatus error_status(const Error& error, const std::optional<FailurePlace>& place) {
    // Clients show the name of every other code in front of the message.
    CallStatus status{StatusCode::unknown, error.message(), {}};
    if (error.kind() == ErrorKind::cancelled) status.code = StatusCode::cancelled;
    if (!place) return status;
    const auto position = [](int line) { return json::Object{{"line", line}}; };
    const json::Object source{
        {"info", json::Object{{"filename", place->file}, {"data", encode_base64(place->text)}}},
        {"ranges", json::Array{json::Object{
                       {"start", position(place->first_line)},
                       {"end", position(std::max(place->first_line, place->last_line))}}}}};
    MessageWriter any;
    any.text(1, "github.com/moby/buildkit/errdefs.Source+json").text(2, json::dump(source));
    status.details = MessageWriter()
                         .number(1, static_cast<std::uint64_t>(status.code))
                         .text(2, error.message())
                         .message(3, any)
                         .bytes();
    return status;
}

/// "name==value", or a name alone.
void add_filter(json::Object& filters, const std::string& text) {
    const std::size_t end = text.find_first_of("=~");
    const std::size_t begin = text.find_first_not_of("=~", std::min(end, text.size()));
    const std::string value = end == std::string::npos     ? "true"
                              : begin == std::string::npos ? ""
                                                           : text.substr(begin);
    filters[text.substr(0, end)] = json::Array{value};
}

}  // namespace

std::shared_ptr<Job> Services::job_of(Call& call) {
    return jobs_.get(call.metadata("buildkit-controlapi-buildid"));
}

void Services::handle(Call& call) {
    struct Method {
        std::string_view path;
        void (Services::*run)(Call&);
    };
    static constexpr Method methods[] = {
        {"/moby.buildkit.v1.Control/Solve", &Services::solve},
        {"/moby.buildkit.v1.Control/Status", &Services::status},
        {"/moby.buildkit.v1.Control/Session", &Services::session},
        {"/moby.buildkit.v1.Control/Info", &Services::info},
        {"/moby.buildkit.v1.Control/ListWorkers", &Services::list_workers},
        {"/moby.buildkit.v1.Control/DiskUsage", &Services::disk_usage},
        {"/moby.buildkit.v1.Control/Prune", &Services::prune},
        {"/moby.buildkit.v1.Control/ListenBuildHistory", &Services::history},
        {"/moby.buildkit.v1.frontend.LLBBridge/Ping", &Services::ping},
        {"/moby.buildkit.v1.frontend.LLBBridge/Solve", &Services::frontend_solve},
        {"/moby.buildkit.v1.frontend.LLBBridge/Return", &Services::frontend_return},
        {"/moby.buildkit.v1.frontend.LLBBridge/Evaluate", &Services::evaluate},
    };
    for (const Method& method : methods)
        if (method.path == call.path()) return (this->*method.run)(call);
    throw Error(ErrorKind::unsupported, "{} is not supported by Hull", call.path());
}

void Services::solve(Call& call) {
    const auto job = jobs_.add(host_, parse_solve_request(read_request(call)));
    call.on_cancel([job] { job->cancel(); });
    try {
        const Attributes response = job->run();
        job->progress.end("");
        call.write(MessageWriter().map(1, response).bytes());
    } catch (const Error& error) {
        job->progress.end(error.kind() == ErrorKind::cancelled ? "context canceled"
                                                               : error.message());
        const std::string given = job->client_error();
        if (given.empty()) return call.finish(error_status(error, job->failure()));
        // The client's own error comes back to it as it was.
        CallStatus status{StatusCode::unknown, "", given};
        MessageReader reader(given);
        for (Field field; reader.next(field);) {
            if (field.number == 1 && field.value != 0)
                status.code = static_cast<StatusCode>(field.value);
            if (field.number == 2) status.message = field.bytes;
        }
        call.finish(status);
    }
}

void Services::status(Call& call) {
    std::string ref;
    const std::string request = read_request(call);
    MessageReader reader(request);
    for (Field field; reader.next(field);)
        if (field.number == 1) ref = field.bytes;
    jobs_.get(ref)->progress.follow([&](const std::string& message) { call.write(message); });
}

/// A session that comes as messages of a call instead of over a connection of its own.
void Services::session(Call& call) {
    ClientSession session;
    session.id = call.metadata("x-docker-expose-session-uuid");
    session.shared_key = call.metadata("x-docker-expose-session-sharedkey");
    for (const std::string& method : call.all_metadata("x-docker-expose-session-grpc-method"))
        session.methods.insert(method);
    sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
    // Both we and the call's end, which may come late, have it.
    const auto owner = std::make_shared<const Fd>(std::move(pair.first));
    const int ours = owner->get();
    host_.sessions.open(std::move(session), std::move(pair.second));
    call.on_cancel([owner] { ::shutdown(owner->get(), SHUT_RDWR); });
    std::thread back([&] {
        std::vector<std::byte> buffer(32UL << 10);
        try {
            while (const std::size_t count = sys::read(ours, buffer))
                call.write(MessageWriter()
                               .text(1, {reinterpret_cast<const char*>(buffer.data()), count})
                               .bytes());
        } catch (const Error&) {
            // The client is gone, which ends the other direction as well.
        }
    });
    try {
        std::string message;
        while (call.read(message)) {
            MessageReader reader(message);
            for (Field field; reader.next(field);)
                if (field.number == 1) sys::write_all(ours, field.bytes);
        }
    } catch (const Error&) {
        // It has gone.
    }
    ::shutdown(ours, SHUT_RDWR);
    back.join();
    call.on_cancel({});
}

void Services::info(Call& call) {
    read_request(call);
    call.write(MessageWriter().message(1, version_message()).bytes());
}

void Services::list_workers(Call& call) {
    read_request(call);
    call.write(MessageWriter().message(1, worker_message()).bytes());
}

void Services::disk_usage(Call& call) {
    read_request(call);
    MessageWriter response;
    EngineApi api = host_.daemon.api();
    const json::Value usage = api.ask("GET", "/system/df?type=build-cache");
    for (const json::Value& record : usage["BuildCache"].as_array()) {
        const auto text = [&](const char* name) {
            return record[name].is_string() ? record[name].as_string() : std::string();
        };
        const auto flag = [&](const char* name) {
            return record[name].is_bool() && record[name].as_bool();
        };
        const auto time = [&](const char* name) {
            return text(name).empty() ? 0 : parse_rfc3339(text(name)).value_or(0);
        };
        MessageWriter message;
        message.text(1, text("ID"))
            .number(2, text("Type") == "exec.cachemount")
            .number(3, flag("InUse"))
            .number(4, record["Size"].as_uint())
            .time(6, time("CreatedAt"))
            .time(7, time("LastUsedAt"))
            .number(8, record["UsageCount"].is_number() ? record["UsageCount"].as_uint() : 0)
            .text(9, text("Description"))
            .text(10, text("Type"))
            .number(11, flag("Shared"));
        for (const std::string& parent : record["Parents"].as_strings()) message.text(12, parent);
        response.message(1, message);
    }
    call.write(response.bytes());
}

void Services::prune(Call& call) {
    http::Query query;
    const std::string request = read_request(call);
    json::Object filters;
    MessageReader reader(request);
    for (Field field; reader.next(field);) {
        const std::string number = std::to_string(field.as_int());
        switch (field.number) {
            case 1:
                for (const std::string& text : split_nonempty(field.as_string(), ','))
                    add_filter(filters, text);
                break;
            case 2: query.emplace_back("all", field.as_bool() ? "1" : "0"); break;
            case 3:
                if (field.value != 0) filters["until"] = json::Array{number + "ns"};
                break;
            case 4: query.emplace_back("reserved-space", number); break;
            case 5: query.emplace_back("max-used-space", number); break;
            case 6: query.emplace_back("min-free-space", number); break;
            default: break;
        }
    }
    if (!filters.empty()) query.emplace_back("filters", json::dump(filters));
    EngineApi api = host_.daemon.api();
    std::map<std::string, json::Value> before;
    const json::Value usage = api.ask("GET", "/system/df?type=build-cache");
    for (const json::Value& record : usage["BuildCache"].as_array())
        before[record["ID"].as_string()] = record;
    const json::Value report = api.ask("POST", "/build/prune" + http::format_query(query));
    for (const std::string& id : report["CachesDeleted"].as_strings()) {
        const json::Value& record = before[id];
        MessageWriter message;
        message.text(1, id).number(4, record["Size"].is_number() ? record["Size"].as_uint() : 0);
        if (record["Description"].is_string()) message.text(9, record["Description"].as_string());
        if (record["Type"].is_string()) message.text(10, record["Type"].as_string());
        call.write(message.bytes());
    }
}

/// The builds that hulld remembers. A client that waits for new ones is told the old ones, and
/// waits.
void Services::history(Call& call) {
    bool ends_early = false;
    std::string wanted;
    const std::string request = read_request(call);
    MessageReader reader(request);
    for (Field field; reader.next(field);) {
        if (field.number == 2) wanted = field.bytes;
        if (field.number == 3) ends_early = field.as_bool();
    }
    constexpr std::uint64_t complete = 1;
    EngineApi api = host_.daemon.api();
    const json::Value builds = api.ask("GET", "/build/history");
    for (const json::Value& build : builds.as_array()) {
        const std::string& id = build["id"].as_string();
        if (!wanted.empty() && id != wanted) continue;
        const bool runs = build["status"].as_string() == "running";
        const std::int64_t started = parse_rfc3339(build["started"].as_string()).value_or(0);
        const std::uint64_t steps = build["stepCount"].as_uint();
        MessageWriter record;
        record.text(1, id)
            .text(2, "dockerfile.v0")
            .map(3, {{"filename", build["dockerfile"].as_string()},
                     {"target", build["target"].as_string()},
                     {"context", build["name"].as_string()}});
        if (const std::string& error = build["error"].as_string(); !error.empty())
            record.message(5, MessageWriter()
                                  .number(1, static_cast<std::uint64_t>(StatusCode::unknown))
                                  .text(2, error));
        record.time(6, started)
            .time(7, runs ? 0 : started + build["duration"].as_int())
            .number(15, build["cached"].as_uint())
            .number(16, steps)
            .number(17, runs ? 0 : steps);
        call.write(MessageWriter().number(1, runs ? 0 : complete).message(2, record).bytes());
    }
    if (ends_early) return;
    std::string rest;
    while (call.read(rest)) continue;
    call.wait_for_cancel();
}

// ---------------------------------------------------------------- clients that are the frontend

/// What such a client may ask for. Source: frontend/gateway/pb/caps.go of BuildKit.
void Services::ping(Call& call) {
    read_request(call);
    MessageWriter response;
    for (const char* name :
         {"solve.base", "solve.inlinereturn", "return", "returnmap", "proto.refarray",
          "reference.output", "frontend.caps", "gateway.evaluate.solve", "gateway.evaluate",
          "gateway.solve.metadata", "importcaches"})
        response.message(1, MessageWriter().text(1, name).number(2, 1));
    response.message(3, worker_message());
    call.write(response.bytes());
}

void Services::frontend_solve(Call& call) {
    const auto job = job_of(call);
    const std::string request = read_request(call);
    call.on_cancel([job] { job->cancel(); });
    try {
        const std::string ref = job->solve(parse_frontend_request(request));
        const BuildOutcome outcome = job->get_result(ref);
        MessageWriter result;
        if (!outcome.image_id.empty())
            result.message(3, MessageWriter().text(1, ref));
        else
            result.message(3, MessageWriter());
        result.map(10, outcome.metadata);
        call.write(MessageWriter().message(3, result).bytes());
    } catch (const Error& error) {
        call.finish(error_status(error, job->failure()));
    }
}

void Services::frontend_return(Call& call) {
    const auto job = job_of(call);
    const std::string request = read_request(call);
    std::string ref, error;
    MessageReader reader(request);
    for (Field field; reader.next(field);) {
        if (field.number == 2) error = field.bytes;
        if (field.number != 1) continue;
        MessageReader result(field.bytes);
        for (Field part; result.next(part);) {
            if (part.number == 1) ref = part.bytes;
            if (part.number != 3) continue;
            MessageReader inner(part.bytes);
            for (Field id; inner.next(id);)
                if (id.number == 1) ref = id.bytes;
        }
    }
    job->give_result(ref, error);
    call.write("");
}

/// A result is there as soon as it has a ref.
void Services::evaluate(Call& call) {
    const auto job = job_of(call);
    const std::string request = read_request(call);
    MessageReader reader(request);
    for (Field field; reader.next(field);)
        if (field.number == 1) (void)job->get_result(field.as_string());
    call.write("");
}

}  // namespace hull::buildkit
