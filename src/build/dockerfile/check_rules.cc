#include "build/dockerfile/check_rules.hh"

#include "base/text.hh"
#include "build/dockerfile/text.hh"
#include "build/dockerfile/words.hh"

#include <algorithm>
#include <cassert>

namespace hull::build::dockerfile {
namespace {

constexpr std::string_view site = "https://docs.docker.com/go/dockerfile/rule/";

std::set<std::string> read_names(std::string_view text, std::string_view option) {
    std::set<std::string> names;
    std::vector<std::string> known{"all"};
    for (const CheckRule& rule : check_rules()) known.emplace_back(rule.name);
    for (const std::string_view part : split_views(text, ',')) {
        const std::string name(trim_space(part));
        if (name.empty()) continue;
        // Docker says nothing about a rule it does not know, and then reports what was to be
        // skipped.
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            const std::string match = nearest(name, known);
            if (!match.empty())
                throw Error(ErrorKind::invalid_argument,
                            "unknown rule {} in check option {} (did you mean {}?)", quote(name),
                            quote(option), match);
        }
        names.insert(name);
    }
    return names;
}

}  // namespace

const std::vector<CheckRule>& check_rules() {
    static const std::vector<CheckRule> rules{
        {"StageNameCasing", "Stage names should be lowercase", "stage-name-casing/"},
        {"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword",
         "from-as-casing/"},
        {"NoEmptyContinuation", "Empty continuation lines will become errors in a future release",
         "no-empty-continuation/"},
        {"ConsistentInstructionCasing",
         "All commands within the Dockerfile should use the same casing (either upper or lower)",
         "consistent-instruction-casing/"},
        {"DuplicateStageName", "Stage names should be unique", "duplicate-stage-name/"},
        {"ReservedStageName", "Reserved words should not be used as stage names",
         "reserved-stage-name/"},
        {"JSONArgsRecommended",
         "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to "
         "OS signals",
         "json-args-recommended/"},
        {"MaintainerDeprecated",
         "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
         "maintainer-deprecated/"},
        {"UndefinedArgInFrom", "FROM command must use declared ARGs", "undefined-arg-in-from/"},
        {"WorkdirRelativePath",
         "Relative workdir without an absolute workdir declared within the build can have "
         "unexpected results "
         "if the base image changes",
         "workdir-relative-path/"},
        {"UndefinedVar", "Variables should be defined before their use", "undefined-var/"},
        {"MultipleInstructionsDisallowed",
         "Multiple instructions of the same type should not be used in the same stage",
         "multiple-instructions-disallowed/"},
        {"LegacyKeyValueFormat",
         "Legacy key/value format with whitespace separator should not be used",
         "legacy-key-value-format/"},
        {"RedundantTargetPlatform",
         "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the "
         "default behavior",
         "redundant-target-platform/"},
        {"SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands",
         "secrets-used-in-arg-or-env/"},
        {"InvalidDefaultArgInFrom",
         "Default value for global ARG results in an empty or invalid base image name",
         "invalid-default-arg-in-from/"},
        {"FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value",
         "from-platform-flag-const-disallowed/"},
        {"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore",
         "copy-ignored-file/", true},
        {"InvalidDefinitionDescription",
         "Comment for build stage or argument should follow the format: `# <arg/stage name> "
         "<description>`. "
         "If this is not intended to be a description comment, add an empty line or comment "
         "between the "
         "instruction and the comment.",
         "invalid-definition-description/", true},
        {"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase",
         "expose-proto-casing/"},
        {"ExposeInvalidFormat",
         "IP address and host-port mapping should not be used in EXPOSE instruction. This will "
         "become an "
         "error in a future release",
         "expose-invalid-format/"},
    };
    return rules;
}

std::string rule_url(const CheckRule& rule) { return std::string(site) + std::string(rule.page); }

const CheckRule& get_check_rule(std::string_view name) {
    const auto rule =
        std::find_if(check_rules().begin(), check_rules().end(),
                     [&](const CheckRule& candidate) { return candidate.name == name; });
    assert(rule != check_rules().end());
    return *rule;
}

bool CheckSettings::runs(const CheckRule& rule) const {
    const std::string name(rule.name);
    if (skip_all || skipped.contains(name)) return false;
    return !rule.experimental || experimental_all || experimental.contains(name);
}

CheckSettings parse_check_settings(std::string_view text) {
    CheckSettings settings;
    text = trim_space(text);
    if (text.empty()) return settings;
    for (const std::string_view option : split_views(text, ';')) {
        const std::size_t equals = option.find('=');
        const std::string_view name = trim_space(option.substr(0, equals));
        if (equals == std::string_view::npos)
            throw Error(ErrorKind::invalid_argument, "invalid check option {}", quote(option));
        const std::string_view value = trim_space(option.substr(equals + 1));
        if (name == "skip") {
            settings.skipped = read_names(value, name);
            settings.skip_all = settings.skipped.contains("all");
        } else if (name == "experimental") {
            settings.experimental = read_names(value, name);
            settings.experimental_all = settings.experimental.contains("all");
        } else if (name == "error") {
            const std::optional<bool> error = parse_bool(value);
            if (!error)
                throw Error(ErrorKind::invalid_argument,
                            "failed to parse check option {}: {} is not a boolean", quote(option),
                            quote(value));
            settings.error = *error;
        } else {
            throw Error(ErrorKind::invalid_argument, "invalid check option {}", quote(name));
        }
    }
    return settings;
}

}  // namespace hull::build::dockerfile
