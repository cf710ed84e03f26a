// Addresses of repositories and archives, as contexts and ADD have them.
#include "base/error.hh"
#include "build/remote.hh"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace hull;

void require(bool holds) {
    if (!holds) std::abort();
}

void read_address(const std::string& text) {
    try {
        const auto address = build::parse_git_address(text);
        if (!address) return;
        // What git is called with is never an option, and has no parts that are ours.
        require(!address->url.empty() && address->url.front() != '-');
        require(address->url.find_first_of("#?") == std::string::npos);
        // With the query and the fragment gone it is the same repository (github.com/a/b is told
        // by its short form only).
        const auto again = build::parse_git_address(address->url);
        require(again ? again->url == address->url && again->ref.empty() && again->subdir.empty()
                      : text.starts_with("github.com/"));
    } catch (const Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    read_address(text);
    read_address("https://host/r.git" + text);
    const std::string name = build::name_in_url(text);
    require(name.find('/') == std::string::npos && name != "." && name != "..");
    build::parse_http_time(text);
    const std::map<std::string, std::string> secrets{{"GIT_AUTH_TOKEN.host", "x"},
                                                     {"HTTP_AUTH_HEADER_host", "y"}};
    build::find_authorization(secrets, text, "GIT");
    build::find_authorization(secrets, text, "HTTP");
    return 0;
}
