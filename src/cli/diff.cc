#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const std::string& name = call.arguments.positional[0];
    if (name.empty()) throw Error(ErrorKind::invalid_argument, "container name cannot be empty");
    const json::Value changes = call.session.ask([&](client::Client& daemon) {
        return daemon.get("/containers/" + http::encode_percent(name) + "/changes");
    });
    if (changes.is_null()) return 0;
    constexpr std::string_view letters = "CAD";  // changed, added, deleted: the API's 0, 1, 2
    std::string text;
    for (const json::Value& change : changes.as_array()) {
        const auto kind = static_cast<std::size_t>(change["Kind"].as_int());
        text += fmt::format("{} {}\n", kind < letters.size() ? letters[kind] : '?',
                            change["Path"].as_string());
    }
    call.session.print(text);
    return 0;
}

}  // namespace

const Command diff_command{
    .name = "container diff",
    .aliases = {"diff"},
    .usage = "CONTAINER",
    .summary = "List what a container changed in its file system",
    .args = exactly(1),
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
