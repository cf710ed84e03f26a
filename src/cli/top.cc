#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const std::vector<std::string>& words = call.arguments.positional;
    http::Query query;
    std::string options;
    for (std::size_t i = 1; i < words.size(); ++i) options += (i > 1 ? " " : "") + words[i];
    if (!options.empty()) query.emplace_back("ps_args", options);
    const auto list = call.session.ask([&](client::Client& daemon) {
        return api::parse<api::TopResponse>(
            daemon.get("/containers/" + http::encode_percent(words[0]) + "/top", query));
    });
    std::string text;
    const auto add_line = [&](const std::vector<std::string>& cells) {
        for (std::size_t i = 0; i < cells.size(); ++i) text += (i ? "\t" : "") + cells[i];
        text += "\n";
    };
    add_line(list.titles);
    for (const std::vector<std::string>& process : list.processes) add_line(process);
    call.session.print(align_columns(text, 20));
    return 0;
}

}  // namespace

const Command top_command{
    .name = "container top",
    .aliases = {"top"},
    .usage = "CONTAINER [ps OPTIONS]",
    .summary = "List the processes of a container",
    .args = at_least(1),
    .flags_end_at_positional = true,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
