#pragma once
#include <fmt/core.h>

#include <concepts>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace hull {

/// What went wrong, in the Docker API's own classes; `http_status` maps them.
enum class ErrorKind {
    invalid_argument,
    unauthorized,
    forbidden,
    not_found,
    conflict,
    not_modified,
    unsupported,
    unavailable,
    cancelled,
    data_loss,
    internal,
};

/// The HTTP status a Docker client expects for `kind`.
int http_status(ErrorKind kind) noexcept;
/// The kind a client derives from an HTTP status (500 and unknown ones: internal).
ErrorKind kind_of_status(int status) noexcept;
/// The kind that fits an errno: ENOENT not_found, EEXIST conflict, EINVAL invalid_argument,
/// EACCES/EPERM forbidden, otherwise internal.
ErrorKind kind_of_errno(int error_number) noexcept;

/// "not_found" and the like: how programs of ours tell each other a kind.
std::string_view to_string(ErrorKind kind) noexcept;
/// The other way round; internal for anything else.
ErrorKind parse_error_kind(std::string_view text) noexcept;

/// The one exception type of the project. `message` is one lower-case line without a full stop.
class Error : public std::exception {
public:
    template <typename... Args>
    Error(ErrorKind kind, fmt::format_string<Args...> text, Args&&... args)
        : kind_(kind), message_(fmt::format(text, std::forward<Args>(args)...)) {}

    ErrorKind kind() const noexcept { return kind_; }
    const std::string& message() const noexcept { return message_; }
    const char* what() const noexcept override { return message_.c_str(); }
    /// errno of the failed system call, 0 when there was none.
    int error_number() const noexcept { return error_number_; }

    /// Puts `context: ` in front of the message.
    void add_context(std::string_view context) { message_.insert(0, std::string(context) + ": "); }
    Error&& with_errno(int error_number) && noexcept {
        error_number_ = error_number;
        return std::move(*this);
    }

private:
    ErrorKind kind_;
    std::string message_;
    int error_number_ = 0;
};

/// Throws an Error of kind_of_errno(error_number): "TEXT: No such file or directory".
[[noreturn]] void throw_errno(int error_number, std::string_view text);

template <typename... Args>
[[noreturn]] void throw_errno(int error_number, fmt::format_string<Args...> text, Args&&... args) {
    throw_errno(error_number, std::string_view(fmt::format(text, std::forward<Args>(args)...)));
}

/// Runs `body`; an Error that leaves it gets the formatted text in front. Use it once per new noun.
template <std::invocable Body, typename... Args>
auto with_context(Body&& body, fmt::format_string<const Args&...> text, const Args&... args)
    -> decltype(body()) {
    try {
        return body();
    } catch (Error& error) {
        error.add_context(fmt::format(text, args...));
        throw;
    }
}

}  // namespace hull
