#pragma once
#include "base/error.hh"
#include "cli/command.hh"
#include "cli/session.hh"

namespace hull::cli {

/// Does `body` for every argument and prints each name that worked; errors go to standard error
/// and do not keep the others from being tried. Returns the exit code.
template <typename Body>
int for_each_argument(Invocation& call, Body&& body) {
    int code = 0;
    for (const std::string& name : call.arguments.positional) {
        try {
            call.session.ask([&](client::Client& daemon) { body(daemon, name); });
            call.session.print_line(name);
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;  // our own output, or no daemon
            call.session.complain(error.message());
            code = 1;
        }
    }
    return code;
}

}  // namespace hull::cli
