#pragma once
#include "http/client.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// The words that run `system dial-stdio` at ssh://[user@]host[:port][/path/of/socket], after the
/// program's own name. Throws invalid_argument for what is no such address, also for one that ssh
/// would take for an option.
std::vector<std::string> ssh_arguments(std::string_view host);

/// Connects through one `ssh` process per connection; they end with the connector and its copies.
/// Throws unavailable when ssh is not in PATH.
http::Connector make_ssh_connector(const std::string& host);

/// The program `name` of PATH, "" when there is none.
std::string find_program(std::string_view name);

}  // namespace hull::cli
