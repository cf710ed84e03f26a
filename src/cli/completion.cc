#include "api/types/volume.hh"
#include "cli/command.hh"
#include "cli/commands.hh"
#include "cli/completion_scripts.hh"
#include "cli/context_store.hh"
#include "cli/endpoint.hh"
#include "cli/help.hh"
#include "cli/session.hh"
#include "cli/words.hh"

#include <algorithm>
#include <optional>

/// Completion: the shell's script runs `hull __complete WORD...`, the last word being the one that
/// is typed, and gets one candidate a line, with a tab and a description. A last line `:files`
/// asks the shell to add file names.
namespace hull::cli {
namespace {

struct Candidate {
    std::string value, description;
};

struct Candidates {
    std::vector<Candidate> list;
    bool files = false;
    void add(std::string value, std::string_view description = "") {
        list.push_back({std::move(value), std::string(description)});
    }
};

void add_containers(Session& session, Candidates& found, Completes kind, std::string_view suffix) {
    client::Filters filters;
    if (kind == Completes::running_containers) filters["status"] = {"running", "paused"};
    if (kind == Completes::stopped_containers) filters["status"] = {"created", "exited"};
    const auto containers = session.ask(
        [&](client::Client& daemon) { return daemon.list_containers(true, 0, false, filters); });
    for (const api::ContainerSummary& container : containers)
        if (!container.names.empty())
            found.add(container.names[0].substr(container.names[0].starts_with('/')) +
                          std::string(suffix),
                      container.image + ", " + container.status);
}

void add_images(Session& session, Candidates& found) {
    const auto images =
        session.ask([](client::Client& daemon) { return daemon.list_images(false, {}); });
    for (const api::ImageSummary& image : images)
        for (const std::string& name : image.repo_tags)
            if (name != "<none>:<none>") found.add(name);
}

void add_networks(Session& session, Candidates& found) {
    const json::Value networks =
        session.ask([](client::Client& daemon) { return daemon.get("/networks"); });
    for (const json::Value& network : networks.as_array())
        found.add(network["Name"].as_string(), network["Driver"].as_string());
}

void add_contexts(Session& session, Candidates& found) {
    found.add(std::string(default_context));
    for (const Context& context : ContextStore(session.configuration.directory()).list())
        found.add(context.name, context.description());
}

void add_volumes(Session& session, Candidates& found) {
    const auto list = api::parse<api::VolumeList>(
        session.ask([](client::Client& daemon) { return daemon.get("/volumes"); }));
    for (const api::Volume& volume : list.volumes) found.add(volume.name, volume.driver);
}

void add_arguments(Session& session, Candidates& found, Completes kind) {
    switch (kind) {
        case Completes::nothing: break;
        case Completes::containers:
        case Completes::running_containers:
        case Completes::stopped_containers: add_containers(session, found, kind, ""); break;
        case Completes::images: add_images(session, found); break;
        case Completes::networks: add_networks(session, found); break;
        case Completes::networks_and_containers:
            add_networks(session, found);
            add_containers(session, found, Completes::containers, "");
            break;
        case Completes::objects:
            add_containers(session, found, Completes::containers, "");
            add_images(session, found);
            add_networks(session, found);
            break;
        case Completes::contexts: add_contexts(session, found); break;
        case Completes::volumes: add_volumes(session, found); break;
        case Completes::files: found.files = true; break;
        case Completes::copy_places:
            found.files = true;
            add_containers(session, found, Completes::containers, ":");
            break;
        case Completes::shells:
            for (const char* shell : {"bash", "fish", "zsh"}) found.add(shell);
            break;
    }
}

/// Values of flags that are one of a few words.
struct FlagValues {
    std::string_view flag, values;
};
constexpr FlagValues flag_values[] = {
    {"cgroupns", "host private"},
    {"ipc", "none private shareable host container:"},
    {"log-driver", "local json-file none"},
    {"log-level", "debug info warn error fatal"},
    {"pid", "host container:"},
    {"pull", "always missing never"},
    {"restart", "no always on-failure unless-stopped"},
    {"signal", "SIGHUP SIGINT SIGKILL SIGQUIT SIGTERM SIGUSR1 SIGUSR2 SIGSTOP SIGCONT"},
    {"stop-signal", "SIGHUP SIGINT SIGKILL SIGQUIT SIGTERM SIGUSR1 SIGUSR2"},
    {"type", "container image network volume"},
    {"userns", "host"},
    {"uts", "host"},
};
constexpr std::string_view file_flags[] = {"cidfile",   "config",     "env-file",
                                           "input",     "label-file", "output",
                                           "tlscacert", "tlscert",    "tlskey"};

/// What --filter of a command knows.
constexpr FlagValues filter_names[] = {
    {"container ls",
     "ancestor= before= exited= expose= health= id= is-task= label= name= network= publish= since= "
     "status= volume="},
    {"container prune", "label= label!= until="},
    {"image ls", "before= dangling= label= reference= since= until="},
    {"image prune", "dangling= label= label!= until="},
    {"network ls", "dangling= driver= id= label= name= scope= type="},
    {"network prune", "label= label!= until="},
    {"system events", "container= daemon= event= image= label= network= type= volume="},
    {"system prune", "label= label!= until="},
    {"volume ls", "dangling= driver= label= name="},
    {"volume prune", "all= label= label!="},
};

void add_words(Candidates& found, std::string_view words) {
    for (std::string& word : split_nonempty(words, ' ')) found.add(std::move(word));
}

void add_flag_values(Session& session, Candidates& found, const Flag& flag,
                     const Command* command) {
    for (const FlagValues& entry : flag_values)
        if (entry.flag == flag.name) add_words(found, entry.values);
    if (flag.type == FlagType::filter && command)
        for (const FlagValues& entry : filter_names)
            if (entry.flag == command->name) add_words(found, entry.values);
    if (flag.name == "format") add_words(found, "json table");
    if (flag.name == "network") {
        add_words(found, "container:");
        add_networks(session, found);
    }
    if (flag.name == "volumes-from") add_containers(session, found, Completes::containers, "");
    if (flag.name == "context") add_contexts(session, found);
    for (std::string_view name : file_flags) found.files |= name == flag.name;
    found.files |= flag.name == "volume" || flag.name == "device";
}

void add_flags(Candidates& found, std::span<const Flag> flags) {
    for (const Flag& flag : flags) {
        if (flag.hidden) continue;
        found.add("--" + std::string(flag.name), flag.help);
        if (flag.short_name) found.add(std::string("-") + flag.short_name, flag.help);
    }
    found.add("--help", "Print help");
}

/// The flag that wants the next word as its value.
const Flag* find_waiting_flag(std::span<const Flag> flags, std::string_view word) {
    if (word.size() < 2 || word[0] != '-' || word.find('=') != std::string_view::npos)
        return nullptr;
    for (const Flag& flag : flags) {
        const bool named = word.starts_with("--")
                               ? word.substr(2) == flag.name
                               : flag.short_name && word.back() == flag.short_name;
        if (named && flag.type != FlagType::boolean) return &flag;
    }
    return nullptr;
}

void add_commands(Candidates& found, std::string_view group) {
    for (const Command* command : all_commands()) {
        if (command->hidden) continue;
        const auto offer = [&](std::string_view name) {
            if (name.empty()) return;
            const std::size_t blank = name.find(' ');
            if (group.empty() ? blank == std::string_view::npos
                              : blank != std::string_view::npos && name.substr(0, blank) == group)
                found.add(std::string(group.empty() ? name : name.substr(blank + 1)),
                          command->summary);
        };
        offer(command->name);
        for (std::string_view alias : command->aliases) offer(alias);
    }
    if (!group.empty()) return;
    for (const Group& entry : all_groups()) found.add(std::string(entry.name), entry.summary);
    found.add("help", "Print the help of a command");
}

/// Reads the line up to the word that is typed, then collects what could stand there.
class Completer {
public:
    Completer(Session& session, std::span<const std::string> words)
        : session_(session), words_(words.first(words.size() - 1)), typed_(words.back()) {}

    Candidates run() {
        read_globals();
        if (waiting_) {
            add_flag_values(session_, found_, *waiting_, nullptr);
        } else if (at_ == words_.size()) {
            if (typed_.starts_with('-'))
                add_flags(found_, global_flags());
            else
                add_commands(found_, "");
        } else {
            complete_command();
        }
        keep_matching();
        return std::move(found_);
    }

private:
    /// What the line says of the daemon decides which names there are.
    void read_globals() {
        std::vector<std::string> globals;
        while (at_ < words_.size() && words_[at_].starts_with('-')) {
            const Flag* flag = find_waiting_flag(global_flags(), words_[at_]);
            globals.push_back(words_[at_++]);
            if (!flag) continue;
            if (at_ == words_.size()) {
                waiting_ = flag;
                globals.pop_back();
                break;
            }
            globals.push_back(words_[at_++]);
        }
        choose_endpoint(session_, parse_flags(global_flags(), globals, true));
        session_.host_is_default = false;  // pressing Tab starts no daemon
        while (at_ < words_.size() && words_[at_] == "help") ++at_;
    }

    void complete_command() {
        const Command* command = find_command(words_[at_]);
        if (!command && find_group(words_[at_])) {
            const std::string group = words_[at_++];
            if (at_ == words_.size()) {
                add_commands(found_, group);
                return;
            }
            command = find_command(group + " " + words_[at_]);
        }
        if (!command) return;
        ++at_;
        complete_arguments(*command);
    }

    void complete_arguments(const Command& command) {
        int positional = 0;
        bool flags_ended = false;
        for (; at_ < words_.size(); ++at_) {
            const std::string& word = words_[at_];
            if (!flags_ended && word == "--") {
                flags_ended = true;
            } else if (!flags_ended && word.size() > 1 && word[0] == '-') {
                const Flag* flag = find_waiting_flag(command.flags, word);
                if (flag && at_ + 1 == words_.size()) {
                    add_flag_values(session_, found_, *flag, &command);
                    return;
                }
                if (flag) ++at_;
            } else {
                ++positional;
                flags_ended |= command.flags_end_at_positional;
            }
        }
        if (!flags_ended && typed_.starts_with('-')) {
            complete_flag(command);
            return;
        }
        if (command.flags_end_at_positional && positional > 0) {
            found_.files = true;  // what runs in the container is anybody's guess
            return;
        }
        if (command.args.max >= 0 && positional >= command.args.max) return;
        add_arguments(session_, found_, command.completes);
    }

    /// `--name` or `--name=value`.
    void complete_flag(const Command& command) {
        const std::size_t equals = typed_.find('=');
        if (equals == std::string::npos) {
            add_flags(found_, command.flags);
            return;
        }
        for (const Flag& flag : command.flags) {
            if (typed_.substr(2, equals - 2) != flag.name) continue;
            Candidates values;
            add_flag_values(session_, values, flag, &command);
            for (Candidate& value : values.list)
                found_.add(typed_.substr(0, equals + 1) + value.value, value.description);
        }
    }

    void keep_matching() {
        std::erase_if(found_.list, [&](const Candidate& candidate) {
            return !candidate.value.starts_with(typed_);
        });
        std::sort(found_.list.begin(), found_.list.end(),
                  [](const Candidate& a, const Candidate& b) { return a.value < b.value; });
    }

    Session& session_;
    std::span<const std::string> words_;
    std::string typed_;
    std::size_t at_ = 0;
    const Flag* waiting_ = nullptr;
    Candidates found_;
};

int complete(Invocation& call) {
    if (call.arguments.positional.empty()) return 0;
    Candidates found;
    try {
        found = Completer(call.session, call.arguments.positional).run();
    } catch (const Error&) {
        return 1;  // no daemon, a broken line: nothing to offer, and a prompt is no place to say so
    }
    std::string text;
    for (const Candidate& candidate : found.list) {
        text += candidate.value;
        if (!candidate.description.empty())
            text += "\t" + candidate.description.substr(0, candidate.description.find('\n'));
        text += "\n";
    }
    call.session.print(text + (found.files ? ":files\n" : ""));
    return 0;
}

template <std::string_view const& script>
int print_script(Invocation& call) {
    std::string text(script);
    const std::string_view name = "PROGRAM";
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;)
        text.replace(at, name.size(), call.session.program);
    call.session.print(text);
    return 0;
}

}  // namespace

const Command complete_command{
    .name = "__complete",
    .usage = "WORD...",
    .summary = "List what the last word could be",
    .args = at_least(0),
    .run = complete,
    .raw_arguments = true,
    .hidden = true,
};

const Command completion_bash_command{
    .name = "completion bash",
    .summary = "Print the script for bash: source <(… completion bash)",
    .args = exactly(0),
    .run = print_script<bash_script>,
};

const Command completion_fish_command{
    .name = "completion fish",
    .summary = "Print the script for fish: … completion fish | source",
    .args = exactly(0),
    .run = print_script<fish_script>,
};

const Command completion_zsh_command{
    .name = "completion zsh",
    .summary = "Print the script for zsh: save it as _PROGRAM in a directory of fpath",
    .args = exactly(0),
    .run = print_script<zsh_script>,
};

}  // namespace hull::cli
