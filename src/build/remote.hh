#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hull::build {

/// A place in a git repository: "https://host/repo.git#ref:subdir", "git@host:repo",
/// "github.com/owner/repo", or with a query: "?ref=…&subdir=…&commit=…".
struct GitAddress {
    std::string url, ref, subdir;
    std::string checksum;  ///< the beginning of the commit that it must be
    std::optional<bool> submodules, keep_git_dir;
};

/// nullopt for what is no address of a repository. Throws invalid_argument for a query it does not
/// know.
std::optional<GitAddress> parse_git_address(std::string_view text);

/// What to show an http server: of the secrets HTTP_AUTH_HEADER.host, HTTP_AUTH_TOKEN.host (also
/// with _ before the host, or without one), as BuildKit looks for them. "" for nothing. `prefix`
/// is HTTP or GIT.
std::string find_authorization(const std::map<std::string, std::string>& secrets,
                               const std::string& url, const std::string& prefix);

/// Whether it is http or https.
bool is_http_address(std::string_view text);

/// The last part of its path; "" when there is none.
std::string name_in_url(std::string_view url);

/// Seconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT"; nullopt for anything else.
std::optional<long long> parse_http_time(const std::string& text);

}  // namespace hull::build
