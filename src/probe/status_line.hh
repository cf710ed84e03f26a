#pragma once
#include <optional>
#include <string_view>

namespace hull::probe {

/// The longest beginning of an answer that is looked at: "HTTP/1.1 200 ".
constexpr unsigned status_line_bytes = 13;

/// The status code in the first bytes of an HTTP answer (RFC 9112, section 4); nullopt when it is
/// something else. Nothing behind the code is read.
std::optional<int> find_status(std::string_view answer);

}  // namespace hull::probe
