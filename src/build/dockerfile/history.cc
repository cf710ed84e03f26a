#include "build/dockerfile/history.hh"

#include "build/dockerfile/text.hh"

#include <fmt/core.h>

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// As Go prints a list of strings with %q: ["a" "b"].
std::string quoted_list(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + quote(word);
    return "[" + text + "]";
}

/// As Go prints a time.Duration: 1m30s, 500ms, 0s.
std::string go_duration(std::int64_t ns) {
    if (ns == 0) return "0s";
    const auto fraction = [](std::int64_t value, std::int64_t unit, int digits) {
        std::string text = std::to_string(value / unit);
        std::string rest = fmt::format("{:0{}}", value % unit, digits);
        while (!rest.empty() && rest.back() == '0') rest.pop_back();
        return rest.empty() ? text : text + "." + rest;
    };
    if (ns < 1'000) return std::to_string(ns) + "ns";
    if (ns < 1'000'000) return fraction(ns, 1'000, 3) + "\xc2\xb5s";
    if (ns < 1'000'000'000) return fraction(ns, 1'000'000, 6) + "ms";
    constexpr std::int64_t minute = 60'000'000'000;
    std::string text;
    if (ns >= 60 * minute) text += std::to_string(ns / (60 * minute)) + "h";
    if (ns >= minute) text += std::to_string(ns / minute % 60) + "m";
    return text + fraction(ns % minute, 1'000'000'000, 9) + "s";
}

class HistoryWriter {
public:
    explicit HistoryWriter(const HistoryContext& context) : context_(context) {}

    std::string operator()(const Run& run) const {
        std::vector<std::string> words;
        for (const auto& [name, value] : context_.arguments)
            if (!is_listed(words, name)) words.push_back(name + "=" + value);
        if (!words.empty()) words.insert(words.begin(), fmt::format("|{}", words.size()));
        for (const std::string& word : plan_run(run, context_.shell).arguments)
            words.push_back(word);
        return "RUN " + joined(words) + " # buildkit";
    }
    std::string operator()(const Cmd& cmd) const {
        return "CMD " + quoted_list(with_shell(cmd.command, context_.shell));
    }
    std::string operator()(const Entrypoint& entrypoint) const {
        return "ENTRYPOINT " + quoted_list(with_shell(entrypoint.command, context_.shell));
    }
    std::string operator()(const Env& env) const { return "ENV" + pairs(env.pairs); }
    std::string operator()(const Label& label) const { return "LABEL" + pairs(label.pairs); }
    std::string operator()(const Arg& arg) const {
        std::string text = "ARG";
        for (const Argument& argument : arg.arguments)
            text += " " + argument.name + (argument.value ? "=" + *argument.value : "");
        return text;
    }
    std::string operator()(const Copy& copy) const {
        return std::string("COPY") + (copy.parents ? " --parents" : "") + transfer(copy);
    }
    std::string operator()(const Add& add) const { return "ADD" + transfer(add); }
    std::string operator()(const Workdir&) const { return "WORKDIR " + context_.working_dir; }
    std::string operator()(const User& user) const { return "USER " + user.user; }
    std::string operator()(const Expose& expose) const {
        return "EXPOSE [" + joined(parse_ports(expose.ports)) + "]";
    }
    std::string operator()(const Volume& volume) const {
        return "VOLUME [" + joined(volume.paths) + "]";
    }
    std::string operator()(const StopSignal& stop) const { return "STOPSIGNAL " + stop.signal; }
    std::string operator()(const Healthcheck& check) const {
        std::vector<std::string> test{"NONE"};
        if (!check.none) {
            test = check.command.arguments;
            test.insert(test.begin(), check.command.exec ? "CMD" : "CMD-SHELL");
        }
        return fmt::format(
            "HEALTHCHECK {{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} "
            "Retries:{}}}",
            joined(test), go_duration(check.interval_ns), go_duration(check.timeout_ns),
            go_duration(check.start_period_ns), go_duration(check.start_interval_ns),
            check.retries);
    }
    std::string operator()(const Shell& shell) const {
        return "SHELL [" + joined(shell.arguments) + "]";
    }
    std::string operator()(const Maintainer& maintainer) const {
        return "MAINTAINER " + maintainer.name;
    }
    std::string operator()(const OnBuild&) const { return ""; }

private:
    static bool is_listed(const std::vector<std::string>& words, const std::string& name) {
        return std::any_of(words.begin(), words.end(),
                           [&](const std::string& word) { return word.starts_with(name + "="); });
    }
    static std::string pairs(const std::vector<KeyValue>& pairs) {
        std::string text;
        for (const KeyValue& pair : pairs) text += " " + pair.key + "=" + pair.value;
        return text;
    }
    static std::string transfer(const Transfer& transfer) {
        std::string text;
        if (!transfer.chown.empty()) text += " --chown=" + transfer.chown;
        if (!transfer.chmod.empty()) text += " --chmod=" + transfer.chmod;
        for (const std::string& source : transfer.sources) text += " " + source;
        for (const Heredoc& heredoc : transfer.heredocs) text += " <<" + heredoc.name;
        return text + " " + transfer.destination + " # buildkit";
    }

    const HistoryContext& context_;
};

}  // namespace

std::string history_text(const InstructionValue& value, const HistoryContext& context) {
    return std::visit(HistoryWriter(context), value);
}

std::string_view instruction_name(const InstructionValue& value) {
    struct {
        std::string_view operator()(const Run&) const { return "RUN"; }
        std::string_view operator()(const Cmd&) const { return "CMD"; }
        std::string_view operator()(const Entrypoint&) const { return "ENTRYPOINT"; }
        std::string_view operator()(const Env&) const { return "ENV"; }
        std::string_view operator()(const Label&) const { return "LABEL"; }
        std::string_view operator()(const Arg&) const { return "ARG"; }
        std::string_view operator()(const Copy&) const { return "COPY"; }
        std::string_view operator()(const Add&) const { return "ADD"; }
        std::string_view operator()(const Workdir&) const { return "WORKDIR"; }
        std::string_view operator()(const User&) const { return "USER"; }
        std::string_view operator()(const Expose&) const { return "EXPOSE"; }
        std::string_view operator()(const Volume&) const { return "VOLUME"; }
        std::string_view operator()(const StopSignal&) const { return "STOPSIGNAL"; }
        std::string_view operator()(const Healthcheck&) const { return "HEALTHCHECK"; }
        std::string_view operator()(const Shell&) const { return "SHELL"; }
        std::string_view operator()(const Maintainer&) const { return "MAINTAINER"; }
        std::string_view operator()(const OnBuild&) const { return "ONBUILD"; }
    } names;
    return std::visit(names, value);
}

}  // namespace hull::build::dockerfile
