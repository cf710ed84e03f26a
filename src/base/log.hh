#pragma once
#include <fmt/core.h>

#include <string_view>

namespace hull::log {

enum class Level { debug, info, warning, error };

/// Lines below `level` are dropped. Default: info.
void set_level(Level level) noexcept;
/// Takes the lines instead of standard error; must not throw. nullptr: standard error again.
using Writer = void (*)(Level level, std::string_view text) noexcept;
void set_writer(Writer writer) noexcept;
/// One line to standard error: `2026-11-24T14:00:00Z warning text`. Never throws.
void write(Level level, std::string_view text) noexcept;

template <typename... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::debug, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::info, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::warning, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::error, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace hull::log
