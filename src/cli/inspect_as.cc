#include "base/error.hh"
#include "cli/inspect.hh"
#include "cli/recipe.hh"
#include "cli/session.hh"

namespace hull::cli {

int print_recipes(Session& session, const std::vector<std::string>& names,
                  const std::string& form) {
    if (form != "run" && form != "compose")
        throw Error(ErrorKind::invalid_argument,
                    "--as {}: must be \"run\" (a command) or \"compose\" (a Compose file)", form);
    const api::SystemInfo info = session.ask([](client::Client& daemon) { return daemon.info(); });
    for (const std::string& name : names) {
        const Recipe recipe = session.ask([&](client::Client& daemon) {
            const api::ContainerInspect container = daemon.inspect_container(name);
            const auto image =
                api::parse<api::ImageInspect>(daemon.inspect_image_json(container.image));
            return make_recipe(container, image, {info.logging_driver, info.default_runtime});
        });
        session.print(form == "run" ? format_run(recipe, session.program) : format_compose(recipe));
    }
    return 0;
}

}  // namespace hull::cli
