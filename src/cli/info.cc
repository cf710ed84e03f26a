#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
};

void add_line(std::string& text, std::string_view name, const json::Value& value) {
    if (!value.is_null()) text += fmt::format(" {}: {}\n", name, print_go(value));
}

void add_names(std::string& text, std::string_view name, const json::Value& names) {
    if (!names.is_array()) return;
    text += fmt::format("  {}:", name);
    for (const json::Value& item : names.as_array()) text += " " + print_go(item);
    text += "\n";
}

std::string describe(const json::Value& info) {
    std::string text =
        fmt::format("Client:\n Version:    {}\n Context:    default\n\nServer:\n", HULL_VERSION);
    add_line(text, "Containers", info["Containers"]);
    for (std::string_view state : {"Running", "Paused", "Stopped"})
        text += " " +
                fmt::format(" {}: {}\n", state, print_go(info[fmt::format("Containers{}", state)]));
    add_line(text, "Images", info["Images"]);
    add_line(text, "Server Version", info["ServerVersion"]);
    add_line(text, "Storage Driver", info["Driver"]);
    if (info["DriverStatus"].is_array())
        for (const json::Value& pair : info["DriverStatus"].as_array())
            if (pair.is_array() && pair.as_array().size() == 2)
                text += fmt::format("  {}: {}\n", print_go(pair.as_array()[0]),
                                    print_go(pair.as_array()[1]));
    add_line(text, "Logging Driver", info["LoggingDriver"]);
    add_line(text, "Cgroup Driver", info["CgroupDriver"]);
    add_line(text, "Cgroup Version", info["CgroupVersion"]);
    text += " Plugins:\n";
    for (std::string_view kind : {"Volume", "Network", "Log"})
        add_names(text, kind, info["Plugins"][kind]);
    if (info["Runtimes"].is_object()) {
        text += " Runtimes:";
        for (const auto& [name, runtime] : info["Runtimes"].as_object()) text += " " + name;
        text += "\n";
    }
    add_line(text, "Default Runtime", info["DefaultRuntime"]);
    add_line(text, "Init Binary", info["InitBinary"]);
    if (info["SecurityOptions"].is_array()) {
        text += " Security Options:\n";
        for (const json::Value& option : info["SecurityOptions"].as_array()) {
            const std::string name = print_go(option);
            text += "  " + (name.starts_with("name=") ? name.substr(5) : name) + "\n";
        }
    }
    add_line(text, "Kernel Version", info["KernelVersion"]);
    add_line(text, "Operating System", info["OperatingSystem"]);
    add_line(text, "OSType", info["OSType"]);
    add_line(text, "Architecture", info["Architecture"]);
    add_line(text, "CPUs", info["NCPU"]);
    if (info["MemTotal"].is_number())
        add_line(text, "Total Memory", human_binary_size(info["MemTotal"].as_double()));
    add_line(text, "Name", info["Name"]);
    add_line(text, "ID", info["ID"]);
    add_line(text, "Docker Root Dir", info["DockerRootDir"]);
    add_line(text, "Debug Mode", info["Debug"]);
    add_line(text, "Experimental", info["ExperimentalBuild"]);
    add_line(text, "Live Restore Enabled", info["LiveRestoreEnabled"]);
    return text + "\n";
}

int run(Invocation& call) {
    json::Value info = call.session.ask([](client::Client& daemon) { return daemon.get("/info"); });
    const std::string& format = call.arguments.text("format");
    if (!format.empty()) {
        info["ClientInfo"] = json::Object{{"Debug", call.session.debug},
                                          {"Version", HULL_VERSION},
                                          {"Context", "default"},
                                          {"Plugins", json::Array{}},
                                          {"Warnings", nullptr}};
        call.session.print(format_object(info, format));
        return 0;
    }
    call.session.print(describe(info));
    const json::Value& warnings = std::as_const(info)["Warnings"];
    if (warnings.is_array())
        for (const json::Value& warning : warnings.as_array())
            call.session.complain(print_go(warning));
    return 0;
}

}  // namespace

const Command info_command{
    .name = "system info",
    .aliases = {"info"},
    .usage = "[OPTIONS]",
    .summary = "Show the state of the daemon",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
