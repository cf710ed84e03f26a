#include "network/endpoint_options.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "linux/links.hh"
#include "linux/namespaces.hh"

#include <sched.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace hull::network {

namespace {

constexpr std::string_view name_option = "com.docker.network.endpoint.ifname",
                           sysctl_option = "com.docker.network.endpoint.sysctls",
                           placeholder = "IFNAME";

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

/// "net.ipv4.conf.IFNAME.log_martians" as the words of its path, with its value.
struct Sysctl {
    std::vector<std::string> words;
    std::string value;
};

/// Docker's command line has made the placeholder lower case for years. Only of the one interface:
/// all else is the container's --sysctl.
std::vector<Sysctl> parse_sysctls(const std::string& text) {
    std::vector<Sysctl> all;
    for (const std::string& item : split(text, ',')) {
        const std::size_t equals = item.find('=');
        if (equals == std::string::npos)
            refuse("invalid endpoint sysctl \"{}\": use net.X.Y.IFNAME.NAME=VALUE", item);
        Sysctl sysctl{split(item.substr(0, equals), '.'), item.substr(equals + 1)};
        const auto& words = sysctl.words;
        const bool is_right = words.size() == 5 && words[0] == "net" &&
                              (words[3] == placeholder || words[3] == "ifname") &&
                              (words[1] == "ipv4" || words[1] == "ipv6" || words[1] == "mpls") &&
                              (words[2] == "conf" || words[2] == "neigh") &&
                              std::none_of(words.begin(), words.end(), [](const std::string& word) {
                                  return word.empty() || word.find('/') != std::string::npos;
                              });
        if (!is_right)
            refuse("invalid endpoint sysctl \"{}\": use net.X.Y.IFNAME.NAME=VALUE", item);
        all.push_back(std::move(sysctl));
    }
    return all;
}

}  // namespace

std::string wanted_interface(const StringMap& options) {
    const auto found = options.find(std::string(name_option));
    return found == options.end() ? "" : found->second;
}

void check_endpoint_options(const StringMap& options) {
    for (const auto& [name, value] : options) {
        if (name == name_option) {
            if (value.empty() || value.size() > linux_::max_link_name || value == "lo" ||
                value == "." || value == ".." || value.find_first_of("/ \t:.") != std::string::npos)
                refuse("invalid interface name \"{}\" of {}", value, name);
        } else if (name == sysctl_option) {
            parse_sysctls(value);
        } else if (name.starts_with("com.docker.network.")) {
            throw Error(ErrorKind::unsupported, "endpoint option {}={} is not supported", name,
                        value);
        }
    }
}

void apply_sysctls(const Namespace& target, const StringMap& options,
                   const std::string& interface) {
    const auto found = options.find(std::string(sysctl_option));
    if (found == options.end()) return;
    const linux_::NamespaceVisit visit(target.fd.get(), CLONE_NEWNET);
    for (Sysctl& sysctl : parse_sysctls(found->second)) {
        sysctl.words[3] = interface;
        Path path = "/proc/sys";
        for (const std::string& word : sysctl.words) path += "/" + word;
        write_file(path, sysctl.value);
    }
}

}  // namespace hull::network
