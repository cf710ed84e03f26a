// The OCI documents: what is accepted reads the same after writing it.
#include "base/error.hh"
#include "base/json.hh"
#include "oci/image_config.hh"
#include "oci/manifest.hh"
#include "oci/runtime_spec.hh"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace hull;

/// `read` makes a value of a text; writing, reading and writing again must change nothing.
template <typename Read>
void round_trip(std::string_view text, Read read) {
    json::Value once;
    try {
        once = to_json(read(text));
    } catch (const Error&) {
        return;
    }
    if (!(to_json(read(json::dump(once))) == once)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    round_trip(text, [](std::string_view bytes) { return oci::parse_manifest(bytes); });
    round_trip(text, [](std::string_view bytes) { return oci::parse_index(bytes); });
    round_trip(text, [](std::string_view bytes) { return oci::parse_image_config(bytes); });
    round_trip(text, [](std::string_view bytes) { return oci::parse_spec(bytes); });
    return 0;
}
