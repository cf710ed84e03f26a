#pragma once
#include "linux/ip.hh"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// DNS messages as far as they concern us: one question is read, answers are written; what servers
/// answer is passed on unread but for its head. Source: RFC 1035 section 4, RFC 6891.
namespace hull::names {

enum class Type : std::uint16_t { a = 1, ptr = 12, aaaa = 28, opt = 41 };
enum class Code : std::uint8_t { no_error = 0, format_error = 1, server_failure = 2, no_name = 3 };

/// A query of a client: bytes of a stranger.
struct Query {
    std::uint16_t id = 0, flags = 0;
    std::string name;  ///< lower case, dots between the labels, none at the end
    std::uint16_t type = 0, query_class = 0;
    std::size_t question_end = 0;  ///< offset behind the question
    bool has_edns = false;
    std::uint16_t udp_size = 512;  ///< largest reply by UDP
};

/// nullopt for what is no query with one question; then nothing is to be answered.
std::optional<Query> parse_query(std::span<const std::byte> bytes);

struct Answer {
    Type type;
    std::string data;
};
Answer make_answer(const linux_::IpAddress& address);
/// nullopt when `name` cannot be written as a domain name.
std::optional<Answer> make_answer(std::string_view name);

/// The reply to `query`, whose bytes are `bytes`. What is beyond `limit` is left out and marked as
/// truncated.
std::string make_reply(const Query& query, std::span<const std::byte> bytes, Code code,
                       std::span<const Answer> answers, std::size_t limit);

/// True when `reply` has the head of an answer to `query`: the same question, and `id`.
bool answers_query(std::span<const std::byte> reply, std::uint16_t id, const Query& query,
                   std::span<const std::byte> bytes);
/// The result code in the head of a reply.
Code code_of(std::span<const std::byte> reply);
void set_id(std::string& message, std::uint16_t id);

/// "2.0.17.172.in-addr.arpa", "….ip6.arpa": the address asked for.
std::optional<linux_::IpAddress> parse_reverse_name(std::string_view name);

}  // namespace hull::names
