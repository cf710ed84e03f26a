#include "task/shim_starter.hh"

#include "base/log.hh"
#include "base/sys.hh"
#include "runtime/container.hh"
#include "shim/protocol.hh"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace hull::task {

namespace {

/// Out of the way of the descriptors a shim is started with, for its name is this number.
Fd lift(const Fd& file) {
    const int raw = ::fcntl(file.get(), F_DUPFD_CLOEXEC, 10);
    if (raw < 0) throw_errno(errno, "duplicating descriptor {}", file.get());
    return Fd(raw);
}

}  // namespace

ShimStarter::ShimStarter(const Path& program)
    : file_(lift(runtime::open_protected(program))),
      program_(fmt::format("/proc/self/fd/{}", file_.get())) {}

ShimStarter::Shim ShimStarter::spawn(std::vector<std::string> arguments, int diary) const {
    sys::SocketPair channel = sys::socketpair(SOCK_SEQPACKET);
    const Fd null = sys::open("/dev/null", O_RDWR);
    arguments.insert(arguments.begin(), program_);
    return {Process::spawn({.arguments = std::move(arguments),
                            .environment = std::vector<std::string>{},
                            .descriptors = {{null.get(), 0},
                                            {null.get(), 1},
                                            {diary < 0 ? null.get() : diary, 2},
                                            {channel.second.get(), 3}},
                            .new_session = true}),
            std::move(channel.first)};
}

std::optional<ShimStarter::Shim> ShimStarter::take_spare() {
    const auto place = spare_.lock();
    return std::exchange(*place, std::nullopt);
}

bool ShimStarter::has_spare() {
    const auto place = spare_.lock();
    return place->has_value();
}

ShimStarter::Shim ShimStarter::start(const Path& launch_file, const Fd& diary) {
    std::optional<Shim> spare = take_spare();
    wants_refill_ = true;
    if (spare) {
        try {
            shim::send_message(spare->channel.get(), launch_file, {diary.get()});
            return std::move(*spare);
        } catch (const Error& error) {
            log::debug("the spare shim is gone: {}", error.what());
        }
    }
    return spawn({"--launch", launch_file}, diary.get());
}

void ShimStarter::refill() noexcept {
    wants_refill_ = false;
    try {
        // Only the monitor's thread puts one there.
        if (has_spare()) return;
        Shim spare = spawn({"--spare"}, -1);
        const auto place = spare_.lock();
        *place = std::move(spare);
    } catch (const std::exception& error) {
        log::debug("no spare shim: {}", error.what());
    }
}

}  // namespace hull::task
