#include "archive/tar_entry.hh"

#include <fmt/core.h>

namespace hull::archive {

std::string quoted(std::string_view name) {
    constexpr std::size_t max_bytes = 200;
    std::string text = "\"";
    for (const char byte : name.substr(0, max_bytes)) {
        const auto value = static_cast<unsigned char>(byte);
        if (value < 0x20 || value >= 0x7f)
            text += fmt::format("\\x{:02x}", value);
        else if (byte == '"' || byte == '\\')
            text.append({'\\', byte});
        else
            text += byte;
    }
    text += name.size() > max_bytes ? "...\"" : "\"";
    return text;
}

}  // namespace hull::archive
