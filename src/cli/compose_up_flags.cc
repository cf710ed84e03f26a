#include "cli/compose_up_flags.hh"

#include "base/error.hh"
#include "cli/compose_build.hh"
#include "cli/confirm.hh"
#include "cli/pull.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/words.hh"
#include "compose/hash.hh"
#include "compose/resource_change.hh"
#include "compose/values.hh"

#include <unistd.h>

#include <cstdlib>

namespace hull::cli {
namespace {

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value && compose::parse_boolean(value).value_or(false);
}

void tell_orphans(ComposeWork& work, const compose::Plan& plan, const compose::UpOptions& options) {
    if (plan.orphans.empty() || options.remove_orphans || is_set("COMPOSE_IGNORE_ORPHANS")) return;
    std::vector<std::string> names;
    for (const compose::Container& orphan : plan.orphans) names.push_back(orphan.name);
    work.reporter.warn(
        fmt::format("Found orphan containers ([{}]) for this project. If you removed or renamed "
                    "this service in your compose file, you can run this "
                    "command with the --remove-orphans flag to clean it up.",
                    join_text(names, " ")));
}

/// What says "Error response from daemon" by itself, within what says so, too.
template <typename Body>
void without_prefix(const Body& body) {
    constexpr std::string_view prefix = "Error response from daemon: ";
    try {
        body();
    } catch (const Error& error) {
        if (!std::string_view(error.message()).starts_with(prefix)) throw;
        throw Error(error.kind(), "{}", error.message().substr(prefix.size()));
    }
}

/// What is there already, without getting anything: for --dry-run.
std::map<std::string, std::string> present_images(ComposeWork& work,
                                                  const compose::Project& project) {
    std::map<std::string, std::string> ids;
    client::Client daemon = work.connect();
    for (const std::string& name : project.service_names()) {
        const std::string image = compose::image_of(project, name);
        ids[name] = compose::find_image(daemon, image);
        if (ids[name].empty())
            work.reporter.event("Image", image,
                                project.get_service(name).find("build") ? "Building" : "Pulling");
    }
    return ids;
}

}  // namespace

std::map<std::string, int> parse_scale(const compose::Project& project,
                                       const std::vector<std::string>& items) {
    std::map<std::string, int> scale;
    for (const std::string& item : items) {
        const std::size_t equal = item.find('=');
        const auto count = equal == std::string::npos
                               ? std::nullopt
                               : compose::parse_integer(std::string_view(item).substr(equal + 1));
        if (!count || *count < 0)
            throw Error(ErrorKind::invalid_argument,
                        "invalid --scale option \"{}\". Should be SERVICE=NUM", item);
        const std::string service = item.substr(0, equal);
        if (project.get_service(service).find("container_name") && *count > 1)
            throw Error(ErrorKind::invalid_argument,
                        "service \"{}\" cannot be scaled: its container_name can exist only once",
                        service);
        scale[service] = static_cast<int>(*count);
    }
    return scale;
}

compose::UpOptions compose_up_options(const Arguments& arguments) {
    compose::UpOptions options;
    options.force_recreate = arguments.flag("force-recreate");
    options.no_recreate = arguments.flag("no-recreate");
    if (options.force_recreate && options.no_recreate)
        throw Error(ErrorKind::invalid_argument,
                    "--force-recreate and --no-recreate are incompatible");
    options.remove_orphans = arguments.flag("remove-orphans") || is_set("COMPOSE_REMOVE_ORPHANS");
    options.yes = arguments.flag("yes");
    options.targets = arguments.positional;
    return options;
}

std::string compose_pull_policy(const Arguments& arguments) {
    const std::string& pull = arguments.text("pull");
    for (const char* known : {"always", "missing", "never", "build"})
        if (pull == known) return pull;
    if (pull != "policy")
        throw Error(ErrorKind::invalid_argument,
                    "invalid --pull option \"{}\": always, missing, never or build", pull);
    return "";
}

compose::ImageOptions compose_image_options(const Arguments& arguments) {
    compose::ImageOptions options;
    options.build = arguments.flag("build");
    options.no_build = arguments.flag("no-build");
    if (options.build && options.no_build)
        throw Error(ErrorKind::invalid_argument, "--build and --no-build are incompatible");
    options.pull = compose_pull_policy(arguments);
    return options;
}

compose::ImageMaker compose_image_maker(const Invocation& call, const compose::Project& project,
                                        bool quiet_pull, bool quiet_build) {
    compose::ImageMaker maker;
    maker.pull = [&call, quiet_pull](const std::string& image, const std::string& platform) {
        without_prefix([&] {
            pull_image(call.session, image, platform,
                       quiet_pull ? PullOutput::quiet : PullOutput::standard_error);
        });
    };
    maker.build = [&call, &project, quiet_build](const std::vector<std::string>& services) {
        ComposeBuildOptions options;
        options.quiet = quiet_build;
        without_prefix([&] { build_compose_services(call.session, project, services, options); });
    };
    return maker;
}

PreparedUp prepare_up(const Invocation& call, ComposeWork& work, const compose::Project& project,
                      const compose::UpOptions& options, const compose::ImageOptions& images,
                      const compose::ImageMaker& maker, bool dry_run) {
    PreparedUp prepared;
    client::Client daemon = work.connect();
    compose::drop_changed_volumes(daemon, work.work, project, dry_run,
                                  [&](const std::string& question) {
        return options.yes || (is_terminal(STDIN_FILENO) && confirm(call.session, question + "\n"));
    });
    prepared.state = call.session.ask([&](client::Client& connection) {
        return compose::read_state(connection, project.name, project.directory);
    });
    compose::refuse_other_directories(prepared.state, project);
    prepared.image_ids = dry_run ? present_images(work, project)
                                 : compose::ensure_images(work.work, project, images, maker);
    prepared.plan = compose::make_plan(project, prepared.state, prepared.image_ids, options);
    tell_orphans(work, prepared.plan, options);
    return prepared;
}

}  // namespace hull::cli
