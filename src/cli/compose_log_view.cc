#include "cli/compose_log_view.hh"

#include "base/sys.hh"
#include "base/time.hh"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace hull::cli {
namespace {

constexpr const char* colors[] = {"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};
constexpr std::size_t longest_partial = 1 << 20;

}  // namespace

void LogView::add_name(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) return;
    names_.push_back(name);
    width_ = std::max(width_, name.size());
}

void LogView::print(const std::string& name, std::string_view line, bool to_errors) {
    const std::lock_guard lock(mutex_);
    std::string text;
    if (options_.prefix) {
        const auto at = static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) -
                                                 names_.begin());
        const std::string prefix = fmt::format("{:<{}}  | ", name, width_);
        text = options_.color
                   ? fmt::format("\x1b[{}m{}\x1b[0m", colors[at % std::size(colors)], prefix)
                   : prefix;
    }
    if (options_.timestamps) text += format_rfc3339_fixed(now_ns()) + " ";
    text += line;
    text += '\n';
    sys::write_all(to_errors ? STDERR_FILENO : STDOUT_FILENO, text);
}

void LineCutter::feed(std::string_view bytes) {
    if (!multiplexed_) return add(bytes, 0);
    while (!bytes.empty()) {
        if (left_ == 0) {
            const std::size_t count = std::min(8 - header_.size(), bytes.size());
            header_.append(bytes.substr(0, count));
            bytes.remove_prefix(count);
            if (header_.size() < 8) return;
            unsigned char head[8];
            std::memcpy(head, header_.data(), 8);
            left_ = static_cast<std::size_t>(head[4]) << 24 |
                    static_cast<std::size_t>(head[5]) << 16 |
                    static_cast<std::size_t>(head[6]) << 8 | head[7];
            stream_ = head[0] == 2 ? 1 : 0;
            header_.clear();
            continue;
        }
        const std::size_t count = std::min(left_, bytes.size());
        add(bytes.substr(0, count), stream_);
        bytes.remove_prefix(count);
        left_ -= count;
    }
}

void LineCutter::add(std::string_view bytes, int stream) {
    std::string& partial = partial_[stream];
    for (;;) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) break;
        partial.append(bytes.substr(0, end));
        if (partial.ends_with('\r')) partial.pop_back();
        sink_(partial, stream == 1);
        partial.clear();
        bytes.remove_prefix(end + 1);
    }
    partial.append(bytes);
    if (partial.size() < longest_partial) return;
    sink_(partial, stream == 1);
    partial.clear();
}

void LineCutter::finish() {
    for (int stream : {0, 1}) {
        if (partial_[stream].empty()) continue;
        sink_(partial_[stream], stream == 1);
        partial_[stream].clear();
    }
}

}  // namespace hull::cli
