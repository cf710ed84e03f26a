#pragma once
#include "oci/digest.hh"

#include <string>
#include <string_view>

namespace hull::oci {

/// An image name as Docker reads it. Source: distribution/reference grammar, docker reference docs.
class Reference {
public:
    /// Reads what a user typed (`alpine`, `me/app:1`, `host:5000/x@sha256:…`). The tag stays empty
    /// when neither tag nor digest was typed; `with_default_tag` adds `latest`. Throws
    /// invalid_argument with Docker's text ("invalid reference format", "… repository name
    /// (library/Foo) must be lowercase").
    static Reference parse(std::string_view text);

    const std::string& domain() const { return domain_; }  ///< docker.io
    const std::string& path() const { return path_; }      ///< library/alpine
    std::string name() const { return domain_ + "/" + path_; }
    const std::string& tag() const { return tag_; }   ///< "" when none
    const Digest& digest() const { return digest_; }  ///< empty when none

    Reference with_tag(std::string_view tag) const;
    Reference with_digest(Digest digest) const;
    /// `latest` when there is neither tag nor digest.
    Reference with_default_tag() const;
    Reference without_tag_and_digest() const;

    /// docker.io/library/alpine:3@sha256:…; what is stored and compared. Adds no tag.
    std::string canonical() const;
    /// What Docker shows: `docker.io/` and `library/` are dropped.
    std::string familiar() const;
    std::string familiar_name() const;  ///< without tag and digest

    bool operator==(const Reference&) const = default;

private:
    std::string domain_, path_, tag_;
    Digest digest_;
};

/// Whether `text` could be an image ID or its prefix: 1 to 64 lower-case hex digits, with or
/// without `sha256:` in front.
bool looks_like_id(std::string_view text);
/// Whether `tag` fits the grammar: a word character, then up to 127 of [A-Za-z0-9_.-].
bool is_valid_tag(std::string_view tag);

}  // namespace hull::oci
