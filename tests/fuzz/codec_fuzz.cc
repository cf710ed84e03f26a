// Any bytes as a compressed stream, in pieces of any size: it ends or throws Error.
#include "archive/codec.hh"
#include "base/error.hh"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    if (size < 1) return 0;
    constexpr std::uint64_t enough = 16 << 20;  // a bomb goes on for long
    archive::MemorySource source({reinterpret_cast<const char*>(data) + 1, size - 1},
                                 data[0] ? data[0] : SIZE_MAX);
    try {
        archive::Decompressor decompressor(source);
        for (std::uint64_t total = 0; total < enough;) {
            const auto piece = decompressor.next();
            if (piece.empty()) break;
            total += piece.size();
        }
    } catch (const Error&) {
    }
    return 0;
}
