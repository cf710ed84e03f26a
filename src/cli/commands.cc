#include "cli/commands.hh"

namespace hull::cli {
namespace {

constexpr const Command* commands[] = {
    &attach_command, &create_command,  &exec_command,        &container_inspect_command,
    &kill_command,   &logs_command,    &ps_command,          &pause_command,
    &rename_command, &restart_command, &rm_command,          &run_command,
    &start_command,  &stop_command,    &top_command,         &unpause_command,
    &wait_command,   &history_command, &import_command,      &image_inspect_command,
    &load_command,   &images_command,  &image_prune_command, &pull_command,
    &rmi_command,    &save_command,    &tag_command,         &inspect_command,
    &events_command, &info_command,    &version_command,
};

}  // namespace

std::span<const Command* const> all_commands() { return commands; }

}  // namespace hull::cli
