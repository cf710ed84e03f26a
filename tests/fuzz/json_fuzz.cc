#include "api/types/container.hh"
#include "api/types/exec.hh"
#include "api/types/image.hh"
#include "api/types/system.hh"
#include "base/error.hh"
#include "base/json.hh"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

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

/// Another parser must read the same. It takes a NUL for the end and knows no limit of depth.
void compare(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return;
    const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
    try {
        const std::string ours = hull::json::dump(hull::json::parse(text));
        if (theirs.is_discarded() || nlohmann::json::parse(ours) != theirs) std::abort();
    } catch (const hull::Error& error) {
        const bool too_deep = error.message().find("too deep") != std::string::npos;
        if (!theirs.is_discarded() && !too_deep) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    compare({reinterpret_cast<const char*>(data), size});
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
