// The beginning of an HTTP answer, as hull-probe reads it.
#include "probe/status_line.hh"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto status = hull::probe::find_status({reinterpret_cast<const char*>(data), size});
    if (status && (*status < 100 || *status > 999)) __builtin_trap();
    return 0;
}
