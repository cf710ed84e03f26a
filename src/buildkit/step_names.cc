#include "buildkit/step_names.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "oci/reference.hh"

namespace hull::buildkit {

namespace {

std::string one_line(const std::string& text) {
    std::string line;
    for (const std::string& word : split_nonempty(text.substr(0, text.find("\n")), ' '))
        line += (line.empty() ? "" : " ") + word;
    return line;
}

bool makes_layer(const std::string& text) {
    const std::string word = lower(text.substr(0, text.find_first_of(" \t\\")));
    return word == "run" || word == "copy" || word == "add" || word == "workdir";
}

std::string whole_name(const std::string& image) {
    try {
        return oci::Reference::parse(image).with_default_tag().canonical();
    } catch (const Error&) {
        return image;
    }
}

}  // namespace

std::map<std::int64_t, std::string> name_steps(const json::Value& plan) {
    std::map<std::int64_t, std::string> names;
    const json::Array& stages = plan["stages"].as_array();
    const bool has_several = plan["count"].as_int() > 1;
    for (const json::Value& stage : stages) {
        std::map<std::int64_t, std::string> shown;
        if (stage["image"].is_string())
            shown[stage["first"].as_int()] = "FROM " + whole_name(stage["image"].as_string());
        std::int64_t number = stage["first"].as_int();
        for (const json::Value& step : stage["steps"].as_array())
            if (const std::string& text = step.as_string(); ++number, makes_layer(text))
                shown[number] = one_line(text);
        std::string prefix;
        if (!stage["name"].as_string().empty())
            prefix = stage["name"].as_string() + " ";
        else if (has_several)
            prefix = fmt::format("stage-{} ", stage["index"].as_int());
        std::size_t position = 0;
        for (const auto& [step, text] : shown)
            names[step] = fmt::format("[{}{}/{}] {}", prefix, ++position, shown.size(), text);
    }
    return names;
}

}  // namespace hull::buildkit
