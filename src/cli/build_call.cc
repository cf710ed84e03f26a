#include "cli/build_call.hh"

#include "build/dockerfile/check_report.hh"
#include "build/dockerfile/outline.hh"
#include "cli/values.hh"
#include "cli/words.hh"

namespace hull::cli {
namespace {

namespace language = build::dockerfile;

constexpr std::size_t most_bytes = 4UL << 20;

language::Dockerfile read_dockerfile(const BuildContext& context, const std::string& file) {
    const std::string name = file.empty() || file == "-" ? "Dockerfile" : file;
    if (context.text) return language::parse_dockerfile(*context.text, name);
    if (context.directory.empty()) fail("--call needs a directory, or the Dockerfile by -f");
    const std::string in_context = context.dockerfile.empty() ? "Dockerfile" : context.dockerfile;
    const Path path = join(context.directory, in_context);
    const std::optional<std::string> text = find_file(path, most_bytes);
    if (!text) fail("failed to read dockerfile: open {}: no such file or directory", in_context);
    return language::parse_dockerfile(*text, name);
}

language::IgnorePatterns read_ignore(const BuildContext& context) {
    std::optional<std::string> text = context.ignore;
    if (!text && !context.directory.empty()) {
        const std::string name = context.dockerfile.empty() ? "Dockerfile" : context.dockerfile;
        text = find_file(join(context.directory, name + ".dockerignore"), most_bytes);
        if (!text) text = find_file(join(context.directory, ".dockerignore"), most_bytes);
    }
    return language::IgnorePatterns(language::parse_ignore_file(text.value_or("")));
}

int run_check(Session& session, bool as_json, const BuildContext& context,
              const language::Dockerfile& dockerfile,
              const std::map<std::string, std::string>& build_args) {
    const language::IgnorePatterns ignore = read_ignore(context);
    language::CheckOptions options;
    options.build_args = build_args;
    options.ignore = &ignore;
    const auto directive = build_args.find("BUILDKIT_DOCKERFILE_CHECK");
    if (directive != build_args.end()) options.directive = directive->second;
    const language::CheckResult result = language::check(dockerfile, options);
    session.print(
        as_json ? json::dump_indented(language::check_json(result, dockerfile.source), 2) + "\n"
                : language::check_text(result, dockerfile.source));
    return result.findings.empty() ? 0 : 1;
}

int answer(Session& session, const BuildCall& call, const BuildContext& context,
           const std::string& file, const std::string& target,
           const std::map<std::string, std::string>& build_args) {
    const language::Dockerfile dockerfile = read_dockerfile(context, file);
    if (call.method == BuildCall::Method::check)
        return run_check(session, call.json, context, dockerfile, build_args);
    const auto print = [&](const json::Value& value, const std::string& text) {
        session.print(call.json ? json::dump_indented(value, 2) + "\n" : text);
    };
    if (call.method == BuildCall::Method::targets) {
        print(language::targets_json(dockerfile), language::targets_text(dockerfile));
    } else {
        const language::Outline outline = language::make_outline(dockerfile, target, build_args);
        print(language::outline_json(outline), language::outline_text(outline));
    }
    return 0;
}

}  // namespace

BuildCall parse_build_call(const std::string& text) {
    BuildCall call;
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (value && key == "format" && (*value == "json" || *value == "text"))
            call.json = *value == "json";
        else if (field == "check" || field == "lint")
            call.method = BuildCall::Method::check;
        else if (field == "outline")
            call.method = BuildCall::Method::outline;
        else if (field == "targets")
            call.method = BuildCall::Method::targets;
        else if (field != "build" && !field.empty())
            fail(
                "invalid --call {}: use build, check, outline or targets, and format=json or "
                "format=text",
                text);
    }
    return call;
}

int run_build_call(Session& session, const BuildCall& call, const BuildContext& context,
                   const std::string& file, const std::string& target,
                   const std::map<std::string, std::string>& build_args) {
    try {
        return answer(session, call, context, file, target, build_args);
    } catch (const language::DockerfileError& error) {
        std::optional<std::string> text = context.text;
        const std::string name = context.dockerfile.empty() ? "Dockerfile" : context.dockerfile;
        if (!text) text = find_file(join(context.directory, name), most_bytes);
        session.complain(
            language::render(error.diagnostic(), {file.empty() ? name : file, text.value_or("")}));
        return 1;
    }
}

}  // namespace hull::cli
