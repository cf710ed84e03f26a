#include "transfer/staging.hh"

#include "base/sys.hh"

#include <fcntl.h>
#include <sys/vfs.h>

#include <cerrno>

namespace hull::transfer {

Staging::File Staging::make(std::string_view stem, std::string_view suffix) {
    const std::string name = fmt::format("{}{}{}", stem, ++made_, suffix);
    return {sys::openat(directory_.get(), name, O_RDWR | O_CREAT | O_EXCL, 0644), name};
}

Fd Staging::open(const std::string& name) const {
    return sys::openat(directory_.get(), name, O_RDONLY | O_NOFOLLOW);
}

Fd Staging::open_direct(const std::string& name) const {
    return Fd(
        ::openat(directory_.get(), name.c_str(), O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC));
}

std::string Staging::read(const std::string& name, std::size_t max_bytes) const {
    const Fd file = open(name);
    const auto size = static_cast<std::uint64_t>(sys::fstat(file.get()).st_size);
    if (size > max_bytes)
        throw Error(ErrorKind::invalid_argument, "a document of {} bytes is larger than {}", size,
                    max_bytes);
    std::string content(size, '\0');
    content.resize(sys::read_full(file.get(), std::as_writable_bytes(std::span(content))));
    return content;
}

void Staging::remove(const std::string& name) const {
    if (::unlinkat(directory_.get(), name.c_str(), 0) != 0 && errno != ENOENT)
        throw_errno(errno, "removing {} from staging", name);
}

std::uint64_t Staging::free_bytes() const {
    struct statfs info {};
    if (::fstatfs(directory_.get(), &info) != 0) return 0;
    return info.f_bavail * static_cast<std::uint64_t>(info.f_bsize);
}

Error Staging::explain(const Error& error, std::string_view purpose, std::uint64_t needed) const {
    const int number = error.error_number();
    if (number != ENOSPC && number != EDQUOT && number != EFBIG) return error;
    return Error(ErrorKind::internal, "{} in {}: {} needs about {} bytes, {} bytes are free",
                 number == ENOSPC   ? "no space left on the device"
                 : number == EDQUOT ? "disk quota exceeded"
                                    : "file size limit reached",
                 path_, purpose, needed, free_bytes())
        .with_errno(number);
}

void BlobWriter::write(std::span<const std::byte> bytes) {
    hash_.update(bytes);
    sys::write_all(file_.fd.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    size_ += bytes.size();
}

}  // namespace hull::transfer
