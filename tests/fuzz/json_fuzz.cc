#include "api/types/container.hh"
#include "api/types/exec.hh"
#include "api/types/image.hh"
#include "api/types/system.hh"
#include "base/error.hh"
#include "base/json.hh"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

template <typename T>
void round_trip(const hull::json::Value& value) {
    try {
        const hull::json::Value once = to_json(hull::api::parse<T>(value));
        // Writing, reading and writing again changes nothing.
        if (!(to_json(hull::api::parse<T>(once)) == once)) std::abort();
    } catch (const hull::Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    try {
        const json::Value value = json::parse({reinterpret_cast<const char*>(data), size});
        json::parse(json::dump(value));
        round_trip<api::CreateRequest>(value);
        round_trip<api::ContainerInspect>(value);
        round_trip<api::ContainerSummary>(value);
        round_trip<api::ExecCreateRequest>(value);
        round_trip<api::ImageInspect>(value);
        round_trip<api::EventMessage>(value);
    } catch (const Error&) {
    }
    return 0;
}
