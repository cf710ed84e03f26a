#pragma once
#include "base/error.hh"

#include <string>
#include <string_view>

namespace hull {

/// What goes with the message of an error: a word that stays the same when the text changes, and
/// what to do next.
struct Advice {
    std::string_view code;  ///< "no-such-container"
    std::string next;       ///< one line, begins in lower case
};

/// `message` may have anything in front of and behind the text that is known.
Advice find_advice(ErrorKind kind, std::string_view message);

}  // namespace hull
