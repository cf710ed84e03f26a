#include "build/dockerfile/arguments.hh"

#include "build/dockerfile/text.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

void add_platform(std::map<std::string, std::string>& arguments, const std::string& prefix,
                  const oci::Platform& platform) {
    arguments[prefix + "PLATFORM"] = platform.str();
    arguments[prefix + "OS"] = platform.os;
    arguments[prefix + "OSVERSION"] = platform.os_version;
    arguments[prefix + "ARCH"] = platform.architecture;
    arguments[prefix + "VARIANT"] = platform.variant;
}

}  // namespace

std::map<std::string, std::string> platform_arguments(const oci::Platform& build_platform,
                                                      const oci::Platform& target_platform,
                                                      std::string_view target_stage) {
    std::map<std::string, std::string> arguments;
    add_platform(arguments, "BUILD", build_platform);
    add_platform(arguments, "TARGET", target_platform);
    arguments["TARGETSTAGE"] = target_stage.empty() ? "default" : std::string(target_stage);
    return arguments;
}

bool is_proxy_argument(std::string_view name) {
    constexpr std::string_view names[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
                                          "ALL_PROXY"};
    const std::string in_capitals = upper(name);
    // All in one case: a shell would not know Http_Proxy either.
    const bool one_case = name == in_capitals || std::none_of(name.begin(), name.end(), [](char c) {
                              return c >= 'A' && c <= 'Z';
                          });
    return one_case &&
           std::find(std::begin(names), std::end(names), in_capitals) != std::end(names);
}

bool is_builder_argument(std::string_view name) {
    return name.starts_with("BUILDKIT_") || name == "SOURCE_DATE_EPOCH" || is_proxy_argument(name);
}

}  // namespace hull::build::dockerfile
