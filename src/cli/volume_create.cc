#include "api/types/volume.hh"
#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"driver", 'd', FlagType::text, "What keeps the volume", "local"},
    {"label", 0, FlagType::list, "Label of the volume (NAME=VALUE)", "", check_label},
    {"name", 0, FlagType::text, "Name of the volume", "", nullptr, true},
    {"opt", 'o', FlagType::map, "Option of the driver"},
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    api::VolumeCreateRequest request;
    request.name = arguments.text("name");
    if (!arguments.positional.empty()) {
        if (!request.name.empty())
            throw Error(ErrorKind::invalid_argument,
                        "conflicting options: either specify --name or provide positional arg, "
                        "not both");
        request.name = arguments.positional[0];
    }
    request.driver = arguments.text("driver");
    if (arguments.given("opt")) request.driver_opts = make_string_map(arguments.list("opt"));
    if (arguments.given("label")) request.labels = make_string_map(arguments.list("label"));
    const auto volume = api::parse<api::Volume>(call.session.ask([&](client::Client& daemon) {
        return daemon.post("/volumes/create", {}, to_json(request));
    }));
    call.session.print_line(volume.name);
    return 0;
}

}  // namespace

const Command volume_create_command{
    .name = "volume create",
    .usage = "[OPTIONS] [VOLUME]",
    .summary = "Create a volume",
    .args = at_most(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
