#pragma once
#include <unistd.h>

#include <utility>

namespace hull {

/// Owns one file descriptor, which is O_CLOEXEC. Empty after a move.
class Fd {
public:
    Fd() = default;
    explicit Fd(int raw) : raw_(raw) {}
    Fd(Fd&& other) noexcept : raw_(std::exchange(other.raw_, -1)) {}
    Fd& operator=(Fd other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }
    ~Fd() {  // EIO is lost here: writers call sync() first
        if (raw_ >= 0) ::close(raw_);
    }

    int get() const { return raw_; }
    [[nodiscard]] int release() { return std::exchange(raw_, -1); }
    void reset() { *this = Fd(); }
    explicit operator bool() const { return raw_ >= 0; }

private:
    int raw_ = -1;
};

}  // namespace hull
