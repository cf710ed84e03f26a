#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/create_flags.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    try {
        const api::CreateRequest request = make_create_request(call.session, call.arguments);
        call.session.print_line(create_container(call.session, call.arguments, request).id);
        return 0;
    } catch (const Error& error) {
        call.session.complain_about(error);
        return 1;
    }
}

}  // namespace

const Command create_command{
    .name = "container create",
    .aliases = {"create"},
    .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    .summary = "Create a new container",
    .args = at_least(1),
    .flags = create_flags,
    .flags_end_at_positional = true,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
