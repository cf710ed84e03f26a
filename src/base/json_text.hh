#pragma once

namespace hull::json {

/// Whether a byte stands for itself inside of a JSON string: ASCII that needs no escape.
inline bool is_plain(char c) {
    return c != '"' && c != '\\' && static_cast<signed char>(c) >= 0x20;
}

}  // namespace hull::json
