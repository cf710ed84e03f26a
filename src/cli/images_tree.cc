#include "cli/images_tree.hh"

#include "cli/format.hh"
#include "cli/values.hh"

#include <algorithm>
#include <array>
#include <vector>

namespace hull::cli {
namespace {

constexpr std::size_t name_width = 24;

struct Line {
    std::string name, id;
    std::int64_t total = 0, content = 0;
    bool in_use = false;
};

std::string platform_of(const json::Value& manifest) {
    const json::Value& platform = manifest["ImageData"]["Platform"];
    std::string text = platform["os"].as_string() + "/" + platform["architecture"].as_string();
    if (platform["variant"].is_string() && !platform["variant"].as_string().empty())
        text += "/" + platform["variant"].as_string();
    return text;
}

void add_image(std::vector<Line>& lines, const json::Value& image) {
    Line top{.name = "", .id = short_id(image["Id"].as_string())};
    std::vector<Line> platforms;
    bool is_index = false;
    for (const json::Value& manifest : image["Manifests"].as_array()) {
        top.total += manifest["Size"]["Total"].as_int();
        top.content += manifest["Size"]["Content"].as_int();
        is_index = is_index || manifest["Descriptor"]["platform"].is_object();
        if (manifest["Kind"].as_string() != "image") continue;
        const bool used = !manifest["ImageData"]["Containers"].as_array().empty();
        top.in_use = top.in_use || used;
        platforms.push_back({platform_of(manifest), short_id(manifest["ID"].as_string()),
                             manifest["Size"]["Total"].as_int(),
                             manifest["Size"]["Content"].as_int(), used});
    }
    std::vector<std::string> names;
    if (image["RepoTags"].is_array()) names = image["RepoTags"].as_strings();
    if (names.empty()) names.emplace_back("<untagged>");
    for (const std::string& name : names) {
        top.name = name;
        lines.push_back(top);
        if (!is_index) continue;
        for (std::size_t i = 0; i < platforms.size(); ++i) {
            Line line = platforms[i];
            line.name = (i + 1 < platforms.size() ? "├─ " : "└─ ") + line.name;
            lines.push_back(std::move(line));
        }
    }
}

/// Columns, not bytes: the branches are three bytes each.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) >> 6) != 2;
    }));
}

}  // namespace

std::string images_tree(const json::Value& images) {
    std::vector<Line> lines;
    for (const json::Value& image : images.as_array()) add_image(lines, image);
    std::size_t width = name_width;
    for (const Line& line : lines) width = std::max(width, width_of(line.name) + 3);
    const auto pad = [&](const std::string& name) {
        return name + std::string(width - width_of(name), ' ');
    };
    std::string text = pad("IMAGE") + "ID             DISK USAGE   CONTENT SIZE   EXTRA\n";
    for (const Line& line : lines) {
        const auto size = [](std::int64_t bytes) {
            return human_size(static_cast<double>(bytes), 3);
        };
        std::string row = fmt::format("{}{:<12}   {:>10}   {:>12}", pad(line.name), line.id,
                                      size(line.total), size(line.content));
        if (line.in_use) row += "    U";
        text += row + "\n";
    }
    return text;
}

}  // namespace hull::cli
