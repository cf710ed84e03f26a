#include "registry/jwt.hh"

#include "base/error.hh"
#include "base/release.hh"
#include "base/text.hh"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

namespace hull::registry {

namespace {

using Pkey = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using Number = std::unique_ptr<BIGNUM, Release<BN_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Release<ECDSA_SIG_free>>;

constexpr std::size_t max_token_bytes = 64 << 10, max_keys = 64;
constexpr std::int64_t clock_leeway_s = 60;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Error refused(std::string_view why) { return {ErrorKind::unauthorized, "invalid token: {}", why}; }

Bio make_bio(std::string_view text) {
    return Bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string base64_member(const json::Value& key, std::string_view name) {
    const json::Value& member = key[name];
    auto bytes = member.is_string() ? decode_base64_text(member.as_string()) : std::nullopt;
    if (!bytes)
        throw Error(ErrorKind::invalid_argument, "a key of the set has no valid \"{}\"", name);
    return *std::move(bytes);
}

/// A public key from OpenSSL's parameters.
Pkey build_key(const char* type, OSSL_PARAM_BLD* builder) {
    OSSL_PARAM* parameters = ::OSSL_PARAM_BLD_to_param(builder);
    const PkeyContext context(::EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    const bool is_made =
        parameters && context && ::EVP_PKEY_fromdata_init(context.get()) == 1 &&
        ::EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    ::OSSL_PARAM_free(parameters);
    if (!is_made) throw Error(ErrorKind::invalid_argument, "a key of the set is invalid");
    return Pkey(key);
}

Pkey parse_jwk(const json::Value& key) {
    const std::string& kind = key["kty"].is_string() ? key["kty"].as_string() : "";
    if (kind == "OKP") {
        const std::string x = base64_member(key, "x");
        Pkey made(::EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()));
        if (!made) throw Error(ErrorKind::invalid_argument, "a key of the set is invalid");
        return made;
    }
    const std::unique_ptr<OSSL_PARAM_BLD, Release<OSSL_PARAM_BLD_free>> builder(
        ::OSSL_PARAM_BLD_new());
    if (kind == "RSA") {
        const std::string n = base64_member(key, "n"), e = base64_member(key, "e");
        const Number modulus(::BN_bin2bn(bytes_of(n), static_cast<int>(n.size()), nullptr));
        const Number exponent(::BN_bin2bn(bytes_of(e), static_cast<int>(e.size()), nullptr));
        ::OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
        ::OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
        return build_key("RSA", builder.get());
    }
    if (kind == "EC") {
        const std::string curve = key["crv"].is_string() ? key["crv"].as_string() : "";
        const std::string point = "\x04" + base64_member(key, "x") + base64_member(key, "y");
        ::OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.c_str(),
                                          curve.size());
        ::OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                           point.size());
        return build_key("EC", builder.get());
    }
    throw Error(ErrorKind::invalid_argument, "a key of the set has the unknown type \"{}\"", kind);
}

struct Method {
    std::string_view name;
    int key_type;
    const EVP_MD* (*hash)();
    std::size_t number_bytes;  ///< of an ECDSA signature's two
};
constexpr Method methods[] = {
    {"RS256", EVP_PKEY_RSA, EVP_sha256, 0},  {"RS384", EVP_PKEY_RSA, EVP_sha384, 0},
    {"RS512", EVP_PKEY_RSA, EVP_sha512, 0},  {"ES256", EVP_PKEY_EC, EVP_sha256, 32},
    {"ES384", EVP_PKEY_EC, EVP_sha384, 48},  {"ES512", EVP_PKEY_EC, EVP_sha512, 66},
    {"EdDSA", EVP_PKEY_ED25519, nullptr, 0},
};

const Method& get_method(const json::Value& header) {
    for (const Method& method : methods)
        if (header["alg"] == json::Value(method.name)) return method;
    throw refused("its algorithm is none of RS256, ES256, EdDSA and their kin");
}

/// JWS has both numbers of an ECDSA signature one behind the other, OpenSSL has them in ASN.1.
std::string to_asn1(std::string_view raw, std::size_t number_bytes) {
    if (raw.size() != 2 * number_bytes) return {};
    const auto size = static_cast<int>(number_bytes);
    const Signature signature(::ECDSA_SIG_new());
    ::ECDSA_SIG_set0(signature.get(), ::BN_bin2bn(bytes_of(raw), size, nullptr),
                     ::BN_bin2bn(bytes_of(raw) + size, size, nullptr));
    unsigned char* encoded = nullptr;
    const int encoded_size = ::i2d_ECDSA_SIG(signature.get(), &encoded);
    if (encoded_size <= 0) return {};
    std::string text(reinterpret_cast<char*>(encoded), static_cast<std::size_t>(encoded_size));
    ::OPENSSL_free(encoded);
    return text;
}

bool is_signed_by(EVP_PKEY* key, const Method& method, std::string_view text,
                  std::string_view raw) {
    if (::EVP_PKEY_get_base_id(key) != method.key_type) return false;
    const std::string signature =
        method.key_type == EVP_PKEY_EC ? to_asn1(raw, method.number_bytes) : std::string(raw);
    if (signature.empty()) return false;
    const std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>> context(::EVP_MD_CTX_new());
    return ::EVP_DigestVerifyInit(context.get(), nullptr, method.hash ? method.hash() : nullptr,
                                  nullptr, key) == 1 &&
           ::EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                              text.size()) == 1;
}

json::Value decode_part(std::string_view part) {
    const auto text = decode_base64_text(part);
    if (!text) throw refused("it is not base64");
    try {
        json::Value value = json::parse(*text);
        if (value.is_object()) return value;
    } catch (const Error&) {
    }
    throw refused("it is not JSON");
}

bool names_audience(const json::Value& claim, std::string_view audience) {
    if (claim.is_string()) return claim.as_string() == audience;
    return claim.is_array() && std::ranges::any_of(claim.as_array(), [&](const json::Value& value) {
               return value == json::Value(audience);
           });
}

std::vector<Claims::Access> parse_access(const json::Value& list) {
    std::vector<Claims::Access> access;
    if (!list.is_array()) return access;
    for (const json::Value& entry : list.as_array())
        access.push_back(
            {entry["type"].as_string(), entry["name"].as_string(), entry["actions"].as_strings()});
    return access;
}

/// Seconds since 1970 of a claim; nullopt when absent.
std::optional<std::int64_t> time_claim(const json::Value& payload, std::string_view name) {
    const json::Value& claim = payload[name];
    if (claim.is_null()) return std::nullopt;
    if (!claim.is_number()) throw refused("a time in it is no number");
    return static_cast<std::int64_t>(std::clamp(claim.as_double(), -1e15, 1e15));
}

}  // namespace

std::optional<std::string> decode_base64_text(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string bytes;
    unsigned value = 0;
    int bits = 0;
    for (const char c : text) {
        int digit = -1;
        if (c >= 'A' && c <= 'Z') digit = c - 'A';
        if (c >= 'a' && c <= 'z') digit = c - 'a' + 26;
        if (c >= '0' && c <= '9') digit = c - '0' + 52;
        if (c == '+' || c == '-') digit = 62;
        if (c == '/' || c == '_') digit = 63;
        if (digit < 0) return std::nullopt;
        value = (value << 6 | static_cast<unsigned>(digit)) & 0xffffff;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(value >> bits & 0xff);
    }
    if (text.size() % 4 == 1) return std::nullopt;
    return bytes;
}

std::string encode_base64_url(std::string_view bytes) {
    std::string text = encode_base64(bytes);
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    while (text.ends_with('=')) text.pop_back();
    return text;
}

bool Claims::allow(std::string_view repository, Right right) const {
    return std::ranges::any_of(access, [&](const Access& entry) {
        return entry.type == "repository" && entry.name == repository &&
               std::ranges::any_of(entry.actions, [&](const std::string& action) {
                   return action == to_string(right) || action == "*";
               });
    });
}

bool Claims::allow_catalog() const {
    return std::ranges::any_of(access, [](const Access& entry) {
        return entry.type == "registry" && entry.name == "catalog" &&
               std::ranges::find(entry.actions, "*") != entry.actions.end();
    });
}

struct TokenKeys::State {
    struct Named {
        std::string id;  ///< `kid`, "" when none
        Pkey key;
    };
    std::vector<Named> keys;
    std::unique_ptr<X509_STORE, Release<X509_STORE_free>> roots{::X509_STORE_new()};
};

TokenKeys::TokenKeys() : state_(std::make_unique<State>()) {}
TokenKeys::TokenKeys(TokenKeys&&) noexcept = default;
TokenKeys& TokenKeys::operator=(TokenKeys&&) noexcept = default;
TokenKeys::~TokenKeys() = default;

TokenKeys TokenKeys::parse(std::string_view text) {
    TokenKeys keys;
    State& state = *keys.state_;
    if (trim(text).starts_with('{')) {
        const json::Value set = json::parse(text);
        for (const json::Value& key : set["keys"].as_array()) {
            const json::Value& id = key["kid"];
            state.keys.push_back({id.is_string() ? id.as_string() : "", parse_jwk(key)});
        }
    } else {
        const Bio bio = make_bio(text);
        char *name = nullptr, *header = nullptr;
        unsigned char* data = nullptr;
        long size = 0;
        while (::PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
            const unsigned char* at = data;
            Pkey key;
            if (std::string_view(name) == "CERTIFICATE") {
                const Certificate certificate(::d2i_X509(nullptr, &at, size));
                if (certificate) ::X509_STORE_add_cert(state.roots.get(), certificate.get());
                if (certificate) key.reset(::X509_get_pubkey(certificate.get()));
            } else if (std::string_view(name) == "PUBLIC KEY") {
                key.reset(::d2i_PUBKEY(nullptr, &at, size));
            }
            ::OPENSSL_free(name);
            ::OPENSSL_free(header);
            ::OPENSSL_free(data);
            if (!key)
                throw Error(ErrorKind::invalid_argument,
                            "token keys: only valid certificates and public keys are of use");
            state.keys.push_back({"", std::move(key)});
        }
    }
    if (state.keys.empty() || state.keys.size() > max_keys)
        throw Error(ErrorKind::invalid_argument, "token keys: {} keys, expected 1 to {}",
                    state.keys.size(), max_keys);
    return keys;
}

TokenKeys TokenKeys::make_pair() {
    TokenKeys keys;
    Pkey key(::EVP_EC_gen("P-256"));
    if (!key) throw Error(ErrorKind::internal, "making a key for tokens failed");
    keys.state_->keys.push_back({"", std::move(key)});
    return keys;
}

TokenKeys TokenKeys::parse_pair(std::string_view pem) {
    TokenKeys keys;
    Pkey key(::PEM_read_bio_PrivateKey(make_bio(pem).get(), nullptr, nullptr, nullptr));
    if (!key || ::EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC)
        throw Error(ErrorKind::data_loss, "the registry's own token key is damaged: remove it");
    keys.state_->keys.push_back({"", std::move(key)});
    return keys;
}

std::string TokenKeys::pair_pem() const {
    const Bio bio(::BIO_new(::BIO_s_mem()));
    if (::PEM_write_bio_PrivateKey(bio.get(), state_->keys.at(0).key.get(), nullptr, nullptr, 0,
                                   nullptr, nullptr) != 1)
        throw Error(ErrorKind::internal, "writing the key for tokens failed");
    char* data = nullptr;
    const long size = ::BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

namespace {

/// The key of the chain's first certificate, when the chain leads to one of the roots.
Pkey trusted_chain_key(const json::Value& chain, X509_STORE* roots) {
    std::vector<Certificate> certificates;
    for (const std::string& text : chain.as_strings()) {
        const auto bytes = decode_base64_text(text);
        if (!bytes || certificates.size() >= 10) throw refused("its certificate chain is invalid");
        const unsigned char* at = bytes_of(*bytes);
        certificates.emplace_back(::d2i_X509(nullptr, &at, static_cast<long>(bytes->size())));
        if (!certificates.back()) throw refused("its certificate chain is invalid");
    }
    if (certificates.empty()) throw refused("its certificate chain is invalid");
    STACK_OF(X509)* others = sk_X509_new_null();
    for (std::size_t i = 1; i < certificates.size(); i++)
        sk_X509_push(others, certificates[i].get());
    const std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX_free>> context(
        ::X509_STORE_CTX_new());
    const bool is_trusted =
        ::X509_STORE_CTX_init(context.get(), roots, certificates[0].get(), others) == 1 &&
        ::X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_ANY) == 1 &&
        ::X509_verify_cert(context.get()) == 1;
    sk_X509_free(others);
    if (!is_trusted) throw refused("its certificate chain leads to none of ours");
    return Pkey(::X509_get_pubkey(certificates[0].get()));
}

}  // namespace

Claims TokenKeys::verify(std::string_view token, std::string_view issuer, std::string_view audience,
                         std::int64_t now_s) const {
    if (token.size() > max_token_bytes) throw refused("it is too long");
    const std::size_t first = token.find('.'), last = token.rfind('.');
    if (first == last || first == std::string_view::npos) throw refused("it has not three parts");
    const json::Value header = decode_part(token.substr(0, first));
    const auto signature = decode_base64_text(token.substr(last + 1));
    const std::string_view signed_text = token.substr(0, last);
    if (!signature) throw refused("it is not base64");
    const Method& method = get_method(header);
    bool is_good = false;
    if (!header["x5c"].is_null()) {
        const Pkey key = trusted_chain_key(header["x5c"], state_->roots.get());
        is_good = key && is_signed_by(key.get(), method, signed_text, *signature);
    } else {
        const json::Value& id = header["kid"];
        const bool is_known = id.is_string() && std::ranges::any_of(state_->keys, [&](auto& named) {
                                  return named.id == id.as_string();
                              });
        for (const State::Named& named : state_->keys)
            if (!is_good && (!is_known || named.id == id.as_string()))
                is_good = is_signed_by(named.key.get(), method, signed_text, *signature);
    }
    if (!is_good) throw refused("its signature is not its issuer's");

    Claims claims{.document = decode_part(signed_text.substr(first + 1))};
    const json::Value& payload = claims.document;
    if (!(payload["iss"] == json::Value(issuer))) throw refused("its issuer is another one");
    if (!names_audience(payload["aud"], audience)) throw refused("it is for another service");
    const auto expires = time_claim(payload, "exp"), begins = time_claim(payload, "nbf");
    if (!expires || *expires + clock_leeway_s < now_s) throw refused("it has expired");
    if (begins && *begins - clock_leeway_s > now_s) throw refused("it is not valid yet");
    if (payload["sub"].is_string()) claims.subject = payload["sub"].as_string();
    try {
        claims.access = parse_access(payload["access"]);
    } catch (const Error&) {
        throw refused("its access list is malformed");
    }
    return claims;
}

std::string TokenKeys::sign(const json::Value& payload) const {
    const std::string text =
        encode_base64_url(json::dump(json::Object{{"alg", "ES256"}, {"typ", "JWT"}})) + "." +
        encode_base64_url(json::dump(payload));
    const std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>> context(::EVP_MD_CTX_new());
    std::array<unsigned char, 128> encoded;
    std::size_t size = encoded.size();
    if (::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr,
                             state_->keys.at(0).key.get()) != 1 ||
        ::EVP_DigestSign(context.get(), encoded.data(), &size, bytes_of(text), text.size()) != 1)
        throw Error(ErrorKind::internal, "signing a token failed");
    const unsigned char* at = encoded.data();
    const Signature signature(::d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    std::array<unsigned char, 64> raw{};
    const BIGNUM *r = nullptr, *s = nullptr;
    ::ECDSA_SIG_get0(signature.get(), &r, &s);
    ::BN_bn2binpad(r, raw.data(), 32);
    ::BN_bn2binpad(s, raw.data() + 32, 32);
    return text + "." + encode_base64_url({reinterpret_cast<const char*>(raw.data()), raw.size()});
}

}  // namespace hull::registry
