#include "cli/commands.hh"

#include "cli/own_commands.hh"
#include "cli/volume_commands.hh"

namespace hull::cli {
namespace {

constexpr const Command* commands[] = {
    &attach_command,
    &commit_command,
    &container_inspect_command,
    &container_prune_command,
    &cp_command,
    &create_command,
    &diff_command,
    &exec_command,
    &export_command,
    &kill_command,
    &logs_command,
    &pause_command,
    &port_command,
    &ps_command,
    &rename_command,
    &restart_command,
    &rm_command,
    &run_command,
    &start_command,
    &stats_command,
    &stop_command,
    &top_command,
    &unpause_command,
    &update_command,
    &wait_command,

    &build_command,
    &build_debug_command,
    &build_history_command,
    &build_logs_command,
    &build_why_command,
    &builder_du_command,
    &builder_prune_command,
    &history_command,
    &image_inspect_command,
    &image_prune_command,
    &images_command,
    &import_command,
    &load_command,
    &pull_command,
    &push_command,
    &rmi_command,
    &save_command,
    &tag_command,

    &network_connect_command,
    &network_create_command,
    &network_disconnect_command,
    &network_inspect_command,
    &network_ls_command,
    &network_prune_command,
    &network_rm_command,

    &manifest_annotate_command,
    &manifest_create_command,
    &manifest_inspect_command,
    &manifest_push_command,
    &manifest_referrers_command,
    &manifest_rm_command,

    &login_command,
    &logout_command,
    &search_command,

    &dial_stdio_command,
    &events_command,
    &info_command,
    &inspect_command,
    &system_df_command,
    &system_prune_command,
    &version_command,

    &registry_serve_command,
    &secret_create_command,
    &secret_inspect_command,
    &secret_ls_command,
    &secret_rm_command,
    &system_fsck_command,

    &compose_attach_command,
    &compose_build_command,
    &compose_commit_command,
    &compose_config_command,
    &compose_cp_command,
    &compose_create_command,
    &compose_down_command,
    &compose_events_command,
    &compose_exec_command,
    &compose_export_command,
    &compose_images_command,
    &compose_kill_command,
    &compose_logs_command,
    &compose_ls_command,
    &compose_pause_command,
    &compose_port_command,
    &compose_ps_command,
    &compose_pull_command,
    &compose_push_command,
    &compose_restart_command,
    &compose_rm_command,
    &compose_run_command,
    &compose_scale_command,
    &compose_start_command,
    &compose_stats_command,
    &compose_stop_command,
    &compose_top_command,
    &compose_unpause_command,
    &compose_up_command,
    &compose_version_command,
    &compose_volumes_command,
    &compose_wait_command,
    &compose_watch_command,

    &context_create_command,
    &context_export_command,
    &context_import_command,
    &context_inspect_command,
    &context_ls_command,
    &context_rm_command,
    &context_show_command,
    &context_update_command,
    &context_use_command,

    &volume_clone_command,
    &volume_create_command,
    &volume_du_command,
    &volume_export_command,
    &volume_import_command,
    &volume_inspect_command,
    &volume_ls_command,
    &volume_mv_command,
    &volume_prune_command,
    &volume_rm_command,
    &volume_snapshot_command,
    &volume_update_command,

    &complete_command,
    &completion_bash_command,
    &completion_fish_command,
    &completion_zsh_command,
};

}  // namespace

std::span<const Command* const> all_commands() { return commands; }

const Command* find_command(std::string_view name) {
    for (const Command* command : commands) {
        if (command->name == name) return command;
        for (std::string_view alias : command->aliases)
            if (!alias.empty() && alias == name) return command;
    }
    return nullptr;
}

}  // namespace hull::cli
