#pragma once
#include "base/hash.hh"

#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace hull::oci {

/// `sha256:` and 64 lower-case hex digits, `sha512:` and 128, or empty. Other algorithms are
/// refused. We make sha256 digests; the other kind is what somebody else named content by.
/// Source: image-spec descriptor.md, "Digests".
class Digest {
public:
    Digest() = default;
    /// Throws invalid_argument.
    static Digest parse(std::string_view text);
    static std::optional<Digest> find(std::string_view text);  ///< nullopt when malformed
    /// The SHA-256 of these bytes.
    static Digest of(std::string_view bytes);
    /// The digest of these bytes by the algorithm of `like`, to be compared with it.
    static Digest of(std::string_view bytes, const Digest& like);
    /// Of a SHA-256 from the hex digits alone, as Sha256::hex() returns them.
    static Digest from_hex(std::string_view hex);

    bool empty() const { return text_.empty(); }
    const std::string& str() const { return text_; }  ///< sha256:…
    std::string_view algorithm() const;               ///< "" when empty
    std::string_view hex() const;
    auto operator<=>(const Digest&) const = default;

private:
    explicit Digest(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

/// Hashes a stream as `like` was made; sha256 when that is empty.
class DigestHash {
public:
    explicit DigestHash(const Digest& like = {});
    void update(std::span<const std::byte> bytes);
    /// The object must not be used afterwards.
    Digest digest();

private:
    std::variant<Sha256, Sha512> hash_;
};

}  // namespace hull::oci
