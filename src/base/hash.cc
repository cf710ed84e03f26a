// The low-level functions are deprecated in favour of EVP, but EVP drags all of libcrypto into
// every static program (3 MB of the daemon's memory) where these bring one object file.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.hh"

#include <openssl/sha.h>

#include <new>

namespace hull {

static_assert(sizeof(SHA256_CTX) <= 128);

Sha256::Sha256() { SHA256_Init(new (state_.data()) SHA256_CTX); }

void Sha256::update(std::span<const std::byte> bytes) {
    SHA256_Update(std::launder(reinterpret_cast<SHA256_CTX*>(state_.data())), bytes.data(),
                  bytes.size());
}

std::string Sha256::hex() {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_Final(digest, std::launder(reinterpret_cast<SHA256_CTX*>(state_.data())));
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : digest) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.hex();
}

}  // namespace hull
