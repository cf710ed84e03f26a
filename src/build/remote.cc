#include "build/remote.hh"

#include "base/error.hh"
#include "base/text.hh"

#include <time.h>

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

/// Whether the path of `text` (without query and fragment) says that it is a repository.
bool is_repository(std::string_view text) {
    for (const std::string_view scheme : {"git://", "ssh://", "git@"})
        if (text.starts_with(scheme)) return true;
    if (text.starts_with("github.com/")) return true;
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
