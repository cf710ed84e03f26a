#include "cli/build_extras.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "cli/values.hh"
#include "cli/words.hh"
#include "oci/platform.hh"
#include "oci/reference.hh"

#include <algorithm>

namespace hull::cli {
namespace {

bool parse_truth(std::string_view text) {
    if (text == "true" || text == "1" || text.empty()) return true;
    if (text == "false" || text == "0") return false;
    fail("invalid value {}: use true or false", text);
}

struct Attestation {
    bool wanted = true;
    std::string mode = "min", builder;
};

/// The fields after the type of an attestation.
Attestation parse_attestation(const std::vector<std::string>& fields) {
    Attestation attestation;
    for (const std::string& field : fields) {
        const auto [key, value] = cut(field, '=');
        if (!value && (key == "true" || key == "false" || key == "1" || key == "0"))
            attestation.wanted = parse_truth(key);
        else if (key == "mode" && (value == "min" || value == "max"))
            attestation.mode = *value;
        else if (key == "builder-id" && value)
            attestation.builder = *value;
        else if (key == "disabled")
            attestation.wanted = !parse_truth(value.value_or(""));
        else if (key != "version" || value != "v1")
            fail(
                "{} of an attestation is not supported: use mode=min, mode=max, builder-id, "
                "version=v1 and disabled",
                field);
    }
    return attestation;
}

void refuse_sbom(const std::vector<std::string>& fields) {
    bool is_wanted = true;
    for (const std::string& field : fields) {
        const auto [key, value] = cut(field, '=');
        if (key == "false" || key == "0") is_wanted = false;
        if (key == "disabled") is_wanted = !parse_truth(value.value_or(""));
    }
    if (is_wanted)
        fail(
            "an SBOM is not supported: scan the image when it is built (hull save NAME | syft), "
            "and "
            "push what you found with its subject (oras attach)");
}

}  // namespace

void BuildAnswer::take(const json::Value& aux) {
    if (aux["Record"].is_string()) {
        record_id = aux["Record"].as_string();
        record_ids.push_back(record_id);
    }
    if (aux["ID"].is_string()) image_id = aux["ID"].as_string();
    if (aux["Digest"].is_string()) digest = aux["Digest"].as_string();
    if (aux["Parts"].is_array())
        for (const json::Value& part : aux["Parts"].as_array())
            parts.push_back(
                {part["Platform"].as_string(), part["ID"].as_string(), part["Digest"].as_string()});
    if (aux["Provenance"].is_object()) provenance = aux["Provenance"];
}

json::Array make_annotations(const std::vector<std::string>& lines, bool has_index) {
    json::Array annotations;
    for (const std::string& line : lines) {
        const auto [head, value] = cut(line, '=');
        if (!value || head.empty()) fail("invalid annotation \"{}\", expected KEY=VALUE", line);
        const std::size_t colon = head.rfind(':');
        const std::string key(colon == std::string_view::npos ? head : head.substr(colon + 1));
        const std::string places(colon == std::string_view::npos ? "manifest"
                                                                 : head.substr(0, colon));
        if (key.empty()) fail("invalid annotation \"{}\", expected KEY=VALUE", line);
        for (const std::string& place : split(places, ',')) {
            const auto [name, rest] = cut(place, '[');
            std::string platform;
            if (rest) {
                if (!rest->ends_with(']')) fail("invalid annotation \"{}\": [ without ]", line);
                platform = oci::parse_platform(rest->substr(0, rest->size() - 1)).str();
            }
            if (name != "manifest" && name != "index" && name != "manifest-descriptor")
                fail(
                    "unknown annotation type \"{}\" in \"{}\": use manifest, index or "
                    "manifest-descriptor",
                    name, line);
            if (name != "manifest" && !has_index)
                fail(
                    "{} annotations are not supported for single platform export: build for "
                    "several platforms, or with --provenance",
                    name);
            annotations.push_back(json::Object{{"place", std::string(name)},
                                               {"platform", std::move(platform)},
                                               {"name", key},
                                               {"value", std::string(*value)}});
        }
    }
    return annotations;
}

json::Value make_provenance(const Arguments& arguments) {
    Attestation provenance;
    provenance.wanted = false;
    for (const std::string& text : arguments.list("attest")) {
        std::vector<std::string> fields = split_csv(text);
        std::string type;
        std::erase_if(fields, [&](const std::string& field) {
            if (!field.starts_with("type=")) return false;
            type = field.substr(5);
            return true;
        });
        if (type == "sbom")
            refuse_sbom(fields);
        else if (type == "provenance")
            provenance = parse_attestation(fields);
        else
            fail("attestation type {} is not supported: use provenance", type);
    }
    if (const std::string& text = arguments.text("sbom"); !text.empty())
        refuse_sbom(split_csv(text));
    if (const std::string& text = arguments.text("provenance"); !text.empty())
        provenance = parse_attestation(split_csv(text));
    if (!provenance.wanted) return {};
    return json::Object{{"mode", provenance.mode}, {"builder", provenance.builder}};
}

std::string format_metadata(const BuildAnswer& answer, const std::vector<std::string>& tags,
                            const std::string& record_id) {
    json::Object metadata{{"containerimage.config.digest", answer.image_id},
                          {"containerimage.digest", answer.digest},
                          {"buildx.build.ref", "hull/hull/" + record_id}};
    if (!answer.provenance.is_null()) metadata["buildx.build.provenance"] = answer.provenance;
    json::Object descriptor{
        {"digest", answer.digest},
        {"mediaType", answer.parts.empty() ? "application/vnd.oci.image.manifest.v1+json"
                                           : "application/vnd.oci.image.index.v1+json"}};
    metadata["containerimage.descriptor"] = std::move(descriptor);
    if (!tags.empty()) {
        std::vector<std::string> names;
        for (const std::string& tag : tags)
            names.push_back(oci::Reference::parse(tag).with_default_tag().canonical());
        metadata["image.name"] = join_text(names, ",");
    }
    return json::dump_indented(metadata, 2) + "\n";
}

}  // namespace hull::cli
