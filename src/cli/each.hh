#pragma once
#include "base/error.hh"
#include "cli/command.hh"
#include "cli/session.hh"

#include <algorithm>
#include <future>
#include <string>
#include <vector>

namespace hull::cli {

/// An argument that the daemon refused.
struct Refusal {
    std::string name;
    ErrorKind kind;
};

/// Does `body(name)` for every argument. Errors go to standard error and do not keep the
/// others from being tried; what failed is returned. Errors of our own system calls (no daemon, no
/// room for our output) are not the argument's and leave.
template <typename Body>
std::vector<Refusal> try_each_argument(Invocation& call, Body&& body) {
    std::vector<Refusal> refused;
    for (const std::string& name : call.arguments.positional) {
        try {
            body(name);
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;
            call.session.complain_about(error);
            refused.push_back({name, error.kind()});
        }
    }
    return refused;
}

/// Asks the daemon `body(daemon, name)` for every argument and prints each name that worked.
/// Returns the exit code.
template <typename Body>
int for_each_argument(Invocation& call, Body&& body) {
    const auto ask = [&](const std::string& name) {
        call.session.ask([&](client::Client& daemon) { body(daemon, name); });
        call.session.print_line(name);
    };
    return try_each_argument(call, ask).empty() ? 0 : 1;
}

/// The same for all arguments at once, for what may take its time: each has a connection of its
/// own. What there is to say comes in the order of the arguments.
template <typename Body>
int for_each_argument_at_once(Invocation& call, Body&& body) {
    const std::vector<std::string>& names = call.arguments.positional;
    if (names.size() == 1) return for_each_argument(call, body);
    call.session.daemon();  // once: it may have to be started, and a host to be looked up
    constexpr std::size_t most_at_once = 32;
    std::vector<std::future<void>> asked(names.size());
    bool failed = false;
    for (std::size_t next = 0, done = 0; done < names.size(); ++done) {
        for (; next < std::min(names.size(), done + most_at_once); ++next)
            asked[next] = std::async(std::launch::async, [&call, &body, &name = names[next]] {
                client::Client connection = call.session.make_client();
                Session::from_daemon([&] { body(connection, name); });
            });
        try {
            asked[done].get();
            call.session.print_line(names[done]);
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;
            call.session.complain_about(error);
            failed = true;
        }
    }
    return failed ? 1 : 0;
}

/// The exit code of a removal: with `force` what is not there is as good as removed.
inline int removal_code(const std::vector<Refusal>& refused, bool force) {
    for (const Refusal& refusal : refused)
        if (!force || refusal.kind != ErrorKind::not_found) return 1;
    return 0;
}

}  // namespace hull::cli
