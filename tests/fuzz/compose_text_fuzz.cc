#include "base/error.hh"
#include "compose/environment.hh"
#include "compose/interpolate.hh"
#include "compose/values.hh"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

// The texts inside Compose files and env files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    using namespace hull::compose;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const Environment environment{{"A", {"1", "fuzz"}}, {"B", {"", "fuzz"}}};
    Interpolation seen;
    try {
        interpolate_text(text, environment, seen);
    } catch (const Error&) {
    }
    for (const bool raw : {false, true}) {
        try {
            for (const EnvironmentLine& line :
                 raw ? parse_raw_env_file(text, "fuzz.env")
                     : parse_env_file(text, "fuzz.env", lookup_in(environment)))
                if (line.name.empty()) std::abort();
        } catch (const Error&) {
        }
    }
    if (const auto ns = parse_duration(text); ns && parse_duration(format_duration(*ns)) != ns)
        std::abort();
    parse_size(text);
    split_command(text);
    resolve_path("/project", text);
    return 0;
}
