// The low-level functions are deprecated in favour of EVP, but EVP drags all of libcrypto into
// every static program (3 MB of the daemon's memory) where these bring one object file.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.hh"

#include <openssl/sha.h>

#include <new>

namespace hull {

static_assert(sizeof(SHA256_CTX) <= 128 && sizeof(SHA512_CTX) <= 256);

static std::string hex_of(std::span<const unsigned char> digest) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : digest) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

Sha256::Sha256() { SHA256_Init(new (state_.data()) SHA256_CTX); }

void Sha256::update(std::span<const std::byte> bytes) {
    SHA256_Update(std::launder(reinterpret_cast<SHA256_CTX*>(state_.data())), bytes.data(),
                  bytes.size());
}

std::string Sha256::hex() {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_Final(digest, std::launder(reinterpret_cast<SHA256_CTX*>(state_.data())));
    return hex_of(digest);
}

Sha512::Sha512() { SHA512_Init(new (state_.data()) SHA512_CTX); }

void Sha512::update(std::span<const std::byte> bytes) {
    SHA512_Update(std::launder(reinterpret_cast<SHA512_CTX*>(state_.data())), bytes.data(),
                  bytes.size());
}

std::string Sha512::hex() {
    unsigned char digest[SHA512_DIGEST_LENGTH];
    SHA512_Final(digest, std::launder(reinterpret_cast<SHA512_CTX*>(state_.data())));
    return hex_of(digest);
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.hex();
}

}  // namespace hull
