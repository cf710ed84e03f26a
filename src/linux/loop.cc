#include "linux/loop.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace hull::linux_ {

LoopDevice LoopDevice::attach(const Path& file, bool read_only) {
    const int access = read_only ? O_RDONLY : O_RDWR;
    Fd backing = sys::open(file, access);
    Fd control = sys::open("/dev/loop-control", O_RDWR);
    for (int attempt = 0; attempt < 64; attempt++) {
        int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) throw_errno(errno, "finding a free loop device");
        Path path = fmt::format("/dev/loop{}", number);
        Fd device = sys::open(path, access);
        loop_config config{};
        config.fd = static_cast<__u32>(backing.get());
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
        if (read_only) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
        if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0)
            return LoopDevice(std::move(device), std::move(path));
        if (errno != EBUSY) throw_errno(errno, "attaching {} to {}", file, path);  // EBUSY: a race
    }
    throw Error(ErrorKind::unavailable, "no free loop device for {}", file);
}

}  // namespace hull::linux_
