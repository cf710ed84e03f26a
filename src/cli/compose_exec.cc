#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/compose_call.hh"
#include "cli/compose_reporter.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <unistd.h>

// Commands that do with one container of a service what the command of the same name does with a
// container: exec, attach, cp, port, export, commit; and with all of them: top, stats, events.
namespace hull::cli {
namespace {

const compose::Container get_container(const Invocation& call, const std::string& service,
                                       int index, bool running) {
    const ComposeScope scope = find_compose_scope(call);
    if (scope.project && !scope.project->disabled.find(service)) {
        const compose::State state = read_compose_state(call, scope);
        if (state.of_service(service).empty()) scope.project->get_service(service);
    }
    compose::State state = read_compose_state(call, scope);
    if (running)
        std::erase_if(state.containers,
                      [](const compose::Container& container) { return !container.is_running(); });
    return state.get(service, index);
}

int index_of(const Arguments& arguments) { return static_cast<int>(arguments.integer("index")); }

/// `--flag value` of every value of a flag of ours that the other command has, too.
void pass_on(std::vector<std::string>& words, const Arguments& arguments,
             std::initializer_list<const char*> names) {
    for (const char* name : names)
        for (const std::string& value : arguments.list(name))
            words.insert(words.end(), {"--" + std::string(name), value});
}
void pass_text(std::vector<std::string>& words, const Arguments& arguments,
               std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (arguments.given(name))
            words.insert(words.end(), {"--" + std::string(name), arguments.text(name)});
}
void pass_flags(std::vector<std::string>& words, const Arguments& arguments,
                std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (arguments.flag(name)) words.push_back("--" + std::string(name));
}

constexpr Flag exec_flags[] = {
    {"detach", 'd', FlagType::boolean, "Run the command in the background"},
    {"env", 'e', FlagType::list, "Set an environment variable"},
    {"index", 0, FlagType::integer, "Number of the container, when the service has several", "0"},
    {"interactive", 'i', FlagType::boolean, "Keep STDIN open", "true", nullptr, true},
    {"no-tty", 'T', FlagType::boolean,
     "Do not allocate a terminal (default: one when we have one)"},
    {"privileged", 0, FlagType::boolean, "Give the command the rights of the host's root"},
    {"tty", 't', FlagType::boolean, "Allocate a terminal", "true", nullptr, true},
    {"user", 'u', FlagType::text, "User to run as"},
    {"workdir", 'w', FlagType::text, "Working directory in the container"},
};

int run_exec(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const compose::Container container =
        get_container(call, arguments.positional[0], index_of(arguments), true);
    std::vector<std::string> words;
    pass_on(words, arguments, {"env"});
    pass_text(words, arguments, {"user", "workdir"});
    pass_flags(words, arguments, {"detach", "privileged"});
    if (!arguments.flag("detach") && arguments.flag("interactive")) words.push_back("-i");
    const bool terminal = is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
    if (!arguments.flag("no-tty") && arguments.flag("tty") && terminal) words.push_back("-t");
    words.push_back(container.id);
    words.insert(words.end(), arguments.positional.begin() + 1, arguments.positional.end());
    return call_command(call.session, "exec", words);
}

constexpr Flag attach_flags[] = {
    {"detach-keys", 0, FlagType::text, "Keys that detach from the container"},
    {"index", 0, FlagType::integer, "Number of the container, when the service has several", "0"},
    {"no-stdin", 0, FlagType::boolean, "Do not attach STDIN"},
    {"sig-proxy", 0, FlagType::boolean, "Pass signals on to the container", "true"},
};

int run_attach(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const compose::Container container =
        get_container(call, arguments.positional[0], index_of(arguments), true);
    std::vector<std::string> words;
    pass_text(words, arguments, {"detach-keys"});
    pass_flags(words, arguments, {"no-stdin"});
    words.push_back(arguments.flag("sig-proxy") ? "--sig-proxy=true" : "--sig-proxy=false");
    words.push_back(container.id);
    return call_command(call.session, "attach", words);
}

constexpr Flag cp_flags[] = {
    {"all", 0, FlagType::boolean, "Copy to every container of the service, those of `run`, too"},
    {"archive", 'a', FlagType::boolean, "Keep owners, setuid bits and devices"},
    {"follow-link", 'L', FlagType::boolean, "Copy what a link at SRC_PATH points to"},
    {"index", 0, FlagType::integer, "Number of the container, when the service has several", "0"},
};

/// "web:/etc/x" -> {"web", "/etc/x"}; a local path has no service.
std::pair<std::string, std::string> split_place(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (text.starts_with('/') || text.starts_with('.') || text == "-" || colon == std::string::npos)
        return {"", text};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

int run_cp(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const auto [from, source] = split_place(arguments.positional[0]);
    const auto [to, target] = split_place(arguments.positional[1]);
    if (from.empty() == to.empty())
        throw Error(ErrorKind::invalid_argument, "{}",
                    from.empty() ? "unknown copy direction: neither path names a service"
                                 : "copying between services is not supported");
    std::vector<std::string> options;
    pass_flags(options, arguments, {"archive", "follow-link"});
    if (!from.empty()) {
        options.insert(
            options.end(),
            {get_container(call, from, index_of(arguments), false).id + ":" + source, target});
        return call_command(call.session, "cp", options);
    }
    const ComposeScope scope = find_compose_scope(call);
    const compose::State state = read_compose_state(call, scope, {to});
    int copied = 0;
    for (const compose::Container& container : state.containers) {
        if (container.one_off && !arguments.flag("all")) continue;
        if (index_of(arguments) && container.number != index_of(arguments)) continue;
        std::vector<std::string> words = options;
        words.insert(words.end(), {source, container.id + ":" + target});
        if (const int code = call_command(call.session, "cp", words)) return code;
        ++copied;
    }
    if (!copied) throw Error(ErrorKind::not_found, "no container found for service \"{}\"", to);
    return 0;
}

constexpr Flag port_flags[] = {
    {"index", 0, FlagType::integer, "Number of the container, when the service has several", "0"},
    {"protocol", 0, FlagType::text, "tcp or udp", "tcp"},
};

int run_port(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const compose::Container container =
        get_container(call, arguments.positional[0], index_of(arguments), true);
    const std::string key = arguments.positional[1] + "/" + arguments.text("protocol");
    const json::Value inspected = call.session.ask(
        [&](client::Client& daemon) { return daemon.inspect_container_json(container.id); });
    const json::Value& bindings = inspected["NetworkSettings"]["Ports"][key];
    if (!bindings.is_array() || bindings.as_array().empty())
        throw Error(ErrorKind::not_found, "no port {} for container {}", key, container.name);
    const json::Value& first = bindings.as_array()[0];
    const std::string& ip = first["HostIp"].as_string();
    call.session.print_line((ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" +
                            first["HostPort"].as_string());
    return 0;
}

constexpr Flag export_flags[] = {
    {"index", 0, FlagType::integer, "Number of the container, when the service has several", "0"},
    {"output", 'o', FlagType::text, "Write to a file, instead of STDOUT"},
};

int run_export(Invocation& call) {
    std::vector<std::string> words;
    pass_text(words, call.arguments, {"output"});
    words.push_back(
        get_container(call, call.arguments.positional[0], index_of(call.arguments), false).id);
    return call_command(call.session, "export", words);
}

constexpr Flag commit_flags[] = {
    {"author", 'a', FlagType::text, "Author"},
    {"change", 'c', FlagType::list, "Apply a Dockerfile instruction to the image"},
    {"index", 0, FlagType::integer, "Number of the container, when the service has several", "0"},
    {"message", 'm', FlagType::text, "Commit message"},
    {"pause", 'p', FlagType::boolean, "Pause the container meanwhile", "true"},
};

int run_commit(Invocation& call) {
    const Arguments& arguments = call.arguments;
    std::vector<std::string> words;
    pass_text(words, arguments, {"author", "message"});
    pass_on(words, arguments, {"change"});
    if (!arguments.flag("pause")) words.push_back("--pause=false");
    words.push_back(get_container(call, arguments.positional[0], index_of(arguments), false).id);
    if (arguments.positional.size() > 1) words.push_back(arguments.positional[1]);
    return call_command(call.session, "commit", words);
}

int run_top(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const compose::State state = read_compose_state(call, scope, call.arguments.positional);
    for (const compose::Container& container : state.containers) {
        if (!container.is_running()) continue;
        call.session.print_line(container.name);
        if (const int code = call_command(call.session, "top", {container.id})) return code;
        call.session.print_line("");
    }
    return 0;
}

constexpr Flag stats_flags[] = {
    {"all", 'a', FlagType::boolean, "Containers that do not run, too"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"no-stream", 0, FlagType::boolean, "Print one sample and end"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten columns"},
};

int run_stats(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const ComposeScope scope = find_compose_scope(call);
    const compose::State state = read_compose_state(call, scope, arguments.positional);
    std::vector<std::string> words;
    pass_flags(words, arguments, {"no-stream", "no-trunc"});
    pass_text(words, arguments, {"format"});
    std::size_t count = 0;
    for (const compose::Container& container : state.containers)
        if (container.is_running() || arguments.flag("all")) {
            words.push_back(container.name);
            ++count;
        }
    if (!count)
        throw Error(ErrorKind::not_found, "no container of project \"{}\" is running", scope.name);
    return call_command(call.session, "stats", words);
}

}  // namespace

const Command compose_exec_command{.name = "compose exec",
                                   .usage = "[OPTIONS] SERVICE COMMAND [ARGS...]",
                                   .summary = "Execute a command in a running container",
                                   .args = at_least(2),
                                   .flags = exec_flags,
                                   .flags_end_at_positional = true,
                                   .run = run_exec};
const Command compose_attach_command{.name = "compose attach",
                                     .usage = "[OPTIONS] SERVICE",
                                     .summary = "Attach to a running container of a service",
                                     .args = exactly(1),
                                     .flags = attach_flags,
                                     .run = run_attach};
const Command compose_cp_command{
    .name = "compose cp",
    .usage = "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|- | SRC_PATH|- SERVICE:DEST_PATH",
    .summary = "Copy files between a container of a service and here",
    .args = exactly(2),
    .flags = cp_flags,
    .run = run_cp};
const Command compose_port_command{.name = "compose port",
                                   .usage = "[OPTIONS] SERVICE PRIVATE_PORT",
                                   .summary = "Print where a port is published",
                                   .args = exactly(2),
                                   .flags = port_flags,
                                   .run = run_port};
const Command compose_export_command{
    .name = "compose export",
    .usage = "[OPTIONS] SERVICE",
    .summary = "Write the files of a service's container as a tar archive",
    .args = exactly(1),
    .flags = export_flags,
    .run = run_export};
const Command compose_commit_command{.name = "compose commit",
                                     .usage = "[OPTIONS] SERVICE [REPOSITORY[:TAG]]",
                                     .summary = "Make an image of a service's container",
                                     .args = between(1, 2),
                                     .flags = commit_flags,
                                     .run = run_commit};
const Command compose_top_command{.name = "compose top",
                                  .usage = "[SERVICE...]",
                                  .summary = "List the running processes",
                                  .args = at_least(0),
                                  .run = run_top};
const Command compose_stats_command{.name = "compose stats",
                                    .usage = "[OPTIONS] [SERVICE...]",
                                    .summary = "Show what containers use",
                                    .args = at_least(0),
                                    .flags = stats_flags,
                                    .run = run_stats};

}  // namespace hull::cli
