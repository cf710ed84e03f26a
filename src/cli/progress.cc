#include "cli/progress.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "cli/format.hh"
#include "cli/terminal.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr int bar_columns = 50, least_columns_for_bar = 110;

}  // namespace

ProgressView::ProgressView(int fd) : fd_(fd), on_terminal_(is_terminal(fd)) {}

/// "[=====>      ]  1.2MB/3.4MB"
std::string ProgressView::bar(const api::ProgressMessage& message) const {
    const auto [current, total] = *message.progress;
    if (total <= 0) return fmt::format("{:>8}", human_size(static_cast<double>(current), 4));
    const auto size = find_window_size(fd_);
    std::string text;
    if (size && size->columns > least_columns_for_bar) {
        const auto filled =
            static_cast<int>(std::min<std::int64_t>(current * bar_columns / total, bar_columns));
        text = "[" + std::string(static_cast<std::size_t>(std::max(filled - 1, 0)), '=') +
               (filled > 0 ? ">" : "") +
               std::string(static_cast<std::size_t>(bar_columns - filled), ' ') + "] ";
    }
    return text + fmt::format("{:>8}/{}", human_size(static_cast<double>(current), 4),
                              human_size(static_cast<double>(total), 4));
}

void ProgressView::show(const api::ProgressMessage& message) {
    if (!message.error.empty()) throw Error(ErrorKind::internal, "{}", message.error);
    if (!message.stream.empty()) return sys::write_all(fd_, message.stream);
    if (message.status.empty()) return;  // for programs
    const std::string prefix = message.id.empty() ? "" : message.id + ": ";
    if (!on_terminal_) {
        if (!message.progress) sys::write_all(fd_, prefix + message.status + "\n");
        return;
    }
    std::string line = "\r\x1b[2K" + prefix + message.status;
    if (message.progress) line += " " + bar(message);
    if (message.id.empty()) {
        ids_.clear();  // what follows has lines of its own
        return sys::write_all(fd_, line + "\n");
    }
    const auto found = std::find(ids_.begin(), ids_.end(), message.id);
    if (found == ids_.end()) {
        ids_.push_back(message.id);
        return sys::write_all(fd_, line + "\n");
    }
    const auto up = ids_.end() - found;
    sys::write_all(fd_, fmt::format("\x1b[{0}A{1}\x1b[{0}B\r", up, line));
}

}  // namespace hull::cli
