#pragma once
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace hull::oci {

/// `sha256:` and 64 lower-case hex digits, or empty. Other algorithms are refused.
/// Source: image-spec descriptor.md, "Digests".
class Digest {
public:
    Digest() = default;
    /// Throws invalid_argument.
    static Digest parse(std::string_view text);
    static std::optional<Digest> find(std::string_view text);  ///< nullopt when malformed
    /// The digest of these bytes.
    static Digest of(std::string_view bytes);
    /// From the hex digits alone, as Sha256::hex() returns them.
    static Digest from_hex(std::string_view hex);

    bool empty() const { return text_.empty(); }
    const std::string& str() const { return text_; }  ///< sha256:…
    std::string_view hex() const;
    auto operator<=>(const Digest&) const = default;

private:
    explicit Digest(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

}  // namespace hull::oci
