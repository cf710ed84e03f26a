#pragma once
#include "http/server.hh"
#include "registry/accounts.hh"
#include "registry/jwt.hh"
#include "registry/rights.hh"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hull::registry {

/// How clients show who they are.
struct AuthOptions {
    enum class Kind { automatic, none, basic, token };
    Kind kind = Kind::automatic;  ///< automatic: what the files that were given need
    std::string realm;            ///< URL of the token server; "": our own /token
    std::string service = "hull-registry", issuer = "hull-registry";
    bool is_tls = false;  ///< for the URL of our own /token
};

/// What the supervisor reads for the worker, "" when there is no such file.
struct AuthFiles {
    std::string htpasswd, rights, token_keys;
};

/// Who asks.
struct Identity {
    std::string user;              ///< "" for somebody who has not logged in
    std::optional<Claims> claims;  ///< of a token: they count, not the rights file
};

/// Users, rights and tokens as the files said when it was made; immutable. Three ways to run it:
/// open to all, Basic with an htpasswd file, or Bearer tokens from an issuer elsewhere or from
/// `GET /token` here, which lets people who have not logged in pull what is public.
class Auth {
public:
    /// `own_keys` sign and verify tokens of our own issuer. Throws invalid_argument.
    Auth(const AuthOptions& options, const AuthFiles& files,
         std::shared_ptr<const TokenKeys> own_keys);  // shared with the Auth before a reload

    /// Throws a Refusal UNAUTHORIZED with the challenge for wrong credentials.
    Identity identify(const http::Exchange& exchange) const;
    /// Throws UNAUTHORIZED (log in, or get a token) or DENIED.
    void require(const http::Exchange& exchange, const Identity& who, const std::string& repository,
                 Right right) const;
    /// For `/v2/`: clients find out there how to log in.
    void require_login(const http::Exchange& exchange, const Identity& who) const;
    void require_catalog(const http::Exchange& exchange, const Identity& who) const;
    bool allow(const Identity& who, const std::string& repository, Right right) const;

    /// Whether the catalog shows it.
    bool lists(const Identity& who, const std::string& repository) const;

    bool issues_tokens() const { return kind_ == AuthOptions::Kind::token && own_keys_; }
    /// GET or POST /token. Source: distribution's "Token Authentication Specification" and
    /// "OAuth2 Token Authentication".
    http::Response issue_token(http::Exchange& exchange) const;

private:
    [[noreturn]] void challenge(const http::Exchange& exchange, std::string_view scope,
                                std::string_view error, std::string_view message) const;
    std::string realm_for(const http::Exchange& exchange) const;
    json::Array granted_access(const std::string& user, const std::string& scopes) const;
    std::string make_token(const std::string& user, json::Array access, std::int64_t now_s) const;
    std::string make_refresh_token(const std::string& user, std::int64_t now_s) const;
    std::string check_refresh_token(const std::string& token) const;

    AuthOptions options_;
    AuthOptions::Kind kind_;
    std::unique_ptr<Accounts> accounts_;
    Rights rights_;
    std::optional<TokenKeys> issuer_keys_;
    std::shared_ptr<const TokenKeys> own_keys_;
};

}  // namespace hull::registry
