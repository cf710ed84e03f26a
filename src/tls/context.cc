#include "tls/context.hh"

#include "base/error.hh"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace hull::tls {

namespace {

Context make_context(const SSL_METHOD* method, const Files& files) {
    Context context(SSL_CTX_new(method));
    if (!context) throw Error(ErrorKind::internal, "making a TLS context: {}", last_error());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!files.certificate.empty() &&
        SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
        throw Error(ErrorKind::invalid_argument, "reading the certificate {}: {}",
                    files.certificate, last_error());
    if (!files.key.empty() &&
        SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
        throw Error(ErrorKind::invalid_argument, "reading the key {}: {}", files.key, last_error());
    if (!files.key.empty() && SSL_CTX_check_private_key(context.get()) != 1)
        throw Error(ErrorKind::invalid_argument, "the key {} does not belong to {}", files.key,
                    files.certificate);
    const bool loaded = files.ca.empty()
                            ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                            : SSL_CTX_load_verify_file(context.get(), files.ca.c_str()) == 1;
    if (files.verify && !loaded)
        throw Error(ErrorKind::invalid_argument, "reading the authorities {}: {}", files.ca,
                    last_error());
    return context;
}

}  // namespace

void ContextDelete::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

Context make_server_context(const Files& files) {
    Context context = make_context(TLS_server_method(), files);
    if (files.verify)
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           nullptr);
    return context;
}

Context make_client_context(const Files& files) {
    Context context = make_context(TLS_client_method(), files);
    SSL_CTX_set_verify(context.get(), files.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    return context;
}

std::string last_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown error";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "unknown error";
}

}  // namespace hull::tls
