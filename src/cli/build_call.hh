#pragma once
#include "cli/build_context.hh"
#include "cli/session.hh"

#include <map>
#include <string>

namespace hull::cli {

/// `--call=METHOD[,format=text|json]`, and `--check`, which is `--call=check`.
struct BuildCall {
    enum class Method { build, check, outline, targets } method = Method::build;
    bool json = false;
};
/// Throws for a method nobody knows.
BuildCall parse_build_call(const std::string& text);

/// Asks the Dockerfile instead of building it: prints, and returns the exit code (1 when the checks
/// found something, as Docker's). `file` is the Dockerfile's name as typed.
int run_build_call(Session& session, const BuildCall& call, const BuildContext& context,
                   const std::string& file, const std::string& target,
                   const std::map<std::string, std::string>& build_args);

}  // namespace hull::cli
