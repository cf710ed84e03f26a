// What the programs tell each other: the daemon reads the shim's messages and its own files, the
// shim the daemon's. What is accepted reads the same after writing it.
#include "base/error.hh"
#include "shim/launch_config.hh"
#include "shim/protocol.hh"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace hull;

template <typename Read, typename Write>
void round_trip(std::string_view text, Read read, Write write) {
    std::string once;
    try {
        once = write(read(text));
    } catch (const Error&) {
        return;
    }
    if (write(read(once)) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto dump = [](const auto& value) { return shim::dump(value); };
    round_trip(text, shim::parse_request, dump);
    round_trip(text, shim::parse_reply, dump);
    round_trip(text, shim::parse_event, dump);
    round_trip(text, shim::parse_exit_record, dump);
    round_trip(text, shim::parse_launch_config, shim::dump_launch_config);
    return 0;
}
