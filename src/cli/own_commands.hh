#pragma once
#include "cli/command.hh"

/// What Hull does with containers and the daemon beyond Docker.
namespace hull::cli {

extern const Command secret_create_command, secret_inspect_command, secret_ls_command,
    secret_rm_command;
extern const Command system_fsck_command;

}  // namespace hull::cli
