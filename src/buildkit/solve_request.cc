#include "buildkit/solve_request.hh"

#include "buildkit/message.hh"

namespace hull::buildkit {

namespace {

Target parse_target(std::string_view bytes) {
    Target target;
    MessageReader reader(bytes);
    for (Field field; reader.next(field);) {
        if (field.number == 1) target.type = field.bytes;
        if (field.number == 2) read_map_entry(field.bytes, target.attributes);
    }
    return target;
}

/// A pb.Definition: whether there is a graph in it.
bool has_graph(std::string_view bytes) {
    MessageReader reader(bytes);
    for (Field field; reader.next(field);)
        if (field.number == 1) return true;
    return false;
}

void read_cache(std::string_view bytes, SolveRequest& request) {
    MessageReader reader(bytes);
    for (Field field; reader.next(field);) {
        switch (field.number) {
            case 2:
                request.cache_imports.push_back({"registry", {{"ref", field.as_string()}}});
                break;
            case 4: request.cache_exports.push_back(parse_target(field.bytes)); break;
            case 5: request.cache_imports.push_back(parse_target(field.bytes)); break;
            default: break;
        }
    }
}

}  // namespace

std::string Target::get(const std::string& name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? "" : found->second;
}

SolveRequest parse_solve_request(std::string_view bytes) {
    SolveRequest request;
    Target old_exporter;
    MessageReader reader(bytes);
    for (Field field; reader.next(field);) {
        switch (field.number) {
            case 1: request.ref = field.bytes; break;
            case 2: request.has_definition |= has_graph(field.bytes); break;
            case 3: old_exporter.type = field.bytes; break;
            case 4: read_map_entry(field.bytes, old_exporter.attributes); break;
            case 5: request.session = field.bytes; break;
            case 6: request.frontend = field.bytes; break;
            case 7: read_map_entry(field.bytes, request.options); break;
            case 8: read_cache(field.bytes, request); break;
            case 9: request.entitlements.push_back(field.as_string()); break;
            case 10: request.has_inputs = true; break;
            case 13: request.exporters.push_back(parse_target(field.bytes)); break;
            default: break;
        }
    }
    if (request.exporters.empty() && !old_exporter.type.empty())
        request.exporters.push_back(std::move(old_exporter));
    return request;
}

FrontendRequest parse_frontend_request(std::string_view bytes) {
    FrontendRequest request;
    MessageReader reader(bytes);
    for (Field field; reader.next(field);) {
        switch (field.number) {
            case 1: request.has_definition |= has_graph(field.bytes); break;
            case 2: request.frontend = field.bytes; break;
            case 3: read_map_entry(field.bytes, request.options); break;
            case 12: request.cache_imports.push_back(parse_target(field.bytes)); break;
            case 13: request.has_inputs = true; break;
            default: break;
        }
    }
    return request;
}

}  // namespace hull::buildkit
