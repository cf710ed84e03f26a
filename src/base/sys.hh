#pragma once
#include "base/fd.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// System calls that retry EINTR and throw an Error naming the call, its arguments and the errno.
/// Descriptors they make are close-on-exec.
namespace hull::sys {

Fd open(const std::string& path, int flags, mode_t mode = 0);
Fd openat(int directory, const std::string& path, int flags, mode_t mode = 0);
/// openat2(2) with RESOLVE_* flags from <linux/openat2.h>; RESOLVE_IN_ROOT keeps symlinks inside
/// `root`.
Fd openat2(int root, const std::string& path, int flags, std::uint64_t resolve, mode_t mode = 0);
Fd dup(int fd);

/// Reads up to `buffer.size()` bytes; 0 at end of file. Blocks.
std::size_t read(int fd, std::span<std::byte> buffer);
/// Reads until `buffer` is full or the file ends; returns the bytes read.
std::size_t read_full(int fd, std::span<std::byte> buffer);
/// Writes everything. Blocks, also on a non-blocking descriptor (polls).
void write_all(int fd, std::string_view bytes);
void pwrite_all(int fd, std::string_view bytes, std::uint64_t offset);

struct Pipe {
    Fd read_end, write_end;
};
Pipe pipe(int flags = 0);
struct SocketPair {
    Fd first, second;
};
/// AF_UNIX pair; `type` is SOCK_STREAM or SOCK_SEQPACKET.
SocketPair socketpair(int type);

/// Sends one message with descriptors attached (SCM_RIGHTS), at most 253 of them.
/// MSG_NOSIGNAL; throws on a closed peer.
void send_with_fds(int socket, std::string_view bytes, std::span<const int> fds);
struct Received {
    std::string bytes;  ///< empty at end of stream
    std::vector<Fd> fds;
};
/// Receives one message of at most `max_bytes`. A truncated SEQPACKET message throws data_loss.
Received receive_with_fds(int socket, std::size_t max_bytes);

/// A listening or connected AF_UNIX socket at `path`. Paths longer than sun_path go through
/// /proc/self/fd of their directory.
Fd listen_unix(const std::string& path, int type, mode_t mode, int backlog = 128);
Fd connect_unix(const std::string& path, int type);

/// Polls one descriptor; false on timeout. `timeout_ms` < 0 waits forever.
bool poll_one(int fd, short events, int timeout_ms);

void mkdir(const std::string& path, mode_t mode);  ///< EEXIST of a directory is fine
void mkdir_all(const std::string& path, mode_t mode);
void unlink(const std::string& path);  ///< ENOENT is fine
void rename(const std::string& from, const std::string& to);
void symlink(const std::string& target, const std::string& path);
void fdatasync(int fd);
void ftruncate(int fd, std::uint64_t size);
struct FreeSpace {
    std::uint64_t bytes = 0;  ///< for everybody, not only for root
    bool has_inodes = true;
};
/// Of the file system that `directory` is on (statvfs(3)); nullopt when it cannot be asked.
std::optional<FreeSpace> find_free_space(const std::string& directory);
std::optional<struct stat> find_stat(
    const std::string& path);  ///< lstat; nullopt on ENOENT/ENOTDIR
struct stat fstat(int fd);

/// Removes a tree without following symlinks and without leaving its file system. Missing is fine.
void remove_tree(const std::string& path);
/// Names in a directory, sorted, without . and ..
std::vector<std::string> list_directory(const std::string& path);
/// Those of them that are directories; empty when `path` is gone.
std::vector<std::string> list_directories(const std::string& path);

}  // namespace hull::sys
