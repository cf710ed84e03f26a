#pragma once
#include "base/error.hh"
#include "oci/descriptor.hh"
#include "registry/client/challenge.hh"
#include "registry/client/configuration.hh"
#include "registry/client/http_client.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

/// A registry said no. `message()` is what Docker would show: "manifest unknown: manifest unknown".
class ReplyError : public Error {
public:
    ReplyError(ErrorKind kind, int status, std::string code, const std::string& message)
        : Error(kind, "{}", message), status_(status), code_(std::move(code)) {}
    int status() const { return status_; }
    const std::string& code() const { return code_; }  ///< MANIFEST_UNKNOWN; "" when none was sent

private:
    int status_;
    std::string code_;
};

/// A manifest or index as it came.
struct Document {
    std::string text, media_type;
    oci::Digest digest;
};

/// What `login` found out.
struct LoginResult {
    std::string identity_token;
};

/// One endpoint of a registry with its authentication. Thread-safe.
class Registry {
public:
    Registry(HttpClient& client, const Configuration& configuration, Endpoint endpoint);

    const Endpoint& endpoint() const { return endpoint_; }
    /// The address it answers at, once something was asked.
    std::string origin() const { return base_.origin(); }

    /// Finds out how to speak to it (GET /v2/). Other requests do that on their own.
    void ping();
    /// Whether the credentials are good. Throws unauthorized.
    LoginResult check_login();

    /// The digest that a tag or digest stands for, as HEAD says it; nullopt when it does not say.
    std::optional<oci::Digest> find_digest(const std::string& repository,
                                           const std::string& reference);
    /// Throws ReplyError, data_loss when the text has another digest than was asked for or said,
    /// invalid_argument beyond 4 MiB.
    Document get_manifest(const std::string& repository, const std::string& reference);
    std::vector<std::string> list_tags(const std::string& repository);
    /// Manifests whose subject is `subject`: from the referrers API, else from the tag that stands
    /// in for it. `artifact_type` "" is any. Source: distribution-spec, "Listing Referrers".
    std::vector<oci::Descriptor> list_referrers(const std::string& repository,
                                                const oci::Digest& subject,
                                                const std::string& artifact_type);
    /// The bytes of a blob from `offset` on; status is 206, or 200 when it begins at 0 all the
    /// same.
    Response open_blob(const std::string& repository, const oci::Digest& digest,
                       std::uint64_t offset);
    /// The same from an address that the blob's descriptor names, which gets no credentials.
    Response open_elsewhere(const std::string& address, std::uint64_t offset);
    /// A small blob, checked.
    std::string get_blob(const std::string& repository, const oci::Digest& digest,
                         std::uint64_t size);

    /// Any request below the endpoint, for what pushes do. `path` is "v2/…" or an absolute URL.
    /// Asks again after a 401; a body with a source is made anew by `make_request`.
    Response call(const std::function<Request()>& make_request,
                  const std::vector<std::string>& scopes, bool follow = false);
    Url url(std::string_view path) const;

    /// Throws the ReplyError that the reply stands for.
    [[noreturn]] static void refuse(Response& response);
    /// `repository:NAME:ACTIONS`
    static std::string scope(const std::string& repository, std::string_view actions);

private:
    enum class Method { none, basic, bearer };
    std::string authorization(const std::vector<std::string>& scopes);
    std::string fetch_token(const Challenge& challenge, const std::vector<std::string>& scopes,
                            std::string* refresh_token = nullptr);
    void tell_warnings(const http::Headers& headers);
    void take_challenges(const http::Headers& headers);
    std::string next_page(const Response& response) const;
    void forget_token(const std::vector<std::string>& scopes);
    Response get(const std::string& path, const std::string& repository,
                 const http::Headers& headers, const std::string& method = "GET");

    HttpClient& client_;
    const Configuration& configuration_;
    const Endpoint endpoint_;
    const TlsMaterial elsewhere_;  ///< for addresses that are no registry
    std::mutex mutex_;
    std::set<std::string> told_warnings_;
    bool pinged_ = false;
    Url base_;
    Method method_ = Method::none;
    Challenge bearer_;
    struct Token {
        std::string text;
        std::int64_t expires_ns = 0;
    };
    std::map<std::string, Token> tokens_;
};

/// Runs `attempt` again after failures that time may heal: a broken connection, silence, 429 and
/// 5xx, with growing pauses or the one that Retry-After asks for.
void with_retries(unsigned attempts, const std::function<void()>& attempt);
/// Whether time may heal it.
bool is_transient(const Error& error);

}  // namespace hull::registry_client
