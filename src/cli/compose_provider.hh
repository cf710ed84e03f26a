#pragma once
#include "cli/compose_reporter.hh"

namespace hull::cli {

/// Has the programs of services with a provider make what those services stand for, and takes the
/// services out of the project: there are no containers of them. What a program says it set is
/// put into the environment of the services that depend on it, as SERVICE_NAME. With `dry_run` only
/// tells. Throws what a program says went wrong, not_found when it is not there.
/// Source: compose-spec, "Provider"; docker compose's docs/extension.md.
void run_providers(const Invocation& call, ComposeWork& work, compose::Project& project,
                   bool dry_run = false);
/// Has them remove it again.
void end_providers(ComposeWork& work, const compose::Project& project);

}  // namespace hull::cli
