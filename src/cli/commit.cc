#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/pull.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"author", 'a', FlagType::text, "Author of the image (\"Jane Doe <jane@example.com>\")"},
    {"change", 'c', FlagType::list, "Apply a Dockerfile instruction to the image"},
    {"message", 'm', FlagType::text, "Comment of the image"},
    {"pause", 'p', FlagType::boolean, "Pause the container while it is copied", "true"},
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    http::Query query{{"container", arguments.positional[0]}};
    if (arguments.positional.size() > 1 && !arguments.positional[1].empty()) {
        const std::string& given = arguments.positional[1];
        if (given.find('@') != std::string::npos)
            throw Error(ErrorKind::invalid_argument,
                        "refusing to create a tag with a digest reference");
        const std::string reference = with_default_tag(given);
        const std::size_t colon = reference.rfind(':');
        query.emplace_back("repo", reference.substr(0, colon));
        query.emplace_back("tag", reference.substr(colon + 1));
    }
    query.emplace_back("author", arguments.text("author"));
    query.emplace_back("comment", arguments.text("message"));
    for (const std::string& change : arguments.list("change"))
        query.emplace_back("changes", change);
    query.emplace_back("pause", arguments.flag("pause") ? "1" : "0");
    const json::Value reply =
        call.session.ask([&](client::Client& daemon) { return daemon.post("/commit", query); });
    call.session.print_line(reply["Id"].as_string());
    return 0;
}

}  // namespace

const Command commit_command{
    .name = "container commit",
    .aliases = {"commit"},
    .usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    .summary = "Make an image of what a container changed",
    .args = between(1, 2),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
