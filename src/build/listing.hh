#pragma once
#include <string>
#include <string_view>

namespace hull::build {

/// What a COPY, ADD or mount takes from its source, as hull-files lists it: a record for each file
/// and the path in the source it is of, each ended by a NUL byte.
class Listing {
public:
    Listing() = default;
    explicit Listing(std::string text) : text_(std::move(text)) {}
    const std::string& text() const { return text_; }
    /// Of the records: equal files have equal digests, wherever they lie.
    std::string digest() const;

private:
    std::string text_;
};

/// "src/app.c content; package.json mode 0644→0755": how the files of `now` differ from those of
/// `before`. "" when they do not.
std::string explain_files(const Listing& before, const Listing& now);

}  // namespace hull::build
