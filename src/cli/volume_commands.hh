#pragma once
#include "cli/command.hh"

/// What Hull does with volumes beyond Docker.
namespace hull::cli {

extern const Command volume_clone_command, volume_du_command, volume_export_command,
    volume_import_command, volume_mv_command, volume_snapshot_command, volume_update_command;

}  // namespace hull::cli
