#pragma once

/// The labels of docker compose v2, which both programs know a project's parts by, and one of ours.
namespace hull::compose::labels {

inline constexpr const char* project = "com.docker.compose.project";
inline constexpr const char* service = "com.docker.compose.service";
inline constexpr const char* version = "com.docker.compose.version";
inline constexpr const char* number = "com.docker.compose.container-number";
inline constexpr const char* one_off = "com.docker.compose.oneoff";
inline constexpr const char* config_hash = "com.docker.compose.config-hash";
inline constexpr const char* config_files = "com.docker.compose.project.config_files";
inline constexpr const char* working_dir = "com.docker.compose.project.working_dir";
inline constexpr const char* environment_file = "com.docker.compose.project.environment_file";
inline constexpr const char* image = "com.docker.compose.image";
inline constexpr const char* depends_on = "com.docker.compose.depends_on";
inline constexpr const char* replace = "com.docker.compose.replace";
inline constexpr const char* network = "com.docker.compose.network";
inline constexpr const char* volume = "com.docker.compose.volume";
inline constexpr const char* slug = "com.docker.compose.slug";
/// The service's configuration in the long form: what a recreation compares.
inline constexpr const char* config = "hull.compose.config";

}  // namespace hull::compose::labels
