#pragma once
#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hull::registry {

/// `sha256:` or `sha512:` and lower-case hex digits. Unlike oci::Digest, which names what the
/// engine stores, it knows every algorithm that a registry must.
class ContentDigest {
public:
    static std::optional<ContentDigest> find(std::string_view text);  ///< nullopt when malformed
    /// Throws a Refusal DIGEST_INVALID.
    static ContentDigest parse(std::string_view text);
    /// Of these bytes. The algorithm must be a known one.
    static ContentDigest of(std::string_view bytes, std::string_view algorithm = "sha256");

    const std::string& str() const { return text_; }
    std::string_view algorithm() const { return std::string_view(text_).substr(0, colon_); }
    std::string_view hex() const { return std::string_view(text_).substr(colon_ + 1); }
    auto operator<=>(const ContentDigest& other) const { return text_ <=> other.text_; }
    bool operator==(const ContentDigest& other) const { return text_ == other.text_; }

private:
    friend class Hasher;
    ContentDigest(std::string text, std::size_t colon) : text_(std::move(text)), colon_(colon) {}
    std::string text_;
    std::size_t colon_ = 0;
};

bool is_known_algorithm(std::string_view algorithm);

/// Streaming digest of a known algorithm.
class Hasher {
public:
    explicit Hasher(std::string_view algorithm);
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();

    std::string_view algorithm() const { return algorithm_; }
    void update(std::string_view bytes);
    /// Of all bytes so far; more may follow.
    ContentDigest digest() const;

private:
    struct Context;
    std::string algorithm_;
    std::unique_ptr<Context> context_;
};

}  // namespace hull::registry
