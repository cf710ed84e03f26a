#include "base/error.hh"
#include "http/headers.hh"
#include "registry/accounts.hh"
#include "registry/jwt.hh"
#include "registry/manifest_facts.hh"
#include "registry/rights.hh"
#include "registry/route.hh"

#include <cstdint>
#include <cstdlib>

using namespace hull;
using namespace hull::registry;

namespace {

/// A repository that is accepted never leaves its directory.
void check_route(std::string_view text) {
    const auto route = parse_route(http::decode_percent(text, false));
    if (!route || !is_valid_repository(route->repository)) return;
    const std::string path = "/" + route->repository + "/";
    for (const char* bad : {"//", "/.", "/_", "..", "\\"})
        if (path.find(bad) != std::string::npos) std::abort();
}

void check_ranges(std::string_view text) {
    if (const auto range = parse_content_range(text); range && range->last < range->first)
        std::abort();
    for (const unsigned long long size : {0ULL, 1ULL, 1000ULL}) {
        const WantedRange wanted = parse_range(text, size);
        if (wanted.verdict != WantedRange::Verdict::part) continue;
        if (wanted.range.last >= size || wanted.range.first > wanted.range.last) std::abort();
    }
}

/// Nobody has signed it.
void check_token(std::string_view text) {
    static const TokenKeys keys = TokenKeys::make_pair();
    try {
        (void)keys.verify(text, "i", "a", 0);
    } catch (const Error&) {
        return;
    }
    std::abort();
}

}  // namespace

/// What a client says in a path, in range headers and in a manifest. The first byte chooses.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    try {
        switch (data[0]) {
            case 'p': check_route(text); break;
            case 'r': check_ranges(text); break;
            case 'd': (void)ContentDigest::find(text); break;
            case 't': check_token(text); break;
            case 'a': (void)Rights::parse(text); break;
            case 'h': (void)Accounts::parse(text); break;
            case 'k': (void)TokenKeys::parse(text); break;
            case 'i': (void)find_default_platform(text); break;
            default: (void)parse_manifest_facts(text, "");
        }
    } catch (const Error&) {
    }
    return 0;
}
