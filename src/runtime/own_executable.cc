#include "base/sys.hh"
#include "linux/mount.hh"
#include "runtime/container.hh"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

namespace hull::runtime {

Fd open_protected(const Path& program) {
    Fd mount = linux_::clone_tree(AT_FDCWD, program, false);
    linux_::set_mount_attributes(mount.get(), {MOUNT_ATTR_RDONLY, 0}, false);
    return mount;
}

void protect_own_executable(char** arguments) {
    struct statvfs status;
    if (::statvfs("/proc/self/exe", &status) == 0 && (status.f_flag & ST_RDONLY)) return;
    if (::geteuid() != 0) return;  // cannot mount, and the file is not ours to protect
    Fd protected_file = open_protected("/proc/self/exe");
    ::execveat(protected_file.get(), "", arguments, environ, AT_EMPTY_PATH);
    throw_errno(errno, "executing a protected copy of /proc/self/exe");
}

}  // namespace hull::runtime
