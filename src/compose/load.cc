#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "compose/merge.hh"
#include "compose/normalise.hh"
#include "compose/project.hh"
#include "compose/values.hh"
#include "compose/yaml_reader.hh"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

namespace hull::compose {
namespace {

constexpr std::size_t max_file_bytes = 16UL << 20;
constexpr std::size_t max_problems = 20;

std::string base_name(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
}

std::string read_input() {
    std::string text;
    std::array<std::byte, 65536> buffer;
    while (const std::size_t count = sys::read(STDIN_FILENO, buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (text.size() > max_file_bytes)
            throw Error(ErrorKind::invalid_argument, "standard input is longer than 16 MiB");
    }
    return text;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// One file's worth of context.
struct Source {
    std::string path;       ///< absolute; "-" for standard input
    std::string shown;      ///< as messages name it
    std::string directory;  ///< relative paths in it are relative to this
    const Environment* environment = nullptr;
};

/// Reads files with what they extend and include.
class Loader {
public:
    Loader(const LoadOptions& options, Project& project) : options_(options), project_(project) {}

    /// The file's documents as one conformed tree, extends and include resolved.
    Node load_file(const Source& source, Node* below = nullptr) {
        std::string text = with_context(
            [&] {
            return source.path == "-" ? read_input() : read_file(source.path, max_file_bytes);
            },
            "reading {}", source.shown);
        Node whole = Node::mapping({file_name(source.shown), 0, 0});
        for (Node& document : read_yaml(text, source.shown)) {
            conform(document, source);
            import_included(document, source);
            resolve_extends(document, source, below);
            if (document.find("version"))
                warn(
                    fmt::format("{}: the attribute `version` is obsolete, it will be ignored, "
                                "please remove it to avoid potential confusion",
                                source.shown));
            document.erase("version");
            hull::compose::merge(whole, std::move(document), file_schema());
        }
        return whole;
    }

    void warn(std::string text) {
        if (std::find(project_.warnings.begin(), project_.warnings.end(), text) ==
            project_.warnings.end())
            project_.warnings.push_back(std::move(text));
    }

private:
    void conform(Node& document, const Source& source) {
        if (!document.is_mapping())
            throw Error(ErrorKind::invalid_argument,
                        "{}: top-level object must be a mapping, not {}", to_string(document.place),
                        describe(document.kind));
        if (options_.interpolate) interpolate(document, *source.environment, project_.seen);
        Conformer conformer;
        conformer.directory = source.directory;
        conformer.resolve_paths = options_.resolve_paths;
        conformer.conform(document, file_schema(), "");
        throw_problems(conformer.problems);
    }

    static void throw_problems(std::vector<std::string> problems) {
        if (problems.empty()) return;
        const std::size_t count = problems.size();
        if (count > max_problems) {
            problems.resize(max_problems);
            problems.push_back(fmt::format("and {} more", count - max_problems));
        }
        throw Error(ErrorKind::invalid_argument, "{}", join_words(problems, "\n"));
    }

    // extends

    void resolve_extends(Node& document, const Source& source, Node* below) {
        Node* services = document.find("services");
        if (!services) return;
        for (Member& member : services->members) {
            std::vector<std::string> chain;
            extend_service(member.key, member.value, document, source, below, chain);
        }
    }

    /// Merges `service` over what it extends.
    void extend_service(const std::string& name, Node& service, Node& document,
                        const Source& source, Node* below, std::vector<std::string>& chain) {
        const std::string link = source.path + " " + name;
        // What is above us has no `extends` any more: its name in the chain is what tells a cycle.
        if (std::find(chain.begin(), chain.end(), link) != chain.end())
            throw Error(ErrorKind::invalid_argument,
                        "{}: services.{}: circular reference: a service cannot extend itself",
                        to_string(service.place), name);
        const Node* extends = service.is_mapping() ? service.find("extends") : nullptr;
        if (!extends || extends->is_null()) return;
        chain.push_back(link);
        const std::string base_service = (*extends)["service"].text;
        const Node file = (*extends)["file"];
        const Place at = extends->place;
        service.erase("extends");
        Node base;
        if (file.text.empty()) {
            base = find_base(name, base_service, at, document, source, below, chain);
        } else {
            Source other{resolve_path(source.directory, file.text), file.text, "",
                         source.environment};
            other.directory = parent_directory(other.path);
            if (!exists(other.path))
                throw Error(ErrorKind::not_found, "{}: services.{}.extends: no such file: {}",
                            to_string(file.place), name, other.path);
            base = load_base(name, base_service, at, other, chain);
        }
        hull::compose::merge(base, std::move(service), service_schema());
        service = std::move(base);
        chain.pop_back();
    }

    Node find_base(const std::string& name, const std::string& wanted, const Place& at,
                   Node& document, const Source& source, Node* below,
                   std::vector<std::string>& chain) {
        Node* services = document.find("services");
        Node* base = services ? services->find(wanted) : nullptr;
        if (!base && below && below->find("services")) base = below->find("services")->find(wanted);
        if (!base || !base->is_mapping()) refuse_base(name, wanted, at, services);
        // A copy: what the base itself extends is merged into it when its turn comes.
        Node copy = *base;
        extend_service(wanted, copy, document, source, below, chain);
        return copy;
    }

    Node load_base(const std::string& name, const std::string& wanted, const Place& at,
                   const Source& other, std::vector<std::string>& chain) {
        auto found = extended_.find(other.path);
        if (found == extended_.end()) {
            Node whole = Node::mapping();
            const std::string text = read_file(other.path, max_file_bytes);
            for (Node& document : read_yaml(text, other.shown)) {
                conform(document, other);
                hull::compose::merge(whole, std::move(document), file_schema());
            }
            found = extended_.emplace(other.path, std::move(whole)).first;
        }
        Node document = found->second;
        Node* services = document.find("services");
        Node* base = services ? services->find(wanted) : nullptr;
        if (!base || !base->is_mapping()) refuse_base(name, wanted, at, services);
        Node copy = *base;
        extend_service(wanted, copy, document, other, nullptr, chain);
        return copy;
    }

    [[noreturn]] static void refuse_base(const std::string& name, const std::string& wanted,
                                         const Place& at, const Node* services) {
        std::vector<std::string_view> names;
        if (services)
            for (const Member& member : services->members) names.push_back(member.key);
        const std::string near = nearest(wanted, names);
        throw Error(ErrorKind::invalid_argument,
                    "{}: cannot extend service \"{}\": service \"{}\" not found{}", to_string(at),
                    name, wanted, near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
    }

    // include

    void import_included(Node& document, const Source& source) {
        const Node* include = document.find("include");
        if (!include) return;
        const Node items = *include;
        document.erase("include");
        for (const Node& item : items.items) {
            Node included = load_included(item, source);
            for (const char* section :
                 {"services", "networks", "volumes", "secrets", "configs", "models"})
                import(document, included, section);
        }
    }

    Node load_included(const Node& item, const Source& source) {
        const std::vector<std::string> paths = item["path"].to_texts();
        if (paths.empty())
            throw Error(ErrorKind::invalid_argument, "{}: include: path is required",
                        to_string(item.place));
        for (const std::string& path : paths)
            if (path.find("://") != std::string::npos || path.starts_with("git@"))
                throw Error(ErrorKind::unsupported,
                            "{}: include: {} is remote: only files can be included",
                            to_string(item.place), path);
        const std::string first = resolve_path(source.directory, paths[0]);
        const std::string& wanted = item["project_directory"].text;
        const std::string directory =
            wanted.empty() ? parent_directory(first) : resolve_path(source.directory, wanted);
        if (std::find(including_.begin(), including_.end(), first) != including_.end() ||
            first == source.path)
            throw Error(ErrorKind::invalid_argument,
                        "{}: include cycle detected: {} includes itself", to_string(item.place),
                        paths[0]);
        including_.push_back(first);
        Environment environment = *source.environment;
        std::vector<std::string> env_files;
        for (const std::string& path : item["env_file"].to_texts())
            env_files.push_back(resolve_path(source.directory, path));
        if (env_files.empty() && exists(directory + "/.env"))
            env_files.push_back(directory + "/.env");
        for (const std::string& path : env_files) {
            if (!exists(path))
                throw Error(ErrorKind::not_found, "{}: include.env_file: no such file: {}",
                            to_string(item["env_file"].place), path);
            for (const EnvironmentLine& line :
                 parse_env_file(read_file(path), path, lookup_in(environment)))
                if (line.value) environment.try_emplace(line.name, Variable{*line.value, path});
        }
        Node whole = Node::mapping();
        for (const std::string& path : paths) {
            Source other{resolve_path(source.directory, path), path, directory, &environment};
            if (!exists(other.path))
                throw Error(ErrorKind::not_found, "{}: include: no such file: {}",
                            to_string(item.place), other.path);
            hull::compose::merge(whole, load_file(other, &whole), file_schema());
        }
        including_.pop_back();
        return whole;
    }

    static void import(Node& document, Node& included, const char* section) {
        Node* resources = included.find(section);
        if (!resources || !resources->is_mapping()) return;
        for (Member& member : resources->members) {
            Node& here = document.get(section, resources->place);
            if (here.is_null()) here.kind = Kind::mapping;
            if (const Node* known = here.find(member.key)) {
                if (!same_value(*known, member.value))
                    throw Error(ErrorKind::invalid_argument,
                                "{}: {}.{} conflicts with imported resource ({})",
                                to_string(known->place), section, member.key,
                                to_string(member.place));
                continue;
            }
            here.members.push_back(std::move(member));
        }
    }

    const LoadOptions& options_;
    Project& project_;
    std::map<std::string, Node> extended_;
    std::vector<std::string> including_;
};

// Where the files are

constexpr const char* file_names[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                      "docker-compose.yaml"};
constexpr const char* override_names[] = {"compose.override.yml", "compose.override.yaml",
                                          "docker-compose.override.yml",
                                          "docker-compose.override.yaml"};

std::optional<std::string> find_in(const std::string& directory,
                                   std::span<const char* const> names) {
    for (const char* name : names)
        if (exists(join(directory, name))) return join(directory, name);
    return {};
}

std::vector<std::string> discover(const std::string& start) {
    for (std::string directory = start;; directory = parent_directory(directory)) {
        if (const auto file = find_in(directory, file_names)) {
            std::vector<std::string> files{*file};
            if (const auto more = find_in(directory, override_names)) files.push_back(*more);
            return files;
        }
        if (directory == "/" || directory == ".") break;
    }
    throw Error(
        ErrorKind::not_found,
        "no configuration file provided: not found: make a compose.yaml in {} or name one with -f",
        start);
}

void read_env_files(Project& project, const std::vector<std::string>& paths, bool required) {
    for (const std::string& path : paths) {
        if (!exists(path)) {
            if (required) throw Error(ErrorKind::not_found, "couldn't find env file: {}", path);
            continue;
        }
        const Environment shell = project.environment;
        const std::string shown = base_name(path);
        for (const EnvironmentLine& line :
             parse_env_file(read_file(path), path, lookup_in(shell))) {
            if (!line.value) continue;
            auto [entry, is_new] =
                project.environment.try_emplace(line.name, Variable{*line.value, shown});
            // A later env file wins over an earlier one, never over the shell.
            if (!is_new && entry->second.source != "the environment")
                entry->second = {*line.value, shown};
        }
        project.env_files.push_back(path);
    }
}

const std::string* find_variable(const Project& project, std::string_view name) {
    const auto found = project.environment.find(name);
    return found == project.environment.end() || found->second.value.empty() ? nullptr
                                                                             : &found->second.value;
}

/// Files, directory and environment of the project; its files are not opened.
void locate(Project& project, const LoadOptions& options, bool need_files) {
    project.environment = own_environment();
    std::string directory;
    if (!options.project_directory.empty())
        directory = resolve_path(options.working_directory, options.project_directory);
    std::vector<std::string> env_files;
    for (const std::string& path : options.env_files)
        env_files.push_back(resolve_path(options.working_directory, path));
    if (env_files.empty())
        if (const std::string* listed = find_variable(project, "COMPOSE_ENV_FILES"))
            for (const std::string& path : split_nonempty(*listed, ','))
                env_files.push_back(resolve_path(options.working_directory, path));
    const std::string* no_env = find_variable(project, "COMPOSE_DISABLE_ENV_FILE");
    const bool use_default_env =
        env_files.empty() && !(no_env && parse_boolean(*no_env).value_or(false));
    if (!env_files.empty()) read_env_files(project, env_files, true);

    std::vector<std::string> files = options.files;
    if (files.empty() && use_default_env && options.files.empty()) {
        const std::string here = directory.empty() ? options.working_directory : directory;
        read_env_files(project, {join(here, ".env")}, false);
    }
    if (files.empty()) {
        if (const std::string* listed = find_variable(project, "COMPOSE_FILE")) {
            const std::string* separator = find_variable(project, "COMPOSE_PATH_SEPARATOR");
            files = split_nonempty(*listed, separator ? (*separator)[0] : ':');
        }
    }
    for (const std::string& file : files)
        project.files.push_back(file == "-" ? file : resolve_path(options.working_directory, file));
    if (files.empty()) {
        try {
            project.files = discover(directory.empty() ? options.working_directory : directory);
        } catch (const Error&) {
            if (need_files) throw;
        }
    }
    if (directory.empty())
        directory = project.files.empty() || project.files[0] == "-"
                        ? options.working_directory
                        : parent_directory(project.files[0]);
    project.directory = directory;
    if (use_default_env && project.env_files.empty())
        read_env_files(project, {join(directory, ".env")}, false);
    project.environment.try_emplace("PWD", Variable{directory, "the project's directory"});
}

std::string normal_name(std::string_view text) {
    std::string name;
    for (const char letter : lower(text))
        if (std::isalnum(static_cast<unsigned char>(letter)) || letter == '_' || letter == '-')
            name += letter;
    name.erase(0, std::min(name.find_first_not_of("_-"), name.size()));
    return name;
}

void check_name(const std::string& name) {
    if (!name.empty() && name == normal_name(name)) return;
    throw Error(ErrorKind::invalid_argument,
                "invalid project name \"{}\": must consist only of lowercase alphanumeric "
                "characters, hyphens, and underscores as well as "
                "start with a letter or number",
                name);
}

/// The name that the command line or the environment gives; "" when they give none.
std::string given_name(const Project& project, const LoadOptions& options) {
    if (!options.project_name.empty()) return options.project_name;
    const std::string* name = find_variable(project, "COMPOSE_PROJECT_NAME");
    return name ? *name : "";
}

/// `name:` of the last file that has one, interpolated.
std::string name_in_files(const Project& project, const std::vector<std::vector<Node>>& documents) {
    std::string name;
    for (const std::vector<Node>& file : documents)
        for (const Node& document : file)
            if (const Node* node = document.is_mapping() ? document.find("name") : nullptr;
                node && node->is_string()) {
                Interpolation seen;
                name = with_context(
                    [&] { return interpolate_text(node->text, project.environment, seen); },
                    "{}: name", to_string(node->place));
            }
    return name;
}

std::string shown_path(const std::string& path, const std::string& working_directory) {
    const std::string prefix = working_directory == "/" ? "/" : working_directory + "/";
    return path.starts_with(prefix) ? path.substr(prefix.size()) : path;
}

/// False when no line begins with the key `name`, however it is written.
bool may_name_project(std::string_view text) {
    for (const std::string_view line : split_views(text, '\n')) {
        const std::size_t first = line.find_first_not_of("{ \t\"'?");
        if (first != std::string_view::npos && line.substr(first).starts_with("name")) return true;
    }
    return text.starts_with('{');
}

void choose_name(Project& project, const LoadOptions& options, bool read_files) {
    project.name = given_name(project, options);
    if (project.name.empty() && read_files) {
        std::vector<std::vector<Node>> documents;
        for (const std::string& file : project.files) {
            if (file == "-") continue;
            const std::string text = read_file(file, max_file_bytes);
            // Most files name no project: those are read only once.
            if (!may_name_project(text)) continue;
            documents.push_back(read_yaml(text, shown_path(file, options.working_directory)));
        }
        project.name = name_in_files(project, documents);
    }
    if (project.name.empty()) project.name = normal_name(base_name(project.directory));
    if (project.name.empty())
        throw Error(ErrorKind::invalid_argument,
                    "project name must not be empty: name the project with -p or name:");
    check_name(project.name);
    project.environment["COMPOSE_PROJECT_NAME"] = {project.name, "the project's name"};
}

void choose_profiles(Project& project, const LoadOptions& options) {
    project.active_profiles = options.profiles;
    if (const std::string* listed = find_variable(project, "COMPOSE_PROFILES"))
        for (std::string& profile : split_nonempty(*listed, ','))
            project.active_profiles.push_back(std::string(trim(profile)));
}

}  // namespace

std::optional<std::string> find_project_name(const LoadOptions& options) {
    Project project;
    locate(project, options, false);
    if (project.files.empty()) {
        std::string name = given_name(project, options);
        if (name.empty()) return {};
        check_name(name);
        return name;
    }
    choose_name(project, options, true);
    return project.name;
}

Project load_project(const LoadOptions& options) {
    Project project;
    locate(project, options, true);
    for (const std::string& file : project.files)
        if (file != "-" && !exists(file))
            throw Error(ErrorKind::not_found, "open {}: no such file or directory", file);
    choose_name(project, options, true);
    choose_profiles(project, options);
    Loader loader(options, project);
    Node whole = Node::mapping();
    for (const std::string& file : project.files) {
        const Source source{file,
                            file == "-" ? "<stdin>" : shown_path(file, options.working_directory),
                            project.directory, &project.environment};
        Node above = loader.load_file(source, &whole);
        merge(whole, std::move(above), file_schema());
    }
    drop_resets(whole);
    for (const auto& [name, where] : project.seen.unset)
        loader.warn(
            fmt::format("The \"{}\" variable is not set. Defaulting to a blank string.", name));
    project.root = std::move(whole);
    normalise(project, options);
    return project;
}

}  // namespace hull::compose
