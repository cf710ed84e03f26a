#include "linux/terminal.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include <cerrno>

namespace hull::linux_ {

Terminal open_terminal(int ptmx, int proc) {
    struct stat status = sys::fstat(ptmx);
    if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2) ||
        !is_on_filesystem(ptmx, DEVPTS_SUPER_MAGIC))
        throw Error(ErrorKind::forbidden, "/dev/pts/ptmx is not the ptmx of a devpts");
    Terminal result;
    result.master = sys::openat(proc, fmt::format("self/fd/{}", ptmx), O_RDWR | O_NOCTTY);
    int unlock = 0;
    if (::ioctl(result.master.get(), TIOCSPTLCK, &unlock) != 0)
        throw_errno(errno, "unlocking the terminal");
    result.slave = Fd(::ioctl(result.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!result.slave) throw_errno(errno, "opening the terminal");
    return result;
}

void set_window_size(int terminal, unsigned short rows, unsigned short columns) {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    if (::ioctl(terminal, TIOCSWINSZ, &size) != 0) throw_errno(errno, "setting the window size");
}

void make_controlling_terminal(int slave) {
    if (::ioctl(slave, TIOCSCTTY, 0) != 0) throw_errno(errno, "making a controlling terminal");
}

}  // namespace hull::linux_
