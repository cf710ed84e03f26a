#pragma once
#include "image/images.hh"

#include <map>
#include <string>
#include <vector>

namespace hull::image {

/// Everything a read needs. Never changed once published.
struct Images::State {
    struct Target {
        std::string id, manifest;
        std::string built_index;  ///< of a tag: what a build of several manifests made; "" for none
    };
    std::map<std::string, ImagePointer, std::less<>> by_id;
    std::map<std::string, Target, std::less<>> tags;     ///< docker.io/library/busybox:latest
    std::map<std::string, Target, std::less<>> digests;  ///< docker.io/library/busybox@sha256:…
    std::vector<ImagePointer> newest_first;

    /// Canonical references of an image, tags first, each group sorted.
    std::vector<std::string> references(std::string_view id) const;
    /// Whether another image names this one as its parent.
    bool has_children(std::string_view id) const;
    ImagePointer find(std::string_view name) const;
};

/// "No such image: busybox:latest", as Docker says it.
[[noreturn]] void throw_no_such_image(std::string_view name);
/// The first 12 digits of an id or digest.
std::string short_id(std::string_view id);

}  // namespace hull::image
