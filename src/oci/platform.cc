#include "oci/platform.hh"

#include "base/error.hh"

#include <algorithm>
#include <array>
#include <charconv>

namespace hull::oci {

namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

bool is_known_os(std::string_view os) {
    constexpr auto known = std::to_array<std::string_view>(
        {"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js",
         "linux", "nacl", "netbsd", "openbsd", "plan9", "solaris", "windows", "zos"});
    return std::ranges::find(known, os) != known.end();
}

bool is_known_architecture(std::string_view architecture) {
    constexpr auto known = std::to_array<std::string_view>(
        {"386",     "amd64",    "amd64p32",  "arm",         "armbe",   "arm64",
         "arm64be", "ppc64",    "ppc64le",   "loong64",     "mips",    "mipsle",
         "mips64",  "mips64le", "mips64p32", "mips64p32le", "ppc",     "riscv",
         "riscv64", "s390",     "s390x",     "sparc",       "sparc64", "wasm"});
    return std::ranges::find(known, architecture) != known.end();
}

bool is_component(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
    });
}

/// v7 -> 7; 0 when it is no version.
int variant_number(std::string_view variant) {
    if (variant.starts_with('v')) variant.remove_prefix(1);
    int number = 0;
    std::from_chars(variant.data(), variant.data() + variant.size(), number);
    return number;
}

int version_or(std::string_view variant, int absent) {
    return variant.empty() ? absent : variant_number(variant);
}

constexpr int same_architecture = 1000, other_architecture = 100;

/// Higher versions of an instruction set run the lower ones; the nearest is the best.
int match_versions(int wanted, int offered, int base) {
    if (wanted == 0 || offered == 0 || offered > wanted) return 0;
    return base - (wanted - offered);
}

}  // namespace

std::string Platform::str() const {
    std::string text = os;
    if (!architecture.empty()) text += "/" + architecture;
    if (!variant.empty()) text += "/" + variant;
    return text;
}

Platform normalize(Platform platform) {
    platform.os = lower(platform.os);
    platform.architecture = lower(platform.architecture);
    platform.variant = lower(platform.variant);
    std::string& architecture = platform.architecture;
    std::string& variant = platform.variant;
    if (platform.os == "macos") platform.os = "darwin";
    if (architecture == "i386") {
        architecture = "386";
        variant.clear();
    } else if (architecture == "x86_64" || architecture == "x86-64" || architecture == "amd64") {
        architecture = "amd64";
        if (variant == "v1") variant.clear();
    } else if (architecture == "aarch64" || architecture == "arm64") {
        architecture = "arm64";
        if (variant == "8" || variant == "v8") variant.clear();
    } else if (architecture == "armhf") {
        architecture = "arm";
        variant = "v7";
    } else if (architecture == "armel") {
        architecture = "arm";
        variant = "v6";
    } else if (architecture == "arm") {
        if (variant.empty()) variant = "v7";
        if (variant.size() == 1 && variant >= "5" && variant <= "8") variant.insert(0, "v");
    }
    return platform;
}

Platform host_platform() {
#if defined(__x86_64__)
    return {.os = "linux", .architecture = "amd64"};
#elif defined(__aarch64__)
    return {.os = "linux", .architecture = "arm64"};
#elif defined(__riscv)
    return {.os = "linux", .architecture = "riscv64"};
#elif defined(__powerpc64__)
    return {.os = "linux", .architecture = "ppc64le"};
#elif defined(__s390x__)
    return {.os = "linux", .architecture = "s390x"};
#elif defined(__loongarch64)
    return {.os = "linux", .architecture = "loong64"};
#else
#error "no Go name for this architecture"
#endif
}

Platform parse_platform(std::string_view text) {
    std::vector<std::string> parts;
    for (std::string_view rest = text;;) {
        const auto slash = rest.find('/');
        parts.emplace_back(rest.substr(0, slash));
        if (slash == rest.npos) break;
        rest.remove_prefix(slash + 1);
    }
    std::string os_version;
    if (const auto open = parts[0].find('('); open != parts[0].npos && parts[0].ends_with(')')) {
        os_version = parts[0].substr(open + 1, parts[0].size() - open - 2);
        parts[0].resize(open);
    }
    for (const std::string& part : parts)
        if (!is_component(part))
            throw Error(ErrorKind::invalid_argument,
                        "{:?} is an invalid component of {:?}: platform specifier component must "
                        "match \"^[A-Za-z0-9_.-]+$\"",
                        part, text);
    if (parts.size() > 3)
        throw Error(ErrorKind::invalid_argument, "{:?}: cannot parse platform specifier", text);
    if (parts.size() > 1) {
        Platform platform{.os = parts[0], .architecture = parts[1], .os_version = os_version};
        if (parts.size() == 3) platform.variant = parts[2];
        return normalize(platform);
    }
    const Platform host = host_platform();
    Platform platform = normalize({.os = parts[0], .architecture = "", .os_version = os_version});
    if (is_known_os(platform.os)) {
        platform.architecture = host.architecture;
        platform.variant = host.variant;
        return platform;
    }
    platform = normalize({.os = host.os, .architecture = parts[0]});
    if (is_known_architecture(platform.architecture)) return platform;
    throw Error(ErrorKind::invalid_argument, "{:?}: unknown operating system or architecture",
                text);
}

int match(const Platform& wanted_as_given, const Platform& offered_as_given) {
    const bool any_variant = wanted_as_given.variant.empty();
    const Platform wanted = normalize(wanted_as_given);
    const Platform offered = normalize(offered_as_given);
    if (!wanted.os.empty() && wanted.os != offered.os) return 0;
    if (wanted.architecture.empty()) return same_architecture;
    const auto is = [&](std::string_view want, std::string_view offer) {
        return wanted.architecture == want && offered.architecture == offer;
    };
    // Without a variant amd64 means v1 and arm64 means v8, on both sides.
    if (is("amd64", "amd64"))
        return match_versions(version_or(wanted.variant, 1), version_or(offered.variant, 1),
                              same_architecture);
    if (is("arm64", "arm64"))
        return match_versions(version_or(wanted.variant, 8), version_or(offered.variant, 8),
                              same_architecture);
    if (is("arm", "arm"))
        return match_versions(variant_number(wanted.variant), variant_number(offered.variant),
                              same_architecture);
    if (is("arm64", "arm")) return match_versions(8, variant_number(offered.variant), 100);
    if (is("amd64", "386")) return other_architecture;
    if (wanted.architecture != offered.architecture) return 0;
    return any_variant || wanted.variant == offered.variant ? same_architecture : 0;
}

}  // namespace hull::oci
