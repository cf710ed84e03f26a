#include "base/error.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"

#include <cstdint>
#include <cstdlib>

/// A reference that is accepted reads the same after writing it in either form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const auto reference = hull::oci::Reference::parse(text);
        if (hull::oci::Reference::parse(reference.canonical()) != reference) std::abort();
        if (hull::oci::Reference::parse(reference.familiar()) != reference) std::abort();
    } catch (const hull::Error&) {
    }
    try {
        hull::oci::parse_platform(text);
    } catch (const hull::Error&) {
    }
    return 0;
}
