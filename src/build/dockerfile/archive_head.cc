#include "build/dockerfile/archive_head.hh"

namespace hull::build::dockerfile {

bool begins_archive(std::string_view head) {
    using namespace std::string_view_literals;
    for (const std::string_view magic :
         {"\x1f\x8b"sv, "\x28\xb5\x2f\xfd"sv, "BZh"sv, "\xfd\x37zXZ\0"sv})
        if (head.starts_with(magic)) return true;
    return head.size() >= 262 && head.substr(257, 5) == "ustar";
}

}  // namespace hull::build::dockerfile
