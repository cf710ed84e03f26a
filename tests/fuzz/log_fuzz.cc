// Any bytes as a log file, read forwards and backwards; half of it may be cut off on the way, as a
// user does with `truncate`. The first byte chooses the format.
#include "base/error.hh"
#include "base/sys.hh"
#include "task/log_decoder.hh"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

/// Every entry takes at least a byte: more entries than bytes is a loop.
template <typename Step>
void read_entries(std::size_t limit, Step step) {
    hull::task::LogEntry entry;
    unsigned sum = 0;
    for (std::size_t count = 0; step(entry); count++) {
        if (count > limit) std::abort();
        for (const char c : entry.bytes) sum += static_cast<unsigned char>(c);
    }
    volatile unsigned used = sum;
    (void)used;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    if (size < 1) return 0;
    const Fd file(::memfd_create("log", MFD_CLOEXEC));
    sys::write_all(file.get(), {reinterpret_cast<const char*>(data) + 1, size - 1});
    try {
        const auto decoder = data[0] & 1 ? task::make_local_decoder(file.get())
                                         : task::make_json_file_decoder(file.get());
        read_entries(size, [&](task::LogEntry& entry) { return decoder->next(entry); });
        decoder->seek_end();
        if (data[0] & 2) sys::ftruncate(file.get(), (size - 1) / 2);
        if (data[0] & 4) decoder->notice_truncation();
        read_entries(size, [&](task::LogEntry& entry) { return decoder->previous(entry); });
    } catch (const Error&) {
    }
    return 0;
}
