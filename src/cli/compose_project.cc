#include "cli/compose_project.hh"

#include "base/error.hh"
#include "cli/session.hh"
#include "cli/words.hh"

#include <unistd.h>

#include <cstdlib>

namespace hull::cli {
namespace {

std::string current_directory() {
    char* text = ::getcwd(nullptr, 0);
    if (!text) throw_errno(errno, "getcwd");
    std::string directory = text;
    std::free(text);
    return directory;
}

}  // namespace

compose::LoadOptions compose_load_options(const Invocation& call) {
    const Arguments& global = *call.session.group_arguments;
    compose_ansi(call.session);  // a word that is none is told by every command
    compose::LoadOptions options;
    options.working_directory = current_directory();
    options.files = global.list("file");
    options.project_name = global.text("project-name");
    options.project_directory = global.text("project-directory").empty()
                                    ? global.text("workdir")
                                    : global.text("project-directory");
    options.env_files = global.list("env-file");
    options.profiles = global.list("profile");
    options.all_resources = global.flag("all-resources");
    return options;
}

compose::Project load_compose_project(const Invocation& call, const compose::LoadOptions& options) {
    compose::Project project = compose::load_project(options);
    for (const std::string& warning : project.warnings)
        call.session.complain("WARNING: " + warning);
    return project;
}

compose::Project load_compose_project(const Invocation& call) {
    return load_compose_project(call, compose_load_options(call));
}

std::string compose_ansi(const Session& session) {
    const Arguments& global = *session.group_arguments;
    if (global.flag("no-ansi")) return "never";
    const char* chosen = std::getenv("COMPOSE_ANSI");
    const std::string ansi =
        global.given("ansi") || !chosen || !*chosen ? global.text("ansi") : chosen;
    if (ansi != "never" && ansi != "always" && ansi != "auto")
        throw Error(ErrorKind::invalid_argument,
                    "unsupported --ansi value \"{}\": never, always or auto", ansi);
    return ansi;
}

bool compose_dry_run(const Invocation& call) {
    return call.session.group_arguments->flag("dry-run") || call.arguments.flag("dry-run");
}

}  // namespace hull::cli
