// Why a program of a container cannot run: its ELF header or first line, read by the container's
// init. It must always end in a LaunchError.
#include "base/error.hh"
#include "base/sys.hh"
#include "runtime/container.hh"
#include "runtime/executable.hh"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    static const Fd proc = sys::open("/proc", O_RDONLY | O_DIRECTORY);
    const Fd file(::memfd_create("program", MFD_CLOEXEC));
    sys::write_all(file.get(), {reinterpret_cast<const char*>(data), size});
    const Path path = fmt::format("/proc/self/fd/{}", file.get());
    for (const int number : {ENOEXEC, ENOENT, EACCES, EINVAL}) {
        try {
            runtime::throw_exec_failure("program", path, number, proc.get());
        } catch (const runtime::LaunchError&) {
        }
    }
    return 0;
}
