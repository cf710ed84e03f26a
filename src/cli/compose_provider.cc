#include "cli/compose_provider.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/lines.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "cli/session.hh"
#include "cli/ssh.hh"
#include "compose/labels.hh"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace hull::cli {
namespace {

using compose::Member;
using compose::Node;
using compose::Project;

constexpr std::size_t max_message_bytes = 1024 * 1024;

std::string upper(std::string text) {
    for (char& letter : text) letter = static_cast<char>(std::toupper(letter));
    return text;
}

/// docker-TYPE among the plugins of the docker CLI, or TYPE in PATH.
std::string find_provider(const std::string& type, const std::string& service) {
    const char* configuration = std::getenv("DOCKER_CONFIG");
    const char* home = std::getenv("HOME");
    const std::string own =
        configuration ? configuration : std::string(home ? home : "") + "/.docker";
    for (const std::string& directory :
         {own + "/cli-plugins", std::string("/usr/local/libexec/docker/cli-plugins"),
          std::string("/usr/libexec/docker/cli-plugins")})
        if (const std::string path = directory + "/docker-" + type;
            ::access(path.c_str(), X_OK) == 0)
            return path;
    const std::string path = type == "compose" ? "" : find_program(type);
    if (path.empty())
        throw Error(ErrorKind::not_found,
                    "service \"{}\": its provider {} is neither in PATH nor a plugin of docker",
                    service, type);
    return path;
}

/// One run of a provider's program.
class Program {
public:
    Program(const Project& project, std::vector<std::string> arguments)
        : process_(start(project, std::move(arguments))) {}

    /// What it writes, line by line.
    void read(const std::function<void(std::string_view)>& take) {
        read_lines(reply_.read_end.get(), nullptr, max_message_bytes,
                   [&](std::string_view line) { take(line); });
    }
    ExitStatus wait() { return process_.wait(); }

private:
    Process start(const Project& project, std::vector<std::string> arguments) {
        hull::Command command;
        command.arguments = std::move(arguments);
        command.environment.emplace();
        for (const auto& [name, variable] : project.environment)
            command.environment->push_back(name + "=" + variable.value);
        command.descriptors = {{reply_.write_end.get(), 1}};
        Process process = Process::spawn(command);
        reply_.write_end.reset();
        return process;
    }

    sys::Pipe reply_ = sys::pipe();
    Process process_;
};

/// What the program says it takes; null when it does not say.
json::Value read_metadata(const Project& project, const std::string& path) {
    Program program(project, {path, "compose", "metadata"});
    std::string text;
    program.read([&](std::string_view line) { (text += line) += '\n'; });
    if (program.wait().docker_code() != 0) return {};
    try {
        return json::parse(text);
    } catch (const Error&) {
        return {};
    }
}

/// --NAME=VALUE for each option, of those that the program says it takes when it says so.
std::vector<std::string> option_words(const Node& provider, const json::Value& metadata,
                                      const char* verb) {
    const json::Value& parameters = metadata[verb]["parameters"];
    const auto takes = [&](std::string_view name) {
        if (!parameters.is_array()) return !metadata.is_object();
        for (const json::Value& parameter : parameters.as_array())
            if (parameter["name"].is_string() && parameter["name"].as_string() == name) return true;
        return false;
    };
    if (parameters.is_array())
        for (const json::Value& parameter : parameters.as_array())
            if (parameter["required"].is_bool() && parameter["required"].as_bool() &&
                !provider["options"].find(parameter["name"].as_string()))
                throw Error(ErrorKind::invalid_argument,
                            "required parameter \"{}\" is missing from provider \"{}\" definition",
                            parameter["name"].as_string(), provider["type"].text);
    std::vector<std::string> words;
    for (const Member& option : provider["options"].members)
        for (const std::string& value : option.value.to_texts())
            if (takes(option.key)) words.push_back("--" + option.key + "=" + value);
    return words;
}

struct Message {
    std::string type, text;
};

Message parse_message(std::string_view line, const std::string& service) {
    json::Value message;
    try {
        message = json::parse(line);
    } catch (const Error&) {
        // Told below with what was said.
    }
    if (!message.is_object() || !message["type"].is_string())
        throw Error(ErrorKind::invalid_argument, "service \"{}\": its provider says {}", service,
                    line);
    return {message["type"].as_string(),
            message["message"].is_string() ? message["message"].as_string() : ""};
}

/// Runs `verb` of one service's provider. Returns what it set, NAME -> value.
std::map<std::string, std::string> run_provider(ComposeWork& work, const Project& project,
                                                const std::string& service, const char* verb) {
    const Node& provider = project.get_service(service)["provider"];
    const std::string path = find_provider(provider["type"].text, service);
    std::vector<std::string> words{path, "compose", "--project-name=" + project.name, verb};
    const json::Value metadata = read_metadata(project, path);
    for (std::string& word : option_words(provider, metadata, verb))
        words.push_back(std::move(word));
    words.push_back(service);
    std::map<std::string, std::string> variables;
    Program program(project, std::move(words));
    program.read([&](std::string_view line) {
        if (trim(line).empty()) return;
        const Message message = parse_message(line, service);
        const std::size_t equal = message.text.find('=');
        if (message.type == "error")
            throw Error(ErrorKind::internal, "service \"{}\": {}", service, message.text);
        if (message.type == "info")
            work.reporter.event("Provider", service,
                                message.text.substr(0, message.text.find('\n')));
        else if ((message.type == "setenv" || message.type == "rawsetenv") &&
                 equal != std::string::npos)
            variables[(message.type == "setenv" ? upper(service) + "_" : "") +
                      message.text.substr(0, equal)] = message.text.substr(equal + 1);
        else if (message.type != "debug")
            throw Error(ErrorKind::invalid_argument, "service \"{}\": its provider says {}",
                        service, line);
    });
    if (const ExitStatus status = program.wait(); status.docker_code() != 0)
        throw Error(ErrorKind::internal, "service \"{}\": its provider {} ended with {}", service,
                    provider["type"].text, status.docker_code());
    return variables;
}

std::vector<std::string> provided_services(const Project& project) {
    std::vector<std::string> names;
    for (const std::string& name : compose::dependency_order(project))
        if (project.get_service(name).find("provider")) names.push_back(name);
    return names;
}

/// Gives what a provider set to the services that depend on it, which no longer wait for it.
void hand_on(Project& project, const std::string& provided,
             const std::map<std::string, std::string>& variables) {
    for (Member& member : project.root.find("services")->members) {
        Node* depends_on = member.value.find("depends_on");
        if (!depends_on || !depends_on->erase(provided)) continue;
        Node& environment = member.value.get("environment");
        environment.kind = compose::Kind::mapping;
        for (const auto& [name, value] : variables) environment.set(name, Node::string(value));
    }
    project.root.find("services")->erase(provided);
}

/// What a provider sets is not known before it runs: what the containers have counts as unchanged.
void keep_variables(const Invocation& call, Project& project, const std::string& provided) {
    const compose::State state = call.session.ask([&](client::Client& daemon) {
        return compose::read_state(daemon, project.name, project.directory);
    });
    for (Member& member : project.root.find("services")->members) {
        if (!member.value["depends_on"].find(provided)) continue;
        for (const compose::Container* container : state.of_service(member.key)) {
            const std::string label = container->label(compose::labels::config);
            if (label.empty()) continue;
            const Node before = compose::from_json(json::parse(label));
            Node& environment = member.value.get("environment");
            environment.kind = compose::Kind::mapping;
            for (const Member& variable : before["environment"].members)
                if (!environment.find(variable.key)) environment.set(variable.key, variable.value);
        }
    }
}

}  // namespace

void run_providers(const Invocation& call, ComposeWork& work, Project& project, bool dry_run) {
    for (const std::string& name : provided_services(project)) {
        if (dry_run) {
            call.session.print_line(fmt::format(
                "{}: provide by {}", name, project.get_service(name)["provider"]["type"].text));
            keep_variables(call, project, name);
            hand_on(project, name, {});
            continue;
        }
        work.reporter.event("Provider", name, "Creating");
        const std::map<std::string, std::string> variables =
            run_provider(work, project, name, "up");
        work.reporter.event("Provider", name, "Created");
        hand_on(project, name, variables);
    }
}

void end_providers(ComposeWork& work, const Project& project) {
    std::vector<std::string> names = provided_services(project);
    std::reverse(names.begin(), names.end());
    for (const std::string& name : names) {
        work.reporter.event("Provider", name, "Removing");
        run_provider(work, project, name, "down");
        work.reporter.event("Provider", name, "Removed");
    }
}

}  // namespace hull::cli
