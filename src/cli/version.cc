#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/session.hh"

#include <sys/utsname.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
};

std::string architecture() {
    struct utsname names = {};
    ::uname(&names);
    const std::string_view machine = names.machine;
    return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : std::string(machine);
}

json::Object client_version(const std::string& api_version) {
    return json::Object{
        {"Version", HULL_VERSION}, {"ApiVersion", api_version},
        {"GitCommit", ""},         {"GoVersion", ""},
        {"Os", "linux"},           {"Arch", architecture()},
        {"BuildTime", ""},         {"Context", "default"},
    };
}

/// Templates use Go's names, which differ from JSON's in one member.
void add_go_names(json::Value& part) {
    if (!part.is_object()) return;
    json::Value version = std::as_const(part)["ApiVersion"];  // a copy: adding a member moves them
    part["APIVersion"] = std::move(version);
}

std::string text_of(const json::Value& value) { return value.is_string() ? value.as_string() : ""; }

void add_line(std::string& text, int indent, std::string_view name, const std::string& value) {
    if (value.empty()) return;
    text +=
        fmt::format("{:{}}{:<{}} {}\n", "", indent, fmt::format("{}:", name), 19 - indent, value);
}

std::string describe(const json::Value& versions) {
    const json::Value& client = versions["Client"];
    const json::Value& server = versions["Server"];
    std::string text = "Client:\n";
    add_line(text, 1, "Version", text_of(client["Version"]));
    add_line(text, 1, "API version", text_of(client["ApiVersion"]));
    add_line(text, 1, "OS/Arch", text_of(client["Os"]) + "/" + text_of(client["Arch"]));
    add_line(text, 1, "Context", text_of(client["Context"]));
    if (!server.is_object()) return text;
    text += "\nServer:";
    if (const std::string platform = text_of(server["Platform"]["Name"]); !platform.empty())
        text += " " + platform;
    text += "\n Engine:\n";
    add_line(text, 2, "Version", text_of(server["Version"]));
    add_line(text, 2, "API version",
             fmt::format("{} (minimum version {})", text_of(server["ApiVersion"]),
                         text_of(server["MinAPIVersion"])));
    add_line(text, 2, "Go version", text_of(server["GoVersion"]));
    add_line(text, 2, "Git commit", text_of(server["GitCommit"]));
    add_line(text, 2, "Built", text_of(server["BuildTime"]));
    add_line(text, 2, "OS/Arch", text_of(server["Os"]) + "/" + text_of(server["Arch"]));
    add_line(text, 2, "Kernel", text_of(server["KernelVersion"]));
    const json::Value& components = server["Components"];
    if (!components.is_array()) return text;
    for (const json::Value& component : components.as_array()) {
        if (text_of(component["Name"]) == "Engine") continue;
        text += fmt::format(" {}:\n", text_of(component["Name"]));
        add_line(text, 2, "Version", text_of(component["Version"]));
        add_line(text, 2, "GitCommit", text_of(component["Details"]["GitCommit"]));
    }
    return text;
}

int run(Invocation& call) {
    json::Value versions{json::Object{}};
    std::string problem;
    std::string api_version = call.session.api_version;
    json::Value server;
    try {
        server = call.session.ask([](client::Client& daemon) { return daemon.get("/version"); });
        if (api_version.empty()) api_version = text_of(std::as_const(server)["ApiVersion"]);
    } catch (const Error& error) {
        problem = error.message();
    }
    versions["Client"] = client_version(api_version);
    versions["Server"] = std::move(server);
    const std::string& format = call.arguments.text("format");
    if (format.empty()) {
        call.session.print(describe(versions));
    } else {
        if (format != "json") {
            add_go_names(versions["Client"]);
            add_go_names(versions["Server"]);
        }
        // Without a daemon a template over .Server has nothing to show: the problem is the answer.
        if (problem.empty() || format.find(".Server") == std::string::npos)
            call.session.print(format_object(versions, format));
    }
    if (problem.empty()) return 0;
    call.session.complain(problem);
    return 1;
}

}  // namespace

const Command version_command{
    .name = "version",
    .usage = "[OPTIONS]",
    .summary = "Show the versions of client and daemon",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
