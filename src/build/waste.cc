#include "build/waste.hh"

#include "base/hash.hh"
#include "build/builder.hh"
#include "engine/files_run.hh"

#include <fmt/core.h>

namespace hull::build {

namespace {

constexpr std::uint64_t least_told_bytes = 100'000;
constexpr std::size_t most_remembered = 1000;

}  // namespace

json::Value Builder::find_waste(const std::vector<std::string>& diff_ids, std::size_t own,
                                StopEvent& stop) {
    if (own == 0) return json::Array();
    std::string key = std::to_string(own);
    for (const std::string& diff_id : diff_ids) key += " " + diff_id;
    key = sha256_hex(key);
    {
        const auto known = waste_.lock();
        if (const auto found = known->find(key); found != known->end()) return found->second;
    }
    engine::FilesCommand command;
    command.program = join(options_.programs, "hull-files");
    command.request.verb = files::Verb::waste;
    command.request.rootfs = store_.prepare_rootfs(diff_ids, "", "");
    command.request.own_layers = own;
    command.request.container = "build";
    json::Value waste = json::Array();
    command.on_message = [&](const json::Value& message) {
        if (message["waste"].is_array()) waste = message["waste"];
    };
    engine::run_files(
        command, [](const auto&) {}, &stop);
    const auto known = waste_.lock();
    if (known->size() >= most_remembered) known->clear();
    (*known)[key] = waste;
    return waste;
}

std::string waste_summary(const json::Value& waste) {
    std::uint64_t bytes = 0;
    for (const json::Value& layer : waste.as_array())
        for (const char* kind : {"unchanged", "metadata", "deleted"})
            bytes += layer[kind]["bytes"].as_uint();
    if (bytes < least_told_bytes) return "";
    return fmt::format("{:.1f} MB are stored for nothing: hull build --waste shows them\n",
                       static_cast<double>(bytes) / 1e6);
}

}  // namespace hull::build
