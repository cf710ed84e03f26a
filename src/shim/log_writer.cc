#include "shim/log_writer.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace hull::shim {

namespace {

constexpr std::uint64_t max_pinned_bytes = 64 << 20;

class NoLog final : public LogWriter {
public:
    void write(int, std::int64_t, std::string_view) override {}
};

}  // namespace

std::unique_ptr<LogWriter> open_log(const LogConfig& config, std::string_view id) {
    if (!config.program.empty()) return open_remote_log(config);
    if (config.driver == "none") return std::make_unique<NoLog>();
    if (config.driver == "local") return open_local_log(config);
    if (config.driver == "json-file") return open_json_file_log(config, id);
    throw Error(ErrorKind::invalid_argument, "unknown log driver \"{}\"", config.driver);
}

void remove_surplus(const std::vector<Path>& oldest_first) {
    std::uint64_t total = 0;
    for (const Path& path : oldest_first) {
        const auto status = sys::find_stat(path);
        total += status ? static_cast<std::uint64_t>(status->st_size) : 0;
    }
    for (const Path& path : oldest_first) {
        const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) continue;
        const bool is_read = ::flock(file.get(), LOCK_EX | LOCK_NB) != 0;
        if (is_read && total <= max_pinned_bytes) return;
        total -= static_cast<std::uint64_t>(sys::fstat(file.get()).st_size);
        ::unlink(path.c_str());  // with the lock held: a reader that opened it sees no link left
    }
}

bool append_whole(int fd, std::uint64_t size, std::string_view first, std::string_view second,
                  std::string_view third) {
    const std::size_t total = first.size() + second.size() + third.size();
    const iovec parts[] = {{const_cast<char*>(first.data()), first.size()},
                           {const_cast<char*>(second.data()), second.size()},
                           {const_cast<char*>(third.data()), third.size()}};
    const ssize_t written = ::writev(fd, parts, third.empty() ? (second.empty() ? 1 : 2) : 3);
    if (written == static_cast<ssize_t>(total)) return true;
    static bool was_reported = false;
    if (!was_reported)
        log::warning("log output dropped: {}", written < 0 ? strerror(errno) : "short write");
    was_reported = true;
    if (written > 0 && ::ftruncate(fd, static_cast<off_t>(size)) != 0)
        log::warning("a torn log record stays: {}", strerror(errno));
    return false;
}

}  // namespace hull::shim
