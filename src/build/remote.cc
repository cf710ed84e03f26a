#include "build/remote.hh"

#include "base/error.hh"
#include "base/text.hh"

#include <time.h>

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace hull::build {

namespace {

bool is_true(std::string_view text) {
    if (text.empty() || text == "1" || text == "true") return true;
    if (text == "0" || text == "false") return false;
    throw Error(ErrorKind::invalid_argument, "invalid value {} in the address of a repository",
                text);
}

void apply_query(GitAddress& address, std::string_view query) {
    for (const std::string_view field : split_views(query, '&')) {
        if (field.empty()) continue;
        const std::size_t equals = field.find('=');
        const std::string_view key = field.substr(0, equals);
        const std::string_view value =
            equals == std::string_view::npos ? "" : field.substr(equals + 1);
        if (key == "ref")
            address.ref = value;
        else if (key == "branch")
            address.ref = "refs/heads/" + std::string(value);
        else if (key == "tag")
            address.ref = "refs/tags/" + std::string(value);
        else if (key == "subdir")
            address.subdir = value;
        else if (key == "checksum" || key == "commit")
            address.checksum = value;
        else if (key == "submodules")
            address.submodules = is_true(value);
        else if (key == "keep-git-dir")
            address.keep_git_dir = is_true(value);
        else
            throw Error(ErrorKind::invalid_argument, "unexpected query \"{}\"", key);
    }
}

/// "user@host:path", as scp has it.
bool is_scp_address(std::string_view text) {
    const std::size_t at = text.find('@'), colon = text.find(':');
    if (at == 0 || at == std::string_view::npos || colon == std::string_view::npos ||
        colon < at + 2 || text.front() == '-' || text[at + 1] == '-')
        return false;
    return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '@' || c == '.' || c == '-' ||
               c == '_';
    });
}

/// Whether the path of `text` (without query and fragment) says that it is a repository.
bool is_repository(std::string_view text) {
    for (const std::string_view scheme : {"git://", "ssh://"})
        if (text.starts_with(scheme)) return true;
    if (text.starts_with("github.com/") || is_scp_address(text)) return true;
    return is_http_address(text) && text.ends_with(".git");
}

}  // namespace

bool is_http_address(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

std::optional<GitAddress> parse_git_address(std::string_view text) {
    const std::size_t hash = text.find('#');
    const std::string_view fragment = hash == std::string_view::npos ? "" : text.substr(hash + 1);
    std::string_view rest = text.substr(0, hash);
    const std::size_t mark = rest.find('?');
    const std::string_view query = mark == std::string_view::npos ? "" : rest.substr(mark + 1);
    rest = rest.substr(0, mark);
    if (!is_repository(rest)) return std::nullopt;
    GitAddress address;
    address.url = rest;
    if (rest.starts_with("github.com/")) address.url = "https://" + address.url;
    const std::size_t colon = fragment.find(':');
    address.ref = fragment.substr(0, colon);
    if (colon != std::string_view::npos) address.subdir = fragment.substr(colon + 1);
    apply_query(address, query);
    return address;
}

std::string find_authorization(const std::map<std::string, std::string>& secrets,
                               const std::string& url, const std::string& prefix) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) return "";
    const std::size_t begin = scheme + 3;
    const std::string host = url.substr(begin, url.find_first_of(":/?#", begin) - begin);
    for (const std::string& suffix : {"." + host, "_" + host, std::string()}) {
        if (const auto header = secrets.find(prefix + "_AUTH_HEADER" + suffix);
            header != secrets.end())
            return header->second;
        if (const auto token = secrets.find(prefix + "_AUTH_TOKEN" + suffix);
            token != secrets.end())
            return prefix == "GIT" ? "basic " + encode_base64("x-access-token:" + token->second)
                                   : "Bearer " + token->second;
    }
    return "";
}

std::string name_in_url(std::string_view url) {
    const std::size_t scheme = url.find("://");
    std::string_view path = url.substr(scheme == std::string_view::npos ? 0 : scheme + 3);
    path = path.substr(0, path.find_first_of("?#"));
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return "";
    std::string name(path.substr(slash + 1));
    return name == "." || name == ".." ? "" : name;
}

std::optional<long long> parse_http_time(const std::string& text) {
    struct tm parts {};
    const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (!end || *end) return std::nullopt;
    return static_cast<long long>(::timegm(&parts));
}

}  // namespace hull::build
