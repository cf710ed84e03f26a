#include "base/log.hh"

#include "base/time.hh"

#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace hull::log {

namespace {
std::atomic<Level> threshold{Level::info};
std::atomic<Writer> other_writer{nullptr};
constexpr std::string_view level_names[] = {"debug", "info", "warning", "error"};
}  // namespace

void set_level(Level level) noexcept { threshold = level; }

void set_writer(Writer writer) noexcept { other_writer = writer; }

void write(Level level, std::string_view text) noexcept {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    if (Writer writer = other_writer.load(std::memory_order_relaxed)) return writer(level, text);
    try {
        const std::string line = fmt::format("{} {} {}\n", format_rfc3339(now_ns()),
                                             level_names[static_cast<int>(level)], text);
        // A full or closed stderr must not stop the daemon.
        [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    } catch (...) {
    }
}

}  // namespace hull::log
