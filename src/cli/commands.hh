#pragma once
#include "cli/command.hh"

/// Every command's value; each is defined in the file of its name.
namespace hull::cli {

extern const Command attach_command, create_command, exec_command, kill_command, logs_command,
    ps_command, rename_command, rm_command, run_command, start_command, stop_command, wait_command,
    restart_command, top_command, pause_command, unpause_command, container_inspect_command;
extern const Command history_command, images_command, import_command, image_inspect_command,
    load_command, image_prune_command, pull_command, rmi_command, save_command, tag_command;
extern const Command events_command, info_command, inspect_command, version_command;

}  // namespace hull::cli
