#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace hull::shim {

/// Looks for the detach sequence in what a client types (R14). The start of a sequence is held
/// back; when another key follows, it is passed on.
class DetachKeys {
public:
    /// An empty `keys` means ctrl-p ctrl-q.
    explicit DetachKeys(std::string keys) : keys_(keys.empty() ? "\x10\x11" : std::move(keys)) {}

    /// Appends to `out` what the container shall see; true when the sequence was completed, and
    /// then the rest of `input` is dropped.
    bool filter(std::string_view input, std::string& out) {
        for (const char byte : input) {
            held_ += byte;
            while (!held_.empty() && !keys_.starts_with(held_)) {
                out += held_.front();
                held_.erase(0, 1);
            }
            if (held_.size() == keys_.size()) return true;
        }
        return false;
    }

    /// What was held back when the input ended.
    std::string take_held() { return std::exchange(held_, {}); }

private:
    std::string keys_, held_;
};

}  // namespace hull::shim
