#include "registry/content_digest.hh"

#include "registry/refusal.hh"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace hull::registry {

namespace {

struct Algorithm {
    std::string_view name;
    std::size_t hex_size;
    const EVP_MD* (*function)();
};
constexpr Algorithm algorithms[] = {{"sha256", 64, EVP_sha256}, {"sha512", 128, EVP_sha512}};

const Algorithm* find_algorithm(std::string_view name) {
    for (const Algorithm& algorithm : algorithms)
        if (algorithm.name == name) return &algorithm;
    return nullptr;
}

}  // namespace

bool is_known_algorithm(std::string_view algorithm) { return find_algorithm(algorithm); }

std::optional<ContentDigest> ContentDigest::find(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const Algorithm* algorithm = find_algorithm(text.substr(0, colon));
    const std::string_view hex = text.substr(colon + 1);
    if (!algorithm || hex.size() != algorithm->hex_size) return std::nullopt;
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (!std::ranges::all_of(hex, is_hex)) return std::nullopt;
    return ContentDigest(std::string(text), colon);
}

ContentDigest ContentDigest::parse(std::string_view text) {
    if (auto digest = find(text)) return *std::move(digest);
    throw Refusal(400, code::digest_invalid, "invalid or unsupported digest \"{}\"",
                  text.substr(0, 200))
        .with_detail(std::string(text.substr(0, 200)));
}

ContentDigest ContentDigest::of(std::string_view bytes, std::string_view algorithm) {
    Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.digest();
}

struct Hasher::Context {
    EVP_MD_CTX* evp = ::EVP_MD_CTX_new();
    Context() = default;
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { ::EVP_MD_CTX_free(evp); }
};

Hasher::Hasher(std::string_view algorithm)
    : algorithm_(algorithm), context_(std::make_unique<Context>()) {
    const Algorithm* known = find_algorithm(algorithm);
    if (!known || !context_->evp || !::EVP_DigestInit_ex(context_->evp, known->function(), nullptr))
        throw Error(ErrorKind::internal, "starting a {} digest failed", algorithm);
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::string_view bytes) {
    ::EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

ContentDigest Hasher::digest() const {
    const Context copy;
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
    unsigned size = 0;
    if (!::EVP_MD_CTX_copy_ex(copy.evp, context_->evp) ||
        !::EVP_DigestFinal_ex(copy.evp, bytes.data(), &size))
        throw Error(ErrorKind::internal, "ending a {} digest failed", algorithm_);
    std::string text = algorithm_ + ":";
    constexpr char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < size; i++) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return {std::move(text), algorithm_.size()};
}

}  // namespace hull::registry
