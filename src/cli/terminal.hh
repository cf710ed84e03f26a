#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace hull::cli {

bool is_terminal(int fd);

struct WindowSize {
    unsigned short rows = 0, columns = 0;
    bool operator==(const WindowSize&) const = default;
};
/// nullopt when `fd` is no terminal, or one without a size.
std::optional<WindowSize> find_window_size(int fd);

/// Columns of standard output for help texts: 80 when it is no terminal.
int help_width();

/// Puts a terminal into raw mode while it lives. Signals that would end the program, crashes
/// included, restore the terminal first. There is at most one at a time.
class RawMode {
public:
    explicit RawMode(int fd);
    ~RawMode();
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
};

/// The bytes of "ctrl-p,ctrl-q" and the like. Throws invalid_argument "Unknown character: …".
std::string parse_detach_keys(std::string_view text);

/// Looks for the detach keys in what is typed.
class DetachFilter {
public:
    explicit DetachFilter(std::string keys) : keys_(std::move(keys)) {}
    struct Result {
        std::string forward;    ///< what goes to the program
        bool detached = false;  ///< the keys were complete; what follows them is dropped
    };
    /// A beginning of the keys is held back until the next key decides.
    Result filter(std::string_view typed);

private:
    std::string keys_;
    std::size_t matched_ = 0;
};

}  // namespace hull::cli
