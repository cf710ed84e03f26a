#include "cli/build_report.hh"

#include "base/error.hh"
#include "cli/format.hh"
#include "cli/session.hh"

#include <map>
#include <vector>

namespace hull::cli {
namespace {

json::Value get_record(Session& session, const std::string& id) {
    return session.ask([&](client::Client& daemon) { return daemon.get("/build/history/" + id); });
}

std::string title_of(const json::Value& step, const json::Value& record) {
    return fmt::format("Step {}/{} : {}", step["number"].as_uint(), record["stepCount"].as_uint(),
                       step["text"].as_string());
}

/// "" when there is none.
std::string describe(const json::Value& sum, std::string_view what) {
    if (sum["bytes"].as_uint() == 0) return "";
    std::string text =
        fmt::format("  {} {} ({} {})\n", human_size(static_cast<double>(sum["bytes"].as_uint())),
                    what, sum["files"].as_uint(), sum["files"].as_uint() == 1 ? "file" : "files");
    for (const json::Value& file : sum["largest"].as_array())
        text +=
            fmt::format("    {:>8}  {}\n", human_size(static_cast<double>(file["bytes"].as_uint())),
                        file["path"].as_string());
    return text;
}

}  // namespace

void print_waste(Session& session, const std::string& record_id) {
    const json::Value record = get_record(session, record_id);
    std::map<std::string, const json::Value*> steps;
    for (const json::Value& step : record["steps"].as_array())
        if (!step["layer"].as_string().empty()) steps[step["layer"].as_string()] = &step;
    std::string text;
    std::uint64_t bytes = 0;
    if (record["waste"].is_array())
        for (const json::Value& layer : record["waste"].as_array()) {
            const std::string found =
                describe(layer["unchanged"], "stored again unchanged") +
                describe(layer["metadata"], "stored again for another mode, owner or attribute") +
                describe(layer["deleted"], "deleted or replaced by a later step");
            for (const char* kind : {"unchanged", "metadata", "deleted"})
                bytes += layer[kind]["bytes"].as_uint();
            if (found.empty()) continue;
            const auto step = steps.find(layer["layer"].as_string());
            text += (step == steps.end() ? layer["layer"].as_string()
                                         : title_of(*step->second, record)) +
                    "\n" + found;
        }
    text +=
        bytes ? fmt::format("{} are stored for nothing.\n", human_size(static_cast<double>(bytes)))
              : "Nothing is stored for nothing.\n";
    session.print(text);
}

int verify_build(Session& session, const FinishedBuild& first, const std::string& second_id,
                 const std::function<std::string()>& build_again) {
    const std::string second_image = session.ask([&](client::Client&) { return build_again(); });
    if (second_image.empty())
        throw Error(ErrorKind::internal, "the second build failed: {} build logs {} shows why",
                    session.program, second_id);
    if (second_image == first.image_id) {
        session.print_line("Verified: built twice, both times " + first.image_id);
        return 0;
    }
    const json::Value one = get_record(session, first.record_id),
                      two = get_record(session, second_id);
    std::map<std::uint64_t, const json::Value*> steps;
    for (const json::Value& step : one["steps"].as_array()) steps[step["number"].as_uint()] = &step;
    session.complain(
        fmt::format("built twice, and not the same: {} and {}", first.image_id, second_image));
    for (const json::Value& step : two["steps"].as_array()) {
        const auto other = steps.find(step["number"].as_uint());
        if (other == steps.end() || (*other->second)["layer"] == step["layer"]) continue;
        session.complain("  differs: " + title_of(step, two));
    }
    try {
        session.ask(
            [&](client::Client& daemon) { daemon.remove_image(second_image, false, false); });
    } catch (const Error& error) {
        session.complain(error.message());
    }
    return 1;
}

}  // namespace hull::cli
