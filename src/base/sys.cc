#include "base/sys.hh"

#include "base/error.hh"

#include <dirent.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace hull::sys {

namespace {

template <typename Call>
auto retry(Call call) {
    for (;;) {
        auto result = call();
        if (result != -1 || errno != EINTR) return result;
    }
}

/// sockaddr_un of `path`; `directory` keeps the /proc/self/fd detour alive for long paths.
sockaddr_un unix_address(const std::string& path, Fd& directory) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string reachable = path;
    if (path.size() >= sizeof(address.sun_path)) {
        const auto slash = path.rfind('/');
        directory = open(path.substr(0, slash), O_PATH | O_DIRECTORY);
        reachable = fmt::format("/proc/self/fd/{}{}", directory.get(), path.substr(slash));
        if (reachable.size() >= sizeof(address.sun_path))
            throw Error(ErrorKind::invalid_argument, "socket name {} is too long", path);
    }
    std::memcpy(address.sun_path, reachable.c_str(), reachable.size() + 1);
    return address;
}

void remove_children(int directory, dev_t device);

void remove_entry(int directory, const char* name, dev_t device) {
    if (::unlinkat(directory, name, 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR && errno != EPERM) throw_errno(errno, "removing {}", name);
    const Fd child(::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) throw_errno(errno, "opening {}", name);
    if (fstat(child.get()).st_dev != device)
        throw Error(ErrorKind::conflict, "{} is a mount point", name);
    remove_children(child.get(), device);
    if (::unlinkat(directory, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        throw_errno(errno, "removing {}", name);
}

void remove_children(int directory, dev_t device) {
    DIR* stream = ::fdopendir(dup(directory).release());
    if (!stream) throw_errno(errno, "reading a directory");
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    for (const std::string& name : names) remove_entry(directory, name.c_str(), device);
}

}  // namespace

Fd open(const std::string& path, int flags, mode_t mode) {
    return openat(AT_FDCWD, path, flags, mode);
}

Fd openat(int directory, const std::string& path, int flags, mode_t mode) {
    const int fd =
        retry([&] { return ::openat(directory, path.c_str(), flags | O_CLOEXEC, mode); });
    if (fd < 0) throw_errno(errno, "opening {}", path);
    return Fd(fd);
}

Fd openat2(int root, const std::string& path, int flags, std::uint64_t resolve, mode_t mode) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
    how.mode = mode;
    how.resolve = resolve;
    for (;;) {  // EAGAIN: a rename raced with a RESOLVE_IN_ROOT walk, openat2(2)
        const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
        if (fd >= 0) return Fd(static_cast<int>(fd));
        if (errno != EINTR && errno != EAGAIN) throw_errno(errno, "opening {}", path);
    }
}

Fd dup(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw_errno(errno, "duplicating descriptor {}", fd);
    return Fd(copy);
}

std::size_t read(int fd, std::span<std::byte> buffer) {
    const ssize_t count = retry([&] { return ::read(fd, buffer.data(), buffer.size()); });
    if (count < 0) throw_errno(errno, "reading descriptor {}", fd);
    return static_cast<std::size_t>(count);
}

std::size_t read_full(int fd, std::span<std::byte> buffer) {
    std::size_t done = 0;
    while (done < buffer.size()) {
        const std::size_t count = read(fd, buffer.subspan(done));
        if (count == 0) break;
        done += count;
    }
    return done;
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            poll_one(fd, POLLOUT, -1);
        } else if (errno != EINTR) {
            throw_errno(errno, "writing descriptor {}", fd);
        }
    }
}

void pwrite_all(int fd, std::string_view bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t count = retry(
            [&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
        if (count < 0) throw_errno(errno, "writing descriptor {}", fd);
        bytes.remove_prefix(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
}

Pipe pipe(int flags) {
    int ends[2];
    if (::pipe2(ends, flags | O_CLOEXEC) != 0) throw_errno(errno, "making a pipe");
    return {Fd(ends[0]), Fd(ends[1])};
}

SocketPair socketpair(int type) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0)
        throw_errno(errno, "making a socket pair");
    return {Fd(ends[0]), Fd(ends[1])};
}

/// The kernel's own limit (SCM_MAX_FD): an image with many layers comes near it.
static constexpr std::size_t most_descriptors = 253;

void send_with_fds(int socket, std::string_view bytes, std::span<const int> fds) {
    alignas(cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))] = {};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        if (fds.size() > most_descriptors)
            throw Error(ErrorKind::internal, "{} descriptors in one message", fds.size());
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    const ssize_t sent = retry([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); });
    if (sent < 0) throw_errno(errno, "sending a message");
    if (static_cast<std::size_t>(sent) < bytes.size())
        write_all(socket, bytes.substr(static_cast<std::size_t>(sent)));
}

Received receive_with_fds(int socket, std::size_t max_bytes) {
    Received received;
    received.bytes.resize(max_bytes);
    alignas(cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))];
    iovec part{received.bytes.data(), max_bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = retry([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
    if (count < 0) throw_errno(errno, "receiving a message");
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        std::array<int, most_descriptors> raw{};
        const std::size_t bytes = header->cmsg_len - CMSG_LEN(0);
        std::memcpy(raw.data(), CMSG_DATA(header), bytes);
        for (std::size_t i = 0; i < bytes / sizeof(int); ++i) received.fds.emplace_back(raw[i]);
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        throw Error(ErrorKind::data_loss, "a message was truncated");
    received.bytes.resize(static_cast<std::size_t>(count));
    return received;
}

Fd listen_unix(const std::string& path, int type, mode_t mode, int backlog) {
    Fd directory;
    const sockaddr_un address = unix_address(path, directory);
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno(errno, "making a socket");
    ::fchmod(socket.get(), mode);  // before bind: the file never exists with wider rights
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw_errno(errno, "binding {}", path);
    if (::chmod(address.sun_path, mode) != 0) throw_errno(errno, "setting the mode of {}", path);
    if (::listen(socket.get(), backlog) != 0) throw_errno(errno, "listening on {}", path);
    return socket;
}

Fd connect_unix(const std::string& path, int type) {
    Fd directory;
    const sockaddr_un address = unix_address(path, directory);
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno(errno, "making a socket");
    const int result = retry([&] {
        return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    });
    if (result != 0) throw_errno(errno, "connecting to {}", path);
    return socket;
}

bool poll_one(int fd, short events, int timeout_ms) {
    pollfd entry{fd, events, 0};
    const int count = retry([&] { return ::poll(&entry, 1, timeout_ms); });
    if (count < 0) throw_errno(errno, "polling descriptor {}", fd);
    return count > 0;
}

void mkdir(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) return;
    const int error = errno;
    struct stat status;
    if (error == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return;
    throw_errno(error, "making directory {}", path);
}

void mkdir_all(const std::string& path, mode_t mode) {
    // From the end: most of the way is there already.
    if (::mkdir(path.c_str(), mode) == 0) return;
    const std::size_t slash = path.rfind('/');
    if (errno == ENOENT && slash != std::string::npos && slash > 0)
        mkdir_all(path.substr(0, slash), 0755);
    mkdir(path, mode);
}

void unlink(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno(errno, "removing {}", path);
}

void rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) throw_errno(errno, "renaming {} to {}", from, to);
}

void symlink(const std::string& target, const std::string& path) {
    if (::symlink(target.c_str(), path.c_str()) != 0)
        throw_errno(errno, "linking {} to {}", path, target);
}

void fdatasync(int fd) {
    if (retry([&] { return ::fdatasync(fd); }) != 0)
        throw_errno(errno, "syncing descriptor {}", fd);
}

void ftruncate(int fd, std::uint64_t size) {
    if (retry([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }) != 0)
        throw_errno(errno, "truncating descriptor {}", fd);
}

std::optional<FreeSpace> find_free_space(const std::string& directory) {
    struct statvfs info {};
    if (::statvfs(directory.c_str(), &info) != 0) return std::nullopt;
    return FreeSpace{.bytes = info.f_bavail * info.f_frsize,
                     .has_inodes = info.f_files == 0 || info.f_favail > 0};
}

std::optional<struct stat> find_stat(const std::string& path) {
    struct stat status;
    if (::lstat(path.c_str(), &status) == 0) return status;
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno(errno, "looking at {}", path);
}

struct stat fstat(int fd) {
    struct stat status;
    if (::fstat(fd, &status) != 0) throw_errno(errno, "looking at descriptor {}", fd);
    return status;
}

void remove_tree(const std::string& path) {
    const auto status = find_stat(path);
    if (!status) return;
    with_context([&] { remove_entry(AT_FDCWD, path.c_str(), status->st_dev); }, "removing {}",
                 path);
}

std::vector<std::string> list_directory(const std::string& path) {
    DIR* stream = ::opendir(path.c_str());
    if (!stream) throw_errno(errno, "reading {}", path);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> list_directories(const std::string& path) {
    std::vector<std::string> names;
    DIR* stream = ::opendir(path.c_str());
    if (!stream && errno != ENOENT) throw_errno(errno, "reading {}", path);
    if (!stream) return names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace hull::sys
