#include "api/types/secret.hh"
#include "base/error.hh"
#include "base/fd.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "cli/own_commands.hh"
#include "cli/session.hh"
#include "cli/values.hh"

#include <fcntl.h>
#include <unistd.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"label", 'l', FlagType::list, "Label of the secret (NAME=VALUE)", "", check_label},
};

/// From standard input for "-", so that it is neither in the history of a shell nor in a list of
/// processes.
std::string read_text(const std::string& source) {
    constexpr std::size_t most_bytes = 1 << 20;  // the daemon allows less
    const Fd file = source == "-" ? Fd() : sys::open(source, O_RDONLY);
    std::string text;
    char buffer[8192];
    for (;;) {
        const std::size_t count =
            sys::read(file ? file.get() : STDIN_FILENO, std::as_writable_bytes(std::span(buffer)));
        if (count == 0 || text.size() > most_bytes) return text;
        text.append(buffer, count);
    }
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    api::SecretSpec spec;
    spec.name = arguments.positional[0];
    if (arguments.given("label")) spec.labels = make_string_map(arguments.list("label"));
    const std::string source = arguments.positional.size() > 1 ? arguments.positional[1] : "-";
    spec.data = encode_base64(
        with_context([&] { return read_text(source); }, "reading the secret from {}", source));
    const json::Value reply = call.session.ask(
        [&](client::Client& daemon) { return daemon.post("/secrets/create", {}, to_json(spec)); });
    call.session.print_line(reply["ID"].as_string());
    return 0;
}

}  // namespace

const Command secret_create_command{
    .name = "secret create",
    .usage = "[OPTIONS] SECRET [file|-]",
    .summary = "Create a secret from a file or standard input",
    .args = between(1, 2),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
