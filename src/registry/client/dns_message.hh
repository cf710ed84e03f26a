#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

enum class RecordType : std::uint16_t { a = 1, aaaa = 28 };

/// A question for one name. Throws invalid_argument when `name` is no host name.
std::string make_dns_query(std::uint16_t id, std::string_view name, RecordType type);

struct DnsReply {
    bool truncated = false;
    bool no_such_name = false;
    bool failed = false;                 ///< the server has no opinion: ask another one
    std::vector<std::string> addresses;  ///< 4 or 16 bytes each
};

/// Throws invalid_argument for what is no reply to that question. Source: RFC 1035.
DnsReply parse_dns_reply(std::string_view message, std::uint16_t id, RecordType type);

}  // namespace hull::registry_client
