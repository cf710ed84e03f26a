#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

/// One challenge of a WWW-Authenticate header.
struct Challenge {
    std::string scheme;                             ///< lower case: bearer, basic
    std::map<std::string, std::string> parameters;  ///< names in lower case
};

/// All challenges of one header value. What is malformed ends the list.
/// Source: RFC 9110 11.6.1.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace hull::registry_client
