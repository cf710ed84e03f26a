#include "registry/client/tls.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/release.hh"
#include "base/sys.hh"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <cerrno>
#include <climits>
#include <map>
#include <mutex>

namespace hull::registry_client {

namespace {

using Context = std::unique_ptr<SSL_CTX, Release<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Release<SSL_free>>;
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;

std::string reason() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
    return text ? text : "unknown error";
}

Bio memory(const std::string& text) {
    return Bio(BIO_new_mem_buf(text.data(),
                               static_cast<int>(std::min<std::size_t>(text.size(), INT_MAX))));
}

void add_authorities(SSL_CTX* context, const std::string& pem) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    const Bio bio = memory(pem);
    while (X509* raw = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        const Certificate certificate(raw);
        X509_STORE_add_cert(store, certificate.get());
    }
    ERR_clear_error();  // the end of the text is an error to OpenSSL
}

int no_password(char*, int, int, void*) { return -1; }

void use_identity(SSL_CTX* context, const TlsMaterial::Identity& identity) {
    const Bio certificates = memory(identity.certificate);
    const Certificate leaf(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
    if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
        throw Error(ErrorKind::invalid_argument, "the client certificate cannot be read: {}",
                    reason());
    while (X509* raw = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)) {
        const Certificate intermediate(raw);
        SSL_CTX_add1_chain_cert(context, intermediate.get());
    }
    ERR_clear_error();
    const Key key(
        PEM_read_bio_PrivateKey(memory(identity.key).get(), nullptr, no_password, nullptr));
    if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1)
        throw Error(ErrorKind::invalid_argument, "the client key cannot be used: {}", reason());
}

/// Go's words for what OpenSSL found.
std::string describe_verification(long result, const std::string& host) {
    switch (result) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "x509: certificate signed by unknown authority";
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "x509: certificate has expired or is not yet valid";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return fmt::format("x509: certificate is not valid for {}", host);
        default: return fmt::format("x509: {}", X509_verify_cert_error_string(result));
    }
}

Context make_context(const TlsMaterial& material) {
    // Its configuration file is out of reach, and would be of no use.
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    Context owner(SSL_CTX_new(TLS_client_method()));
    if (!owner) throw Error(ErrorKind::internal, "making a TLS context: {}", reason());
    SSL_CTX* context = owner.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);  // lengths say what is missing
    if (material.verify) {
        add_authorities(context, material.system_authorities);
        for (const std::string& authority : material.authorities)
            add_authorities(context, authority);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    }
    if (!material.identities.empty()) use_identity(context, material.identities.front());
    return owner;
}

/// Made once for all connections that trust and show the same: reading the machine's authorities
/// takes longer than a handshake.
SSL_CTX* context_for(const TlsMaterial& material) {
    std::string key = material.verify ? "verify" : "trust all";
    for (const std::string& authority : material.authorities) key += authority;
    for (const TlsMaterial::Identity& identity : material.identities)
        key += identity.certificate + identity.key;
    static std::mutex mutex;
    static std::map<std::string, Context> contexts;
    const std::lock_guard lock(mutex);
    Context& context = contexts[sha256_hex(key)];
    if (!context) context = make_context(material);
    return context.get();
}

}  // namespace

struct TlsStream::State {
    int socket = -1;
    int silence_ms = -1;
    Session session;

    /// Whether to try again; throws when nobody moves for too long.
    bool wait(int result) {
        const int error = SSL_get_error(session.get(), result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
        const short events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        if (!sys::poll_one(socket, events, silence_ms))
            throw Error(ErrorKind::unavailable, "i/o timeout").with_errno(ETIMEDOUT);
        return true;
    }
};

TlsStream::TlsStream(int socket, const std::string& host, const TlsMaterial& material,
                     int silence_ms)
    : state_(std::make_unique<State>()) {
    state_->socket = socket;
    state_->silence_ms = silence_ms;
    SSL_CTX* context = context_for(material);

    state_->session.reset(SSL_new(context));
    SSL* session = state_->session.get();
    SSL_set_fd(session, socket);
    in6_addr ignored{};
    const bool is_numeric = ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
                            ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
    if (is_numeric) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str());
    } else {
        SSL_set1_host(session, host.c_str());
        SSL_set_tlsext_host_name(session, host.c_str());
    }
    for (;;) {
        ERR_clear_error();
        const int result = SSL_connect(session);
        if (result == 1) return;
        if (state_->wait(result)) continue;
        if (const long verified = SSL_get_verify_result(session);
            material.verify && verified != X509_V_OK)
            throw Error(ErrorKind::unavailable, "tls: failed to verify certificate: {}",
                        describe_verification(verified, host));
        const unsigned long code = ERR_peek_error();
        const int why = ERR_GET_REASON(code);
        if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
            (why == SSL_R_WRONG_VERSION_NUMBER || why == SSL_R_HTTP_REQUEST ||
             why == SSL_R_PACKET_LENGTH_TOO_LONG))
            throw Error(ErrorKind::unavailable, "http: server gave HTTP response to HTTPS client")
                .with_errno(EPROTO);
        if (code == 0)
            throw Error(ErrorKind::unavailable, "the server hung up during the TLS handshake")
                .with_errno(EPROTO);
        throw Error(ErrorKind::unavailable, "tls: {}", reason());
    }
}

TlsStream::~TlsStream() = default;

bool TlsStream::has_buffered() const { return SSL_has_pending(state_->session.get()) == 1; }

std::size_t TlsStream::read(std::span<std::byte> buffer) {
    for (;;) {
        ERR_clear_error();
        std::size_t count = 0;
        const int result = SSL_read_ex(state_->session.get(), buffer.data(), buffer.size(), &count);
        if (result == 1) return count;
        if (state_->wait(result)) continue;
        const int error = SSL_get_error(state_->session.get(), result);
        if (error == SSL_ERROR_ZERO_RETURN) return 0;
        if (error == SSL_ERROR_SYSCALL) {
            if (errno == 0 || errno == ECONNRESET) return 0;
            throw_errno(errno, "receiving from the peer");
        }
        throw Error(ErrorKind::unavailable, "tls: {}", reason());
    }
}

void TlsStream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        ERR_clear_error();
        std::size_t count = 0;
        const int result = SSL_write_ex(state_->session.get(), bytes.data(), bytes.size(), &count);
        if (result == 1) {
            bytes.remove_prefix(count);
            continue;
        }
        if (state_->wait(result)) continue;
        throw Error(ErrorKind::unavailable, "the connection broke while sending").with_errno(EPIPE);
    }
}

}  // namespace hull::registry_client
