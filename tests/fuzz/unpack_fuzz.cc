// A client's archive on its way into a container: whatever the parser lets through, the program
// that makes the files understands.
#include "archive/file_record.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "transfer/unpack.hh"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    const Fd file = make_memory_file("records");
    archive::MemorySource tar({reinterpret_cast<const char*>(data), size}, 513);
    try {
        transfer::unpack(tar, file.get());
    } catch (const Error&) {
        return 0;
    }
    if (::lseek(file.get(), 0, SEEK_SET) != 0) std::abort();
    archive::FdSource source(file.get());
    archive::RecordReader records(source);
    while (records.next_entry()) {  // throws out of here when it does not: a finding
    }
    return 0;
}
