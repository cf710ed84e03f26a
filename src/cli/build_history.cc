// What builds did and why: history, why, logs, debug.
#include "base/error.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/compose_call.hh"
#include "cli/format.hh"
#include "cli/session.hh"

#include <unistd.h>

#include <charconv>

namespace hull::cli {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

constexpr Flag history_flags[] = {
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
    {"quiet", 'q', FlagType::boolean, "Only show IDs"},
};

constexpr Listing::Column columns[] = {
    {"ID", "BUILD ID"},  {"Name", "NAME"},     {"Status", "STATUS"},
    {"Steps", "CACHED"}, {"Duration", "TOOK"}, {"CreatedSince", "STARTED"},
    {"Error", "ERROR"},  {"Image", "IMAGE"},
};
constexpr Listing listing{
    .type_name = "*formatter.buildContext",
    .default_table =
        "table {{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Steps}}\t{{.Duration}}\t{{.CreatedSince}}",
    .quiet = "{{.ID}}",
    .columns = columns,
};

std::string seconds_text(std::int64_t duration_ns) {
    return fmt::format("{:.1f}s", static_cast<double>(duration_ns) / second_ns);
}

Row make_row(const json::Value& build, bool shorten) {
    const auto started = parse_rfc3339(build["started"].as_string()).value_or(0);
    const std::string& name = build["name"].as_string();
    return {json::Object{
        {"ID", build["id"]},
        {"Name", shorten ? ellipsis(name, 40) : name},
        {"Status", build["status"]},
        {"Steps", fmt::format("{}/{}", build["cached"].as_uint(), build["stepCount"].as_uint())},
        {"Duration", seconds_text(build["duration"].as_int())},
        {"CreatedSince", human_duration((now_ns() - started) / second_ns) + " ago"},
        {"Error", build["error"]},
        {"Image", build["image"]},
    }};
}

int run_history(Invocation& call) {
    const json::Value builds =
        call.session.ask([](client::Client& daemon) { return daemon.get("/build/history"); });
    std::vector<Row> rows;
    for (const json::Value& build : builds.as_array())
        rows.push_back(make_row(build, !call.arguments.flag("no-trunc")));
    call.session.print(
        format_listing(listing, call.arguments.text("format"), call.arguments.flag("quiet"), rows));
    return 0;
}

std::string path_of(const std::string& id) {
    return "/build/history/" + (id.empty() ? "last" : id);
}

// ---------------------------------------------------------------- why

constexpr Flag why_flags[] = {
    {"build", 0, FlagType::text, "The build (its ID or the beginning of it; the last one)"},
};

std::string describe_step(const json::Value& step, std::uint64_t count) {
    std::string text =
        fmt::format("Step {}/{} : {}\n", step["number"].as_uint(), count, step["text"].as_string());
    if (step["cached"].as_bool()) return text + "  cached\n";
    return text + fmt::format("  not cached, took {}: {}\n",
                              seconds_text(step["duration"].as_int()), step["reason"].as_string());
}

int run_why(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const json::Value build = call.session.ask(
        [&](client::Client& daemon) { return daemon.get(path_of(arguments.text("build"))); });
    std::optional<std::uint64_t> wanted;
    if (!arguments.positional.empty()) {
        std::string_view text = arguments.positional[0];
        text = text.substr(0, text.find('/'));
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size())
            throw Error(ErrorKind::invalid_argument,
                        "invalid step {}: use its number, as in \"Step 3/7\"", text);
        wanted = number;
    }
    bool found = false;
    for (const json::Value& step : build["steps"].as_array()) {
        if (wanted && step["number"].as_uint() != *wanted) continue;
        found = true;
        call.session.print(describe_step(step, build["stepCount"].as_uint()));
    }
    if (wanted && !found)
        throw Error(ErrorKind::not_found, "build {} did not come to a step {} that it could cache",
                    build["id"].as_string(), *wanted);
    return 0;
}

// ---------------------------------------------------------------- logs

int run_logs(Invocation& call) {
    const std::string id =
        call.arguments.positional.empty() ? "" : call.arguments.positional.front();
    call.session.ask([&](client::Client& daemon) {
        http::ClientResponse response = daemon.request("GET", path_of(id) + "/logs");
        std::string line;
        while (response.read_line(line)) call.session.print_line(line);
    });
    return 0;
}

// ---------------------------------------------------------------- debug

constexpr const char* helper_target = "/.hull-debug";

int run_debug(Invocation& call) {
    Session& session = call.session;
    const std::vector<std::string>& words = call.arguments.positional;
    const bool names_build = !words.empty();
    const json::Value plan = session.ask([&](client::Client& daemon) {
        return daemon.post(path_of(names_build ? words[0] : "") + "/debug");
    });
    const std::string& image = plan["Image"].as_string();
    struct ImageOwner {
        ~ImageOwner() {
            try {
                session.daemon().remove_image(image, true, false);
            } catch (const Error&) {
                // It was there before, under a name, or a container that was left needs it.
            }
        }
        Session& session;
        const std::string& image;
    };
    const ImageOwner owner{session, image};
    const bool has_terminal = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
    std::vector<std::string> run{"--rm", "-i", "--entrypoint", ""};
    if (has_terminal) run.push_back("-t");
    for (const std::string& entry : plan["Env"].as_strings()) run.insert(run.end(), {"-e", entry});
    std::vector<std::string> command{words.begin() + (names_build ? 1 : 0), words.end()};
    if (command.empty() && !plan["Shell"].as_string().empty()) {
        command = {plan["Shell"].as_string()};
        if (command[0].ends_with("/busybox")) command.push_back("sh");
    } else if (command.empty()) {
        const std::string& helper = plan["Helper"].as_string();
        if (helper.empty())
            throw Error(ErrorKind::unsupported,
                        "the image has no shell, and the daemon's machine has no static busybox to "
                        "lend it: install busybox-static there");
        run.insert(run.end(), {"-v", fmt::format("{}:{}/busybox:ro", helper, helper_target)});
        command = {std::string(helper_target) + "/busybox", "sh"};
    }
    session.complain(fmt::format("Step {} failed with exit code {}: {}", plan["Step"].as_uint(),
                                 plan["ExitCode"].as_int(), plan["Text"].as_string()));
    run.push_back(image);
    run.insert(run.end(), command.begin(), command.end());
    return call_command(session, "run", run);
}

}  // namespace

const Command build_history_command{
    .name = "builder history",
    .aliases = {"build history", "buildx history"},
    .usage = "[OPTIONS]",
    .summary = "List the last builds",
    .args = exactly(0),
    .flags = history_flags,
    .run = run_history,
};

const Command build_why_command{
    .name = "builder why",
    .aliases = {"build why"},
    .usage = "[OPTIONS] [STEP]",
    .summary = "Show why steps of a build were not cached",
    .args = at_most(1),
    .flags = why_flags,
    .run = run_why,
};

const Command build_logs_command{
    .name = "builder logs",
    .aliases = {"build logs"},
    .usage = "[BUILD]",
    .summary = "Show all that a build printed",
    .args = at_most(1),
    .run = run_logs,
};

const Command build_debug_command{
    .name = "builder debug",
    .aliases = {"build debug"},
    .usage = "[BUILD [COMMAND...]]",
    .summary = "Open a shell in what a failed RUN has left",
    .args = at_least(0),
    .flags_end_at_positional = true,
    .run = run_debug,
};

}  // namespace hull::cli
