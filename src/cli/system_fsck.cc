#include "cli/format.hh"
#include "cli/own_commands.hh"
#include "cli/session.hh"

#include <fmt/core.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 0, FlagType::text, "'json' or a Go TEMPLATE"},
    {"repair", 0, FlagType::boolean, "Mend what can be mended without losing data"},
    {"verify", 0, FlagType::boolean, "Read every blob and hash it"},
};

std::string describe(const json::Value& report) {
    std::string text;
    for (const json::Value& area : report["Areas"].as_array())
        text += fmt::format("{:<14} {:>10} {:>8} files  {}\n", area["Name"].as_string(),
                            human_size(static_cast<double>(area["Bytes"].as_uint())),
                            area["Files"].as_uint(), area["Contents"].as_string());
    text += fmt::format("{:<14} {:>10}\n", "total",
                        human_size(static_cast<double>(report["Bytes"].as_uint())));
    for (const json::Value& mount : report["Mounts"].as_array())
        text += "mounted: " + mount.as_string() + "\n";
    for (const json::Value& fault : report["Faults"].as_array())
        text += fmt::format(
            "{}: {}: {}: {}\n", fault["Code"].as_string(), fault["Object"].as_string(),
            fault["Text"].as_string(),
            (fault["Repaired"].as_bool() ? "" : "a repair: ") + fault["Repair"].as_string());
    return text;
}

/// 0 when nothing is wrong any more, 4 as fsck(8) when something still is.
int run(Invocation& call) {
    constexpr int faults_left = 4;
    const Arguments& arguments = call.arguments;
    const http::Query query = {{"repair", arguments.flag("repair") ? "1" : "0"},
                               {"verify", arguments.flag("verify") ? "1" : "0"}};
    const json::Value report = call.session.ask(
        [&](client::Client& daemon) { return daemon.post("/system/fsck", query); });
    const std::string& format = arguments.text("format");
    if (format.empty())
        call.session.print(describe(report));
    else
        call.session.print_line(format_object(report, format));
    for (const json::Value& fault : report["Faults"].as_array())
        if (!fault["Repaired"].as_bool()) return faults_left;
    return 0;
}

}  // namespace

const Command system_fsck_command{
    .name = "system fsck",
    .usage = "[OPTIONS]",
    .summary = "Account for everything the daemon keeps, and mend it",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
