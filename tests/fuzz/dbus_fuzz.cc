// A message of a D-Bus peer: parsed, and its body read as whatever the signature says first.
#include "base/error.hh"
#include "linux/dbus.hh"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    try {
        const linux_::DBusMessage message =
            linux_::parse_dbus_message({reinterpret_cast<const char*>(data), size});
        linux_::DBusReader reader(message.body);
        for (const char type : message.signature) {
            if (type == 's') reader.read_string();
            if (type == 'u') reader.read_u32();
            if (type == 'g') reader.read_signature();
        }
    } catch (const Error&) {
    }
    return 0;
}
