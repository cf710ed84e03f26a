#include "base/error.hh"
#include "base/json.hh"
#include "files/request.hh"

#include <utility>

namespace hull::files {

namespace {

constexpr std::pair<std::string_view, Verb> verbs[] = {
    {"stat", Verb::stat},          {"read", Verb::read},           {"write", Verb::write},
    {"export", Verb::export_root}, {"changes", Verb::changes},     {"layer", Verb::layer},
    {"copy-up", Verb::copy_up},    {"copy-tree", Verb::copy_tree},
};

std::string_view name_of(Verb verb) {
    for (const auto& [name, known] : verbs)
        if (known == verb) return name;
    return "";
}

Verb parse_verb(std::string_view text) {
    for (const auto& [name, verb] : verbs)
        if (name == text) return verb;
    throw Error(ErrorKind::invalid_argument, "unknown verb {}", text);
}

json::Value to_json(const linux_::OverlayPlan& plan) {
    json::Array lowers;
    for (const linux_::LowerLayer& layer : plan.lowers)
        lowers.push_back(json::Object{
            {"path", layer.path},
            {"image", layer.kind == linux_::LowerLayer::Kind::erofs_image},
        });
    return json::Object{{"lowers", std::move(lowers)}, {"upper", plan.upper}, {"work", plan.work}};
}

linux_::OverlayPlan parse_plan(const json::Value& value) {
    linux_::OverlayPlan plan;
    for (const json::Value& layer : value["lowers"].as_array())
        plan.lowers.push_back({layer["image"].as_bool() ? linux_::LowerLayer::Kind::erofs_image
                                                        : linux_::LowerLayer::Kind::directory,
                               layer["path"].as_string()});
    plan.upper = value["upper"].as_string();
    plan.work = value["work"].as_string();
    return plan;
}

}  // namespace

std::string dump_request(const Request& request) {
    json::Array mounts;
    for (const BindMount& mount : request.mounts)
        mounts.push_back(json::Object{{"source", mount.source},
                                      {"destination", mount.destination},
                                      {"readOnly", mount.read_only},
                                      {"recursive", mount.recursive}});
    return json::dump(json::Object{
        {"verb", name_of(request.verb)},
        {"path", request.path},
        {"container", request.container},
        {"parentPid", request.parent_pid},
        {"running", request.running},
        {"rootfs", to_json(request.rootfs)},
        {"mounts", std::move(mounts)},
        {"readOnlyRoot", request.read_only_root},
        {"scratch", request.scratch},
        {"hidden", request.hidden},
        {"keepKinds", request.keep_kinds},
        {"owner", request.owner},
    });
}

Request parse_request(std::string_view text) {
    const json::Value value = json::parse(text);
    Request request;
    request.verb = parse_verb(value["verb"].as_string());
    request.path = value["path"].as_string();
    request.container = value["container"].as_string();
    request.parent_pid = static_cast<int>(value["parentPid"].as_int());
    request.running = value["running"].as_bool();
    request.rootfs = parse_plan(value["rootfs"]);
    for (const json::Value& mount : value["mounts"].as_array())
        request.mounts.push_back({mount["source"].as_string(), mount["destination"].as_string(),
                                  mount["readOnly"].as_bool(), mount["recursive"].as_bool()});
    request.read_only_root = value["readOnlyRoot"].as_bool();
    request.scratch = value["scratch"].as_string();
    request.hidden = value["hidden"].as_strings();
    request.keep_kinds = value["keepKinds"].as_bool();
    request.owner = value["owner"].as_string();
    return request;
}

}  // namespace hull::files
