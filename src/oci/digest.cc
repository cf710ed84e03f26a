#include "oci/digest.hh"

#include "base/error.hh"

#include <algorithm>

namespace hull::oci {

namespace {

struct Algorithm {
    std::string_view prefix;
    std::size_t hex_size;
};

constexpr Algorithm algorithms[] = {{"sha256:", 64}, {"sha512:", 128}};

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// nullptr for those we do not know.
const Algorithm* find_algorithm(std::string_view digest) {
    const auto found = std::ranges::find_if(
        algorithms, [&](const Algorithm& known) { return digest.starts_with(known.prefix); });
    return found == std::end(algorithms) ? nullptr : found;
}

}  // namespace

std::optional<Digest> Digest::find(std::string_view text) {
    const Algorithm* algorithm = find_algorithm(text);
    if (!algorithm || text.size() != algorithm->prefix.size() + algorithm->hex_size ||
        !is_lower_hex(text.substr(algorithm->prefix.size())))
        return std::nullopt;
    return Digest(std::string(text));
}

Digest Digest::parse(std::string_view text) {
    if (auto digest = find(text)) return *std::move(digest);
    const auto colon = text.find(':');
    if (colon == text.npos || colon == 0 || colon + 1 == text.size())
        throw Error(ErrorKind::invalid_argument, "invalid checksum digest format");
    const Algorithm* algorithm = find_algorithm(text);
    if (!algorithm) throw Error(ErrorKind::invalid_argument, "unsupported digest algorithm");
    if (text.size() != algorithm->prefix.size() + algorithm->hex_size)
        throw Error(ErrorKind::invalid_argument, "invalid checksum digest length");
    throw Error(ErrorKind::invalid_argument, "invalid checksum digest format");
}

Digest Digest::of(std::string_view bytes) { return from_hex(sha256_hex(bytes)); }

Digest Digest::of(std::string_view bytes, const Digest& like) {
    DigestHash hash(like);
    hash.update(std::as_bytes(std::span(bytes)));
    return hash.digest();
}

Digest Digest::from_hex(std::string_view hex) { return parse("sha256:" + std::string(hex)); }

std::string_view Digest::algorithm() const {
    return std::string_view(text_).substr(0, text_.find(':'));
}

std::string_view Digest::hex() const {
    return empty() ? std::string_view() : std::string_view(text_).substr(text_.find(':') + 1);
}

DigestHash::DigestHash(const Digest& like) {
    if (like.algorithm() == "sha512") hash_.emplace<Sha512>();
}

void DigestHash::update(std::span<const std::byte> bytes) {
    std::visit([&](auto& hash) { hash.update(bytes); }, hash_);
}

Digest DigestHash::digest() {
    if (auto* sha512 = std::get_if<Sha512>(&hash_)) return Digest::parse("sha512:" + sha512->hex());
    return Digest::from_hex(std::get<Sha256>(hash_).hex());
}

}  // namespace hull::oci
