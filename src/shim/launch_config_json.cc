#include "base/error.hh"
#include "base/json.hh"
#include "shim/launch_config.hh"

namespace hull::shim {

namespace {

using linux_::LowerLayer;

json::Value layer_to_json(const LowerLayer& layer) {
    return json::Object{
        {"kind", layer.kind == LowerLayer::Kind::erofs_image ? "erofs" : "directory"},
        {"path", layer.path}};
}

LowerLayer layer_from_json(const json::Value& value) {
    const std::string& kind = value["kind"].as_string();
    if (kind != "erofs" && kind != "directory")
        throw Error(ErrorKind::invalid_argument, "unknown kind of layer \"{}\"", kind);
    return {kind == "erofs" ? LowerLayer::Kind::erofs_image : LowerLayer::Kind::directory,
            value["path"].as_string()};
}

json::Value rootfs_to_json(const linux_::OverlayPlan& plan) {
    json::Array lowers;
    for (const LowerLayer& layer : plan.lowers) lowers.push_back(layer_to_json(layer));
    return json::Object{{"lowers", std::move(lowers)},
                        {"upper", plan.upper},
                        {"work", plan.work},
                        {"volatile", plan.is_volatile}};
}

linux_::OverlayPlan rootfs_from_json(const json::Value& value) {
    linux_::OverlayPlan plan;
    if (value.is_null()) return plan;
    for (const json::Value& layer : value["lowers"].as_array())
        plan.lowers.push_back(layer_from_json(layer));
    plan.upper = value["upper"].as_string();
    plan.work = value["work"].as_string();
    plan.is_volatile = value["volatile"].as_bool();
    return plan;
}

json::Value log_to_json(const LogConfig& log) {
    json::Object object{{"driver", log.driver},
                        {"directory", log.directory},
                        {"maxSizeBytes", log.max_size_bytes},
                        {"maxFiles", log.max_files}};
    if (!log.attributes.empty()) object["attributes"] = log.attributes;
    if (!log.program.empty()) {
        object["program"] = log.program;
        object["target"] = log.target;
        object["keepsCopy"] = log.keeps_copy;
    }
    return object;
}

LogConfig log_from_json(const json::Value& value) {
    LogConfig log;
    log.driver = value["driver"].as_string();
    log.directory = value["directory"].as_string();
    log.max_size_bytes = value["maxSizeBytes"].as_uint();
    log.max_files = static_cast<unsigned>(value["maxFiles"].as_uint());
    if (value["attributes"].is_string()) log.attributes = value["attributes"].as_string();
    if (value["program"].is_null()) return log;
    log.program = value["program"].as_string();
    log.target = value["target"].as_string();
    log.keeps_copy = value["keepsCopy"].as_bool();
    return log;
}

}  // namespace

Path second_exit_file(const LaunchConfig& config) {
    return join(config.runtime_directory, "exit.json");
}

LaunchConfig parse_launch_config(std::string_view text) {
    const json::Value value = json::parse(text);
    LaunchConfig config;
    config.id = value["id"].as_string();
    config.bundle = value["bundle"].as_string();
    config.runtime_directory = value["runtimeDirectory"].as_string();
    config.exit_file = value["exitFile"].as_string();
    config.rootfs = rootfs_from_json(value["rootfs"]);
    config.seccomp_filter = value["seccompFilter"].as_string();
    config.init_program = value["initProgram"].as_string();
    config.log = log_from_json(value["log"]);
    config.terminal = value["terminal"].as_bool();
    config.open_stdin = value["openStdin"].as_bool();
    config.stdin_once = value["stdinOnce"].as_bool();
    config.rows = static_cast<unsigned short>(value["rows"].as_uint());
    config.columns = static_cast<unsigned short>(value["columns"].as_uint());
    return config;
}

std::string dump_launch_config(const LaunchConfig& config) {
    return json::dump_indented(json::Object{{"id", config.id},
                                            {"bundle", config.bundle},
                                            {"runtimeDirectory", config.runtime_directory},
                                            {"exitFile", config.exit_file},
                                            {"rootfs", rootfs_to_json(config.rootfs)},
                                            {"seccompFilter", config.seccomp_filter},
                                            {"initProgram", config.init_program},

                                            {"log", log_to_json(config.log)},
                                            {"terminal", config.terminal},
                                            {"openStdin", config.open_stdin},
                                            {"stdinOnce", config.stdin_once},
                                            {"rows", static_cast<int>(config.rows)},
                                            {"columns", static_cast<int>(config.columns)}},
                               2);
}

}  // namespace hull::shim
