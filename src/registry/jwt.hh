#pragma once
#include "base/json.hh"
#include "registry/rights.hh"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry {

/// What a token lets its bearer do.
struct Claims {
    std::string subject = {};  ///< "" for somebody who has not logged in
    struct Access {
        std::string type, name;
        std::vector<std::string> actions;
    };
    std::vector<Access> access = {};
    json::Value document = {};  ///< the whole payload

    bool allow(std::string_view repository, Right right) const;
    bool allow_catalog() const;
};

/// Keys of a token issuer. Public ones verify; the pair that `make_pair` or `parse_pair` makes
/// signs as well.
class TokenKeys {
public:
    /// PEM certificates or public keys, or a JSON Web Key Set. Throws invalid_argument.
    static TokenKeys parse(std::string_view text);
    /// A new P-256 pair.
    static TokenKeys make_pair();
    static TokenKeys parse_pair(std::string_view pem);
    std::string pair_pem() const;

    /// RS256/384/512, ES256/384/512 or EdDSA, as the key says; never a symmetric one or none. An
    /// `x5c` chain must lead to one of our certificates. Throws unauthorized.
    /// Source: RFC 7515, RFC 7519; distribution's "Token Authentication Implementation".
    Claims verify(std::string_view token, std::string_view issuer, std::string_view audience,
                  std::int64_t now_s) const;
    std::string sign(const json::Value& payload) const;

    struct Key;
    TokenKeys(TokenKeys&&) noexcept;
    TokenKeys& operator=(TokenKeys&&) noexcept;
    ~TokenKeys();

private:
    TokenKeys();
    struct State;
    std::unique_ptr<State> state_;
};

/// `user:password` of a Basic Authorization header, of standard or URL base64. nullopt when
/// malformed.
std::optional<std::string> decode_base64_text(std::string_view text);
std::string encode_base64_url(std::string_view bytes);

}  // namespace hull::registry
