#include "archive/test_tar.hh"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace hull::archive::test {

std::string RawHeader::block() const {
    std::string bytes(512, '\0');
    const auto put = [&](std::size_t at, std::size_t room, std::string_view text) {
        std::memcpy(bytes.data() + at, text.data(), std::min(room, text.size()));
    };
    put(0, 100, name);
    put(100, 8, mode);
    put(108, 8, uid);
    put(116, 8, gid);
    put(124, 12, size_field.empty() ? fmt::format("{:011o}", size) : size_field);
    put(136, 12, mtime);
    put(148, 8, "        ");
    bytes[156] = type;
    put(157, 100, link_target);
    put(257, 8, magic);
    put(329, 8, device_major);
    put(337, 8, device_minor);
    put(345, 155, prefix);
    unsigned sum = 0;
    for (const char byte : bytes) sum += static_cast<unsigned char>(byte);
    put(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return bytes;
}

std::string padded(std::string_view content) {
    std::string text(content);
    text.resize((text.size() + 511) / 512 * 512);
    return text;
}

std::string file(const std::string& name, std::string_view content) {
    RawHeader header;
    header.name = name;
    header.size = content.size();
    return header.block() + padded(content);
}

std::string directory(const std::string& name) {
    RawHeader header;
    header.name = name;
    header.type = '5';
    header.mode = "0000755";
    return header.block();
}

std::string link(char type, const std::string& name, const std::string& target) {
    RawHeader header;
    header.name = name;
    header.type = type;
    header.link_target = target;
    return header.block();
}

std::string pax_record(std::string_view key, std::string_view value) {
    std::size_t length = key.size() + value.size() + 3;
    for (std::size_t all = 0; all != length;) {
        all = length;
        length = key.size() + value.size() + 3 + fmt::format("{}", all).size();
    }
    return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax(char type, const std::map<std::string, std::string>& records) {
    std::string text;
    for (const auto& [key, value] : records) text += pax_record(key, value);
    RawHeader header;
    header.name = "pax";
    header.type = type;
    header.size = text.size();
    return header.block() + padded(text);
}

std::string end() { return std::string(1024, '\0'); }

}  // namespace hull::archive::test
