#pragma once
#include "build/dockerfile/dockerfile.hh"
#include "build/dockerfile/ignore.hh"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

struct CheckOptions {
    std::map<std::string, std::string> build_args;
    std::string directive;  ///< BUILDKIT_DOCKERFILE_CHECK: wins over `# check=`
    const IgnorePatterns* ignore = nullptr;
    /// Names of variables the base image sets, nullopt when it is not known: then UndefinedVar is
    /// not reported for what the image may set.
    std::function<std::optional<std::vector<std::string>>(std::string_view image)> base_environment;
};

/// A build check as Docker documents it.
struct CheckRule {
    std::string_view name, description;
    std::string_view page;      ///< see `rule_url`
    bool experimental = false;  ///< runs only when `experimental=` names it
};
const std::vector<CheckRule>& check_rules();
/// Where the rule is explained.
std::string rule_url(const CheckRule& rule);

struct CheckResult {
    std::vector<Diagnostic> findings;  ///< in the order of the Dockerfile
    /// The build fails: an error is among the findings, or `error=true` and anything is.
    bool error = false;
};

/// The build checks. Throws DockerfileError when the directive cannot be read.
CheckResult check(const Dockerfile& dockerfile, const CheckOptions& options = {});

}  // namespace hull::build::dockerfile
