// What registries and name servers say outside of JSON: challenges, addresses, DNS replies. The
// first byte chooses.
#include "base/error.hh"
#include "registry/client/challenge.hh"
#include "registry/client/connection.hh"
#include "registry/client/dns_message.hh"
#include "registry/client/url.hh"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace hull::registry_client;

/// What was read once is read the same again, and cannot break out of a request's lines.
void check_url(const Url& url) {
    if (parse_url(url.str()).str() != url.str()) std::abort();
    if (url.str().find_first_of("\r\n \t") != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    try {
        switch (data[0] % 4) {
            case 0: parse_challenges(text); break;
            case 1: check_url(parse_url(text)); break;
            case 2:
                check_url(resolve_url(parse_url("https://registry.example:5000/v2/a?b"), text));
                break;
            case 3:
                for (const RecordType type : {RecordType::a, RecordType::aaaa}) {
                    const DnsReply reply = parse_dns_reply(text, 0x4242, type);
                    for (const std::string& address : reply.addresses)
                        if (address.size() != 4 && address.size() != 16) std::abort();
                }
                break;
        }
    } catch (const hull::Error&) {
    }
    return 0;
}
