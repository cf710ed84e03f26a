#include "base/file.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>

namespace hull {

Path join(std::string_view directory, std::string_view name) {
    Path path(directory);
    if (!path.empty() && path.back() != '/') path += '/';
    while (!name.empty() && name.front() == '/') name.remove_prefix(1);
    return path.append(name);
}

namespace {

std::string read_all(const Fd& file, const Path& path, std::size_t max_bytes) {
    std::string content;
    std::byte buffer[16384];
    while (const std::size_t count = sys::read(file.get(), buffer)) {
        content.append(reinterpret_cast<const char*>(buffer), count);
        if (content.size() > max_bytes)
            throw Error(ErrorKind::invalid_argument, "{} is larger than {} bytes", path, max_bytes);
    }
    return content;
}

}  // namespace

std::string read_file(const Path& path, std::size_t max_bytes) {
    return read_all(sys::open(path, O_RDONLY), path, max_bytes);
}

std::optional<std::string> find_file(const Path& path, std::size_t max_bytes) {
    // Raw, because a first exception costs a static program a third of a millisecond, and every
    // command looks for a file that most people do not have.
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() >= 0) return read_all(file, path, max_bytes);
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno(errno, "opening {}", path);
}

void write_file(const Path& path, std::string_view content, mode_t mode) {
    with_context(
        [&] {
        const Fd file = sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
        sys::write_all(file.get(), content);
        },
        "writing {}", path);
}

namespace {

void write_by_rename(const Path& path, std::string_view content, mode_t mode, bool sync) {
    const Path temporary = path + ".tmp" + random_hex(4);
    try {
        const Fd file = sys::open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
        sys::write_all(file.get(), content);
        if (sync) sys::fdatasync(file.get());
        sys::rename(temporary, path);
    } catch (Error& error) {
        ::unlink(temporary.c_str());
        error.add_context("writing " + path);
        throw;
    }
}

}  // namespace

void write_file_atomic(const Path& path, std::string_view content, mode_t mode) {
    write_by_rename(path, content, mode, true);
}

void replace_file(const Path& path, std::string_view content, mode_t mode) {
    write_by_rename(path, content, mode, false);
}

Fd make_memory_file(const char* name, std::string_view text) {
    Fd file(::memfd_create(name, MFD_CLOEXEC));
    if (!file) throw_errno(errno, "making a file in memory");
    sys::pwrite_all(file.get(), text, 0);
    return file;
}

std::string read_as_line(int file, std::size_t max_bytes) {
    std::string text(max_bytes, '\0');
    const ssize_t count = ::pread(file, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text;
}

void sync_directory(const Path& path) {
    const Fd directory = sys::open(path, O_RDONLY | O_DIRECTORY);
    if (::fsync(directory.get()) != 0) throw_errno(errno, "syncing {}", path);
}

std::string random_hex(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t done = 0; done < count;) {
        const ssize_t got = ::getrandom(bytes.data() + done, count - done, 0);
        if (got > 0) done += static_cast<std::size_t>(got);
    }
    constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    for (const char byte : bytes) {
        hex += digits[static_cast<unsigned char>(byte) >> 4];
        hex += digits[static_cast<unsigned char>(byte) & 15];
    }
    return hex;
}

}  // namespace hull
