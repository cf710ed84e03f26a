#pragma once
#include "base/file.hh"
#include "base/json.hh"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

inline constexpr std::string_view default_context = "default";

/// A named daemon: meta.json as Docker writes it, endpoints of other programs included.
struct Context {
    std::string name;
    json::Value metadata;  ///< {"Name", "Metadata", "Endpoints"}

    std::string description() const;
    std::string host() const;
    bool skip_tls_verify() const;
    void set_description(std::string_view text);
    void set_endpoint(std::string_view host, bool skip_tls_verify);
};

/// TLS files by name: "ca.pem", "cert.pem", "key.pem".
using TlsFiles = std::map<std::string, std::string>;

/// The contexts under `contexts/` of the configuration directory, in Docker's layout:
/// meta/<sha256 of the name>/meta.json and tls/<the same>/docker/*.pem.
class ContextStore {
public:
    explicit ContextStore(const Path& configuration);

    std::vector<Context> list() const;  ///< by name
    std::optional<Context> find(std::string_view name) const;
    /// Throws not_found.
    Context get(std::string_view name) const;
    void save(const Context& context) const;
    void remove(std::string_view name) const;

    TlsFiles read_tls(std::string_view name) const;
    void save_tls(std::string_view name, const TlsFiles& files) const;

    Path metadata_directory(std::string_view name) const;
    Path tls_directory(std::string_view name) const;

private:
    Path root_;
};

/// Throws invalid_argument for "default" and for what is no name.
void check_context_name(std::string_view name);

}  // namespace hull::cli
