#pragma once
#include "cli/command.hh"
#include "compose/project.hh"

#include <string>
#include <vector>

namespace hull::cli {

/// How the flags before the command name the project.
compose::LoadOptions compose_load_options(const Invocation& call);

/// The project, its warnings told on standard error.
compose::Project load_compose_project(const Invocation& call);
compose::Project load_compose_project(const Invocation& call, const compose::LoadOptions& options);

/// --ansi, else --no-ansi, else COMPOSE_ANSI: "never", "always" or "auto".
std::string compose_ansi(const Session& session);

/// A flag given before the command, or after it where the command has it, too.
bool compose_dry_run(const Invocation& call);

}  // namespace hull::cli
