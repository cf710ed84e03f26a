#include "build/dockerfile/outline.hh"

#include "build/dockerfile/expand.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>
#include <set>

namespace hull::build::dockerfile {
namespace {

/// Collects over the stages that the target needs.
class OutlineReader {
public:
    OutlineReader(const Dockerfile& dockerfile,
                  const std::map<std::string, std::string>& build_args)
        : dockerfile_(dockerfile), build_args_(build_args) {
        read_globals();
    }

    Outline read(std::size_t target);

private:
    void read_globals();
    void visit(std::size_t stage);
    void visit_named(std::string_view name, std::size_t before);
    void read_from(const Stage& stage);
    void read_arg(const Arg& arg);
    void read_run(const Run& run, std::size_t stage);
    void use_global(const std::string& name);
    std::string expand(const std::string& text, UsedVariables* used = nullptr) const;

    const Dockerfile& dockerfile_;
    const std::map<std::string, std::string>& build_args_;
    std::map<std::string, Argument> globals_;
    std::map<std::string, std::string, std::less<>> values_;
    std::set<std::size_t> seen_;
    std::set<std::string> named_;  ///< arguments that are in the outline
    Outline outline_;
};

std::string OutlineReader::expand(const std::string& text, UsedVariables* used) const {
    ExpandOptions options;
    options.escape = dockerfile_.directives.escape;
    const Lookup lookup = [&](std::string_view name) -> std::optional<std::string> {
        const auto entry = values_.find(name);
        if (entry == values_.end()) return std::nullopt;
        return entry->second;
    };
    try {
        return expand_word(text, lookup, options, used);
    } catch (const Error&) {
        return text;  // the build will say what is wrong with it
    }
}

void OutlineReader::read_globals() {
    for (const Instruction& instruction : dockerfile_.global_args)
        for (const Argument& argument : std::get<Arg>(instruction.value).arguments) {
            globals_[argument.name] = argument;
            const auto given = build_args_.find(argument.name);
            if (given != build_args_.end())
                values_[argument.name] = given->second;
            else if (argument.value)
                values_[argument.name] = expand(*argument.value);
        }
}

/// An argument of the global scope is the target's when something of the target names it.
void OutlineReader::use_global(const std::string& name) {
    const auto global = globals_.find(name);
    if (global == globals_.end() || !named_.insert(name).second) return;
    const auto value = values_.find(name);
    outline_.arguments.push_back(
        {name, value == values_.end() ? "" : value->second, global->second.comment});
}

void OutlineReader::read_from(const Stage& stage) {
    UsedVariables used;
    expand(stage.base, &used);
    expand(stage.platform, &used);
    for (const std::string& name : used.matched) use_global(name);
    for (const std::string& name : used.unset) use_global(name);
}

void OutlineReader::read_arg(const Arg& arg) {
    for (const Argument& argument : arg.arguments) {
        if (!argument.value && globals_.contains(argument.name)) {
            use_global(argument.name);
            continue;
        }
        if (!named_.insert(argument.name).second) continue;
        const auto given = build_args_.find(argument.name);
        const std::string value =
            given != build_args_.end() ? given->second : expand(argument.value.value_or(""));
        outline_.arguments.push_back({argument.name, value, argument.comment});
    }
}

void OutlineReader::read_run(const Run& run, std::size_t stage) {
    const auto add = [](std::vector<Outline::Item>& items, const std::string& name, bool required) {
        for (Outline::Item& item : items)
            if (item.name == name) {
                item.required = item.required || required;
                return;
            }
        items.push_back({name, required});
    };
    for (const std::string& flag : run.mount_flags) {
        Mount mount;
        try {
            mount = parse_mount(flag);
        } catch (const Error&) {
            continue;  // a value that only a variable makes right
        }
        if (!mount.from.empty()) visit_named(mount.from, stage);
        const std::string id = !mount.id.empty() ? mount.id : mount.source;
        const std::string last_name = mount.target.substr(mount.target.rfind('/') + 1);
        if (mount.type == MountType::secret)
            add(outline_.secrets, id.empty() ? last_name : id, mount.required);
        if (mount.type == MountType::ssh)
            add(outline_.ssh, id.empty() ? "default" : id, mount.required);
        if (mount.type == MountType::cache) {
            const std::string name = id.empty() ? mount.target : id;
            std::vector<std::string>& caches = outline_.caches;
            if (std::find(caches.begin(), caches.end(), name) == caches.end())
                caches.push_back(name);
        }
    }
}

void OutlineReader::visit_named(std::string_view name, std::size_t before) {
    if (const std::optional<std::size_t> stage = find_stage(dockerfile_, name, before))
        visit(*stage);
}

void OutlineReader::visit(std::size_t index) {
    if (!seen_.insert(index).second) return;
    const Stage& stage = dockerfile_.stages[index];
    if (const std::optional<std::size_t> base =
            find_base_stage(dockerfile_, expand(stage.base), index))
        visit(*base);
    read_from(stage);
    for (const Instruction& instruction : stage.instructions) {
        if (const auto* arg = std::get_if<Arg>(&instruction.value)) read_arg(*arg);
        if (const auto* run = std::get_if<Run>(&instruction.value)) read_run(*run, index);
        if (const auto* copy = std::get_if<Copy>(&instruction.value))
            if (!copy->from.empty()) visit_named(copy->from, index);
    }
}

Outline OutlineReader::read(std::size_t target) {
    visit(target);
    outline_.name = dockerfile_.stages[target].name;
    outline_.description = dockerfile_.stages[target].comment;
    return std::move(outline_);
}

/// Columns as wide as their widest cell, three blanks between them.
std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const std::vector<std::string>& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths.size() <= i) widths.push_back(0);
            widths[i] = std::max(widths[i], count_characters(row[i]));
        }
    std::string text;
    for (const std::vector<std::string>& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) line.append(widths[i] - count_characters(row[i]) + 3, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

std::string items_table(const std::string& title, const std::vector<Outline::Item>& items) {
    if (items.empty()) return "";
    std::vector<std::vector<std::string>> rows{{title, "REQUIRED"}};
    for (const Outline::Item& item : items)
        rows.push_back({item.name, item.required ? "true" : ""});
    return "\n" + table(rows);
}

json::Array items_json(const std::vector<Outline::Item>& items) {
    json::Array array;
    for (const Outline::Item& item : items) {
        json::Object object{{"name", item.name}};
        if (item.required) object["required"] = true;
        array.push_back(std::move(object));
    }
    return array;
}

}  // namespace

Outline make_outline(const Dockerfile& dockerfile, std::string_view target,
                     const std::map<std::string, std::string>& build_args) {
    return OutlineReader(dockerfile, build_args).read(get_target(dockerfile, target));
}

std::string outline_text(const Outline& outline) {
    std::string text;
    if (!outline.name.empty()) text += "TARGET:        " + outline.name + "\n";
    if (!outline.description.empty()) text += "DESCRIPTION:   " + outline.description + "\n";
    if (!outline.arguments.empty()) {
        std::vector<std::vector<std::string>> rows{{"BUILD ARG", "VALUE", "DESCRIPTION"}};
        for (const Outline::Argument& argument : outline.arguments)
            rows.push_back({argument.name, argument.value, argument.description});
        text += (text.empty() ? "" : "\n") + table(rows);
    }
    text += items_table("SECRET", outline.secrets) + items_table("SSH", outline.ssh);
    if (!outline.caches.empty()) {
        std::vector<std::vector<std::string>> rows{{"CACHE MOUNT"}};
        for (const std::string& cache : outline.caches) rows.push_back({cache});
        text += "\n" + table(rows);
    }
    return text;
}

json::Value outline_json(const Outline& outline) {
    json::Object object;
    if (!outline.name.empty()) object["name"] = outline.name;
    if (!outline.description.empty()) object["description"] = outline.description;
    json::Array arguments, caches;
    for (const Outline::Argument& argument : outline.arguments) {
        json::Object one{{"name", argument.name}};
        if (!argument.description.empty()) one["description"] = argument.description;
        if (!argument.value.empty()) one["value"] = argument.value;
        arguments.push_back(std::move(one));
    }
    for (const std::string& cache : outline.caches) caches.push_back(json::Object{{"ID", cache}});
    if (!arguments.empty()) object["args"] = std::move(arguments);
    if (!outline.secrets.empty()) object["secrets"] = items_json(outline.secrets);
    if (!outline.ssh.empty()) object["ssh"] = items_json(outline.ssh);
    if (!caches.empty()) object["cache"] = std::move(caches);
    return object;
}

std::string targets_text(const Dockerfile& dockerfile) {
    std::vector<std::vector<std::string>> rows{{"TARGET", "DESCRIPTION"}};
    for (const Stage& stage : dockerfile.stages) {
        const bool is_default = &stage == &dockerfile.stages.back();
        if (stage.name.empty() && !is_default) continue;
        std::string name = stage.name;
        if (is_default) name += name.empty() ? "(default)" : " (default)";
        rows.push_back({name, stage.comment});
    }
    return table(rows);
}

json::Value targets_json(const Dockerfile& dockerfile) {
    json::Array targets;
    for (const Stage& stage : dockerfile.stages) {
        json::Object target;
        if (!stage.name.empty()) target["name"] = stage.name;
        if (&stage == &dockerfile.stages.back()) target["default"] = true;
        if (!stage.comment.empty()) target["description"] = stage.comment;
        target["base"] = stage.base;
        if (!stage.platform.empty()) target["platform"] = stage.platform;
        targets.push_back(std::move(target));
    }
    return json::Object{{"targets", std::move(targets)}};
}

}  // namespace hull::build::dockerfile
