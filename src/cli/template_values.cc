#include "cli/template_values.hh"

#include "base/error.hh"
#include "cli/template.hh"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace hull::cli {

using json::Value;

namespace {

/// Members of Docker's structs that are pointers: nil prints as <nil>.
constexpr std::string_view pointer_members[] = {
    "BindOptions",  "DriverConfig", "Health",           "Healthcheck",    "IPAMConfig",
    "ImageOptions", "Init",         "MemorySwappiness", "OomKillDisable", "PidsLimit",
    "SizeRootFs",   "SizeRw",       "StopTimeout",      "TmpfsOptions",   "VolumeOptions"};
/// Members that are Go maps.
constexpr std::string_view map_members[] = {
    "Annotations", "Config",       "Data",  "DriverOpts", "ExposedPorts", "Labels", "Networks",
    "Options",     "PortBindings", "Ports", "StorageOpt", "Sysctls",      "Tmpfs",  "Volumes"};
/// Members with `omitempty` that are strings or slices.
constexpr std::string_view other_optional_members[] = {
    "ArgsEscaped",     "Cgroup",     "Driver",
    "MacAddress",      "Mode",       "Name",
    "Propagation",     "Source",     "Mounts",
    "NetworkDisabled", "OsVersion",  "Runtime",
    "Shell",           "StopSignal", "Variant",
    "Platform",        "GwPriority", "ImageManifestDescriptor"};

template <std::size_t N>
bool contains(const std::string_view (&list)[N], std::string_view name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

/// Go prints structs as {…} and maps as map[…]; a JSON object whose members are all exported Go
/// names was a struct.
bool looks_like_struct(const json::Object& object) {
    return !object.empty() && std::all_of(object.begin(), object.end(), [](const auto& member) {
        return !member.first.empty() && member.first[0] >= 'A' && member.first[0] <= 'Z' &&
               std::all_of(member.first.begin(), member.first.end(),
                           [](unsigned char c) { return std::isalnum(c); });
    });
}

}  // namespace

bool is_true(const Value& value) {
    if (value.is_null()) return false;
    if (value.is_bool()) return value.as_bool();
    if (value.is_number()) return value.as_double() != 0;
    if (value.is_string()) return !value.as_string().empty();
    if (value.is_array()) return !value.as_array().empty();
    return !value.as_object().empty();
}

std::string_view type_of(const Value& value) {
    if (value.is_null()) return "<nil>";
    if (value.is_bool()) return "bool";
    if (value.is_string()) return "string";
    if (value.is_array()) return "[]interface {}";
    if (value.is_object()) return "map[string]interface {}";
    try {
        value.as_int();
        return "int";
    } catch (const Error&) {
        return "float64";
    }
}

bool is_map_member(std::string_view name) { return contains(map_members, name); }

const Value* find_absent_member(std::string_view name) {
    static const Value null, empty{""};
    if (contains(pointer_members, name) || contains(map_members, name)) return &null;
    if (!contains(other_optional_members, name)) return nullptr;
    return name == "Mounts" || name == "Shell" ? &null : &empty;
}

std::vector<const json::Object::Member*> sorted_members(const json::Object& object) {
    std::vector<const json::Object::Member*> members;
    for (const auto& member : object) members.push_back(&member);
    std::sort(members.begin(), members.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    return members;
}

std::string print_number(const Value& value) {
    if (type_of(value) == "int") return fmt::format("{}", value.as_int());
    const double number = value.as_double();
    const double magnitude = std::fabs(number);
    if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e21)) {
        char text[64];
        const auto [end, error] =
            std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
        return std::string(text, end);
    }
    char text[64];
    const auto [end, error] =
        std::to_chars(text, text + sizeof text, number, std::chars_format::fixed);
    return std::string(text, end);
}

std::size_t next_rune(std::string_view text, std::size_t at) {
    do ++at;
    while (at < text.size() && (text[at] & 0xc0) == 0x80);
    return at;
}

std::string print_go(const Value& value, std::string_view name) {
    if (value.is_null()) {
        if (name.empty() || contains(pointer_members, name)) return "<nil>";
        return contains(map_members, name) ? "map[]" : "[]";
    }
    if (value.is_bool()) return value.as_bool() ? "true" : "false";
    if (value.is_string()) return value.as_string();
    if (value.is_number()) return print_number(value);
    std::string result;
    if (value.is_array()) {
        for (const Value& item : value.as_array())
            result += (result.empty() ? "[" : " ") + print_go(item);
        return result.empty() ? "[]" : result + "]";
    }
    const json::Object& object = value.as_object();
    if (looks_like_struct(object) && !contains(map_members, name)) {
        for (const auto& member : object)
            result += (result.empty() ? "{" : " ") + print_go(member.second, member.first);
        return result + "}";
    }
    result = "map[";
    for (const auto* member : sorted_members(object)) {
        const bool unit = member->second.is_object() && member->second.as_object().empty();
        result += (result.size() > 4 ? " " : "") + member->first + ":" +
                  (unit ? "{}" : print_go(member->second, "[]"));
    }
    return result + "]";
}

std::string quote_go(std::string_view text) {
    std::string result = "\"";
    for (char c : text) {
        switch (c) {
            case '"': result += "\\\""; break;
            case '\\': result += "\\\\"; break;
            case '\n': result += "\\n"; break;
            case '\t': result += "\\t"; break;
            case '\r': result += "\\r"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                    result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
                else
                    result += c;
        }
    }
    return result + "\"";
}

}  // namespace hull::cli
