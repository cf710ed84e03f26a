#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace hull::buildkit {

/// What both sides of a DiffCopy say. Source: fsutil types/wire.proto.
struct Packet {
    enum class Type { stat = 0, request = 1, data = 2, fin = 3, error = 4 };
    Type type = Type::stat;
    std::string_view stat;  ///< a Stat; of a stat packet empty at the end of the list
    std::uint32_t id = 0;   ///< number of the file in that list
    std::string_view data;  ///< empty at a file's end
};

/// Points into `bytes`. Throws invalid_argument.
Packet parse_packet(std::string_view bytes);
std::string format_packet(const Packet& packet);

}  // namespace hull::buildkit
