#include "oci/digest.hh"

#include "base/error.hh"
#include "base/hash.hh"

#include <algorithm>

namespace hull::oci {

namespace {

constexpr std::string_view sha256_prefix = "sha256:";
constexpr std::size_t sha256_hex_size = 64;

bool is_sha256_hex(std::string_view text) {
    return text.size() == sha256_hex_size && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

}  // namespace

std::optional<Digest> Digest::find(std::string_view text) {
    if (!text.starts_with(sha256_prefix) || !is_sha256_hex(text.substr(sha256_prefix.size())))
        return std::nullopt;
    return Digest(std::string(text));
}

Digest Digest::parse(std::string_view text) {
    if (auto digest = find(text)) return *std::move(digest);
    const auto colon = text.find(':');
    if (colon == text.npos || colon == 0 || colon + 1 == text.size())
        throw Error(ErrorKind::invalid_argument, "invalid checksum digest format");
    if (text.substr(0, colon + 1) != sha256_prefix)
        throw Error(ErrorKind::invalid_argument, "unsupported digest algorithm");
    if (text.size() != sha256_prefix.size() + sha256_hex_size)
        throw Error(ErrorKind::invalid_argument, "invalid checksum digest length");
    throw Error(ErrorKind::invalid_argument, "invalid checksum digest format");
}

Digest Digest::of(std::string_view bytes) { return from_hex(sha256_hex(bytes)); }

Digest Digest::from_hex(std::string_view hex) {
    return parse(std::string(sha256_prefix) + std::string(hex));
}

std::string_view Digest::hex() const {
    return empty() ? std::string_view() : std::string_view(text_).substr(sha256_prefix.size());
}

}  // namespace hull::oci
