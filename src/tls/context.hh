#pragma once
#include "base/file.hh"

#include <memory>
#include <string>

using SSL_CTX = struct ssl_ctx_st;

namespace hull::tls {

struct ContextDelete {
    void operator()(SSL_CTX* context) const;
};
using Context = std::unique_ptr<SSL_CTX, ContextDelete>;

/// Where keys are and whom we trust. Empty paths: none (of `ca`: the system's authorities).
struct Files {
    Path ca, certificate, key;
    bool verify = false;  ///< the other side must have a certificate of `ca`
};

/// TLS 1.2 and newer. Throws invalid_argument naming the file that cannot be used.
Context make_server_context(const Files& files);
Context make_client_context(const Files& files);

/// What OpenSSL complains of, as one line.
std::string last_error();

}  // namespace hull::tls
