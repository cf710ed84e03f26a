#include "engine/planned_mount.hh"

#include "base/error.hh"

#include <iterator>

namespace hull::engine {

namespace {

constexpr std::string_view type_names[] = {"bind", "tmpfs", "volume", "image"};

PlannedMount::Type parse_type(std::string_view text) {
    for (std::size_t i = 0; i < std::size(type_names); ++i)
        if (type_names[i] == text) return static_cast<PlannedMount::Type>(i);
    throw Error(ErrorKind::data_loss, "unknown kind of mount '{}'", text);
}

}  // namespace

json::Value to_json(const PlannedMount& mount) {
    return json::Object{
        {"type", type_names[static_cast<int>(mount.type)]},
        {"source", mount.source},
        {"volume", mount.volume},
        {"anonymous", mount.anonymous},
        {"driver", mount.driver},
        {"subpath", mount.subpath},
        {"destination", mount.destination},
        {"read_only", mount.read_only},
        {"recursive", mount.recursive},
        {"recursive_read_only", mount.recursive_read_only},
        {"create_source", mount.create_source},
        {"copy_up", mount.copy_up},
        {"propagation", mount.propagation},
        {"mode", mount.mode},
        {"options", mount.options},
        {"id_map", mount.id_map},
        {"image_id", mount.image_id},
        {"diff_ids", mount.diff_ids},
    };
}

PlannedMount parse_planned_mount(const json::Value& value) {
    PlannedMount mount;
    mount.type = parse_type(value["type"].as_string());
    mount.source = value["source"].as_string();
    mount.volume = value["volume"].as_string();
    mount.anonymous = value["anonymous"].as_bool();
    mount.driver = value["driver"].as_string();
    mount.subpath = value["subpath"].as_string();
    mount.destination = value["destination"].as_string();
    mount.read_only = value["read_only"].as_bool();
    mount.recursive = value["recursive"].as_bool();
    mount.recursive_read_only = value["recursive_read_only"].as_bool();
    mount.create_source = value["create_source"].as_bool();
    mount.copy_up = value["copy_up"].as_bool();
    mount.propagation = value["propagation"].as_string();
    mount.mode = value["mode"].as_string();
    mount.options = value["options"].as_strings();
    if (value["id_map"].is_string()) mount.id_map = value["id_map"].as_string();
    if (value["image_id"].is_string()) mount.image_id = value["image_id"].as_string();
    mount.diff_ids = value["diff_ids"].as_strings();
    return mount;
}

}  // namespace hull::engine
