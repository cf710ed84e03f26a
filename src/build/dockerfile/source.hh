#pragma once
#include "base/error.hh"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// A place in a Dockerfile. Lines and columns count from 1, columns and lengths in characters.
struct Location {
    int line = 1, column = 1;
    int length = 1;     ///< of the part on `line`, for the caret
    int last_line = 1;  ///< of the instruction or heredoc that starts at `line`
    bool operator==(const Location&) const = default;
};

enum class Severity { error, warning };

/// Something wrong at a place. `message` is Docker's text, `hint` ("did you mean RUN?") ours or "".
struct Diagnostic {
    Severity severity = Severity::error;
    std::string rule;  ///< of the build check, "" for a plain error
    std::string message;
    std::string hint;
    Location location;
    std::string at;  ///< the wrong part as it is written, when `location` is only the instruction's
};

/// The Dockerfile as it was given: the name for messages and the bytes.
struct Source {
    std::string name = "Dockerfile";
    std::string text{};
};

/// What `parse_dockerfile` and `expand_instruction` throw: kind invalid_argument, and a message
/// that is Docker's: "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean
/// RUN?)".
class DockerfileError : public Error {
public:
    explicit DockerfileError(Diagnostic diagnostic);
    const Diagnostic& diagnostic() const noexcept { return diagnostic_; }

private:
    Diagnostic diagnostic_;
};

/// Several lines for people, the last without a line end:
///
///     Dockerfile:2:1: error: unknown instruction: RUNN (did you mean RUN?)
///        1 | FROM scratch
///        2 | RUNN make
///          | ^~~~
std::string render(const Diagnostic& diagnostic, const Source& source);

/// The candidate most like `word` (without regard to case) when it is near enough to be meant, else
/// "".
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace hull::build::dockerfile
