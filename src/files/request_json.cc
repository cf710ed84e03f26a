#include "base/error.hh"
#include "base/json.hh"
#include "files/request.hh"

#include <utility>

namespace hull::files {

namespace {

constexpr std::pair<std::string_view, Verb> verbs[] = {
    {"stat", Verb::stat},          {"read", Verb::read},           {"write", Verb::write},
    {"export", Verb::export_root}, {"changes", Verb::changes},     {"layer", Verb::layer},
    {"copy-up", Verb::copy_up},    {"copy-tree", Verb::copy_tree}, {"unpack", Verb::unpack},
    {"digest", Verb::digest},      {"copy", Verb::copy},           {"waste", Verb::waste},
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

json::Value to_json(const CopyPlan& plan) {
    return json::Object{
        {"sourceDirectory", plan.source_directory},
        {"sourceLayers", to_json(plan.source_layers)},
        {"paths", plan.paths},
        {"literal", plan.literal},
        {"destination", plan.destination},
        {"lookBelow", plan.look_below},
        {"keepOwner", plan.keep_owner},
        {"keepLinks", plan.keep_links},
        {"parents", plan.parents},
        {"owner", plan.owner},
        {"mode", plan.mode},
        {"ignored", plan.ignored},
        {"excluded", plan.excluded},
        {"mtime", plan.mtime_s},
        {"index", plan.index},
    };
}

CopyPlan parse_copy_plan(const json::Value& value) {
    CopyPlan plan;
    plan.source_directory = value["sourceDirectory"].as_string();
    plan.source_layers = parse_plan(value["sourceLayers"]);
    plan.paths = value["paths"].as_strings();
    plan.literal = value["literal"].as_bool();
    plan.destination = value["destination"].as_string();
    plan.look_below = value["lookBelow"].as_bool();
    plan.keep_owner = value["keepOwner"].as_bool();
    plan.keep_links = value["keepLinks"].as_bool();
    plan.parents = value["parents"].as_bool();
    plan.owner = value["owner"].as_string();
    plan.mode = value["mode"].as_string();
    plan.ignored = value["ignored"].as_strings();
    plan.excluded = value["excluded"].as_strings();
    plan.mtime_s = value["mtime"].as_int();
    plan.index = value["index"].as_string();
    return plan;
}

bool is_copy(Verb verb) { return verb == Verb::digest || verb == Verb::copy; }

}  // namespace

std::string dump_request(const Request& request) {
    json::Array mounts;
    for (const BindMount& mount : request.mounts)
        mounts.push_back(json::Object{{"source", mount.source},
                                      {"destination", mount.destination},
                                      {"readOnly", mount.read_only},
                                      {"recursive", mount.recursive}});
    json::Object object{
        {"verb", name_of(request.verb)},   {"path", request.path},
        {"container", request.container},  {"parentPid", request.parent_pid},
        {"running", request.running},      {"rootfs", to_json(request.rootfs)},
        {"mounts", std::move(mounts)},     {"readOnlyRoot", request.read_only_root},
        {"scratch", request.scratch},      {"hidden", request.hidden},
        {"keepKinds", request.keep_kinds}, {"owner", request.owner},
        {"keepHoles", request.keep_holes}, {"mountPoints", request.mount_points},
        {"ownLayers", request.own_layers},
    };
    if (request.newest_mtime_s) object.append("newestMtime", *request.newest_mtime_s);
    if (is_copy(request.verb)) {
        json::Array copies;
        for (const CopyPlan& plan : request.copies) copies.push_back(to_json(plan));
        object.append("copies", std::move(copies));
    }
    return json::dump(std::move(object));
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
    request.keep_holes = value["keepHoles"].as_bool();
    request.owner = value["owner"].as_string();
    request.mount_points = value["mountPoints"].as_strings();
    request.own_layers = value["ownLayers"].as_uint();
    if (value["newestMtime"].is_number()) request.newest_mtime_s = value["newestMtime"].as_int();
    if (is_copy(request.verb))
        for (const json::Value& plan : value["copies"].as_array())
            request.copies.push_back(parse_copy_plan(plan));
    return request;
}

}  // namespace hull::files
