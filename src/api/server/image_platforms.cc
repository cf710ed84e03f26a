#include "api/server/image_platforms.hh"

#include "engine/engine.hh"
#include "image/image_index.hh"

namespace hull::server {

namespace {

json::Value summarize(Call& call, const image::IndexEntry& entry, const oci::Platform& platform) {
    const std::string digest = entry.descriptor.digest.str();
    const bool is_unknown = platform.os.empty() || platform.os == "unknown";
    json::Object summary{
        {"ID", digest},
        {"Descriptor", oci::to_json(entry.descriptor)},
        {"Available", entry.is_available},
        {"Size", json::Object{{"Content", entry.content_bytes},
                              {"Total", entry.content_bytes + entry.unpacked_bytes}}},
        {"Kind", entry.is_attestation ? "attestation"
                 : is_unknown         ? "unknown"
                                      : "image"},
    };
    if (entry.is_attestation) {
        const auto subject = entry.descriptor.annotations.find("vnd.docker.reference.digest");
        summary["AttestationData"] = json::Object{
            {"For", subject == entry.descriptor.annotations.end() ? "" : subject->second}};
    } else if (!is_unknown) {
        json::Array users;
        if (!entry.config.empty())
            for (const auto& use : call.engine.list_image_users(entry.config))
                users.push_back(use.container_id);
        summary["ImageData"] =
            json::Object{{"Platform", oci::to_json(platform)},
                         {"Containers", std::move(users)},
                         {"Size", json::Object{{"Unpacked", entry.unpacked_bytes}}}};
    }
    return summary;
}

}  // namespace

json::Value manifest_summaries(Call& call, const image::Image& image) {
    json::Array list;
    if (const auto index = call.images.find_index(image.manifest_digest)) {
        for (const image::IndexEntry& entry : index->entries)
            list.push_back(
                summarize(call, entry, entry.descriptor.platform.value_or(oci::Platform())));
        return list;
    }
    const auto entry = call.images.find_manifest(image);
    if (entry) list.push_back(summarize(call, *entry, image.config.platform));
    return list;
}

}  // namespace hull::server
