// DNS messages of containers and of servers, as hull-names reads them.
#include "names/message.hh"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull::names;
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto query = parse_query(bytes);
    if (!query) return 0;
    parse_reverse_name(query->name);
    const Answer answers[] = {make_answer(hull::linux_::IpAddress::get("10.0.0.1")),
                              make_answer(hull::linux_::IpAddress::get("fd00::1")),
                              make_answer("web.network").value()};
    const std::string reply = make_reply(*query, bytes, Code::no_error, answers, query->udp_size);
    // What we answer is an answer to what was asked.
    if (!answers_query(std::as_bytes(std::span(reply)), query->id, *query, bytes)) std::abort();
    // Any message may come from a server.
    answers_query(bytes, query->id, *query, bytes);
    make_answer(query->name);
    return 0;
}
