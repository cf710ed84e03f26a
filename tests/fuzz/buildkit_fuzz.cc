// Messages of BuildKit's clients: requests, packets of files, what they say of a file.
#include "base/error.hh"
#include "buildkit/file_stat.hh"
#include "buildkit/packet.hh"
#include "buildkit/solve_request.hh"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try {
        (void)buildkit::parse_solve_request(bytes);
    } catch (const Error&) {
    }
    try {
        (void)buildkit::parse_frontend_request(bytes);
    } catch (const Error&) {
    }
    try {
        const buildkit::Packet packet = buildkit::parse_packet(bytes);
        const buildkit::FileStat file = buildkit::parse_file_stat(packet.stat);
        // What was taken can be said again, and means the same.
        const std::string said = buildkit::format_file_stat(file);
        const buildkit::FileStat again = buildkit::parse_file_stat(said);
        if (again.path != file.path || again.mode != file.mode || again.size != file.size ||
            file.path.starts_with('/') || ("/" + file.path + "/").find("/../") != std::string::npos)
            std::abort();
    } catch (const Error&) {
    }
    return 0;
}
