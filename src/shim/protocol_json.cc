#include "base/json.hh"
#include "shim/protocol.hh"

namespace hull::shim {

namespace {

json::Value to_json(const AttachOptions& options) {
    json::Array keys;  // bytes: they need not be text
    for (const char key : options.detach_keys) keys.push_back(static_cast<unsigned char>(key));
    return json::Object{{"stdin", options.use_stdin},
                        {"stdout", options.use_stdout},
                        {"stderr", options.use_stderr},
                        {"multiplexed", options.multiplexed},
                        {"detachKeys", std::move(keys)}};
}

AttachOptions parse_attach_options(const json::Value& value) {
    AttachOptions options;
    options.use_stdin = value["stdin"].as_bool();
    options.use_stdout = value["stdout"].as_bool();
    options.use_stderr = value["stderr"].as_bool();
    options.multiplexed = value["multiplexed"].as_bool();
    for (const json::Value& key : value["detachKeys"].as_array())
        options.detach_keys += static_cast<char>(key.as_uint());
    return options;
}

json::Value to_json(const StartResult& result) {
    return json::Object{{"pid", static_cast<std::int64_t>(result.pid)},
                        {"startTime", result.start_time},
                        {"error", result.error},
                        {"exitCode", result.exit_code}};
}

StartResult parse_start_result(const json::Value& value) {
    return {.pid = static_cast<pid_t>(value["pid"].as_int()),
            .start_time = value["startTime"].as_uint(),
            .error = value["error"].as_string(),
            .exit_code = static_cast<int>(value["exitCode"].as_int())};
}

json::Value record_to_json(const ExitRecord& record) {
    json::Object object{{"code", record.code},
                        {"oomKilled", record.oom_killed},
                        {"exitedAtNs", record.exited_at_ns},
                        {"reason", record.reason}};
    if (record.memory_limit != 0) {
        object["memoryLimit"] = record.memory_limit;
        object["memoryPeak"] = record.memory_peak;
    }
    return object;
}

ExitRecord record_from_json(const json::Value& value) {
    return {.code = static_cast<int>(value["code"].as_int()),
            .oom_killed = value["oomKilled"].as_bool(),
            .exited_at_ns = value["exitedAtNs"].as_int(),
            .reason = value["reason"].as_string(),
            .memory_limit = value["memoryLimit"].is_null() ? 0 : value["memoryLimit"].as_uint(),
            .memory_peak = value["memoryPeak"].is_null() ? 0 : value["memoryPeak"].as_uint()};
}

json::Value to_json(const ExecRequest& exec) {
    return json::Object{{"execId", exec.exec_id},
                        {"process", oci::to_json(exec.process)},
                        {"terminal", exec.terminal},
                        {"openStdin", exec.open_stdin},
                        {"rows", static_cast<int>(exec.rows)},
                        {"columns", static_cast<int>(exec.columns)},
                        {"privileged", exec.privileged}};
}

ExecRequest parse_exec_request(const json::Value& value) {
    return {.exec_id = value["execId"].as_string(),
            .process = oci::parse_process(value["process"]),
            .terminal = value["terminal"].as_bool(),
            .open_stdin = value["openStdin"].as_bool(),
            .rows = static_cast<unsigned short>(value["rows"].as_uint()),
            .columns = static_cast<unsigned short>(value["columns"].as_uint()),
            .privileged = value["privileged"].as_bool()};
}

struct RequestWriter {
    json::Value operator()(const request::Attach& attach) const {
        return json::Object{{"do", "attach"}, {"client", to_json(attach.options)}};
    }
    json::Value operator()(const request::Start&) const { return json::Object{{"do", "start"}}; }
    json::Value operator()(const request::Subscribe&) const {
        return json::Object{{"do", "subscribe"}};
    }
    json::Value operator()(const request::Signal& signal) const {
        return json::Object{
            {"do", "signal"}, {"execId", signal.exec_id}, {"number", signal.number}};
    }
    json::Value operator()(const request::Resize& resize) const {
        return json::Object{{"do", "resize"},
                            {"execId", resize.exec_id},
                            {"rows", static_cast<int>(resize.rows)},
                            {"columns", static_cast<int>(resize.columns)}};
    }
    json::Value operator()(const request::Exec& exec) const {
        json::Object object{{"do", "exec"}, {"exec", to_json(exec.exec)}};
        if (exec.client) object["client"] = to_json(*exec.client);
        return object;
    }
    json::Value operator()(const request::Acknowledge& acknowledge) const {
        return json::Object{{"do", "acknowledge"}, {"execId", acknowledge.exec_id}};
    }
};

struct EventWriter {
    json::Value operator()(const event::Started& started) const {
        return json::Object{{"event", "started"}, {"result", to_json(started.result)}};
    }
    json::Value operator()(const event::Exited& exited) const {
        return json::Object{{"event", "exited"}, {"record", record_to_json(exited.record)}};
    }
    json::Value operator()(const event::ExecExited& exited) const {
        return json::Object{
            {"event", "exec-exited"}, {"execId", exited.exec_id}, {"code", exited.code}};
    }
    json::Value operator()(const event::OutOfMemory&) const {
        return json::Object{{"event", "oom"}};
    }
    json::Value operator()(const event::Detached& detached) const {
        return json::Object{{"event", "detached"}, {"execId", detached.exec_id}};
    }
};

}  // namespace

std::string dump(const Request& request) {
    return json::dump(std::visit(RequestWriter{}, request));
}

Request parse_request(std::string_view text) {
    const json::Value value = json::parse(text);
    const std::string& verb = value["do"].as_string();
    if (verb == "attach") return request::Attach{parse_attach_options(value["client"])};
    if (verb == "start") return request::Start{};
    if (verb == "subscribe") return request::Subscribe{};
    if (verb == "signal")
        return request::Signal{value["execId"].as_string(),
                               static_cast<int>(value["number"].as_int())};
    if (verb == "resize")
        return request::Resize{value["execId"].as_string(),
                               static_cast<unsigned short>(value["rows"].as_uint()),
                               static_cast<unsigned short>(value["columns"].as_uint())};
    if (verb == "exec") {
        request::Exec exec{parse_exec_request(value["exec"]), std::nullopt};
        if (!value["client"].is_null()) exec.client = parse_attach_options(value["client"]);
        return exec;
    }
    if (verb == "acknowledge") return request::Acknowledge{value["execId"].as_string()};
    throw Error(ErrorKind::invalid_argument, "unknown request \"{}\" to a shim", verb);
}

std::string dump(const Reply& reply) {
    json::Object object{{"started", to_json(reply.started)}};
    if (reply.error_kind) {
        object["kind"] = static_cast<int>(*reply.error_kind);  // both sides are one version
        object["error"] = reply.error;
    }
    return json::dump(object);
}

Reply parse_reply(std::string_view text) {
    const json::Value value = json::parse(text);
    Reply reply;
    reply.started = parse_start_result(value["started"]);
    if (!value["kind"].is_null()) {
        reply.error_kind = static_cast<ErrorKind>(value["kind"].as_int());
        reply.error = value["error"].as_string();
    }
    return reply;
}

std::string dump(const Event& event) { return json::dump(std::visit(EventWriter{}, event)); }

Event parse_event(std::string_view text) {
    const json::Value value = json::parse(text);
    const std::string& name = value["event"].as_string();
    if (name == "started") return event::Started{parse_start_result(value["result"])};
    if (name == "exited") return event::Exited{record_from_json(value["record"])};
    if (name == "exec-exited")
        return event::ExecExited{value["execId"].as_string(),
                                 static_cast<int>(value["code"].as_int())};
    if (name == "oom") return event::OutOfMemory{};
    if (name == "detached") return event::Detached{value["execId"].as_string()};
    throw Error(ErrorKind::invalid_argument, "unknown event \"{}\" from a shim", name);
}

std::string dump(const ExitRecord& record) { return json::dump(record_to_json(record)); }

ExitRecord parse_exit_record(std::string_view text) { return record_from_json(json::parse(text)); }

}  // namespace hull::shim
