#pragma once
#include "api/types/nullable.hh"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

/// POST /containers/{id}/exec
struct ExecCreateRequest {
    std::string user;
    bool privileged = false, tty = false;
    std::optional<std::array<std::int64_t, 2>> console_size;  ///< rows, columns
    bool attach_stdin = false, attach_stderr = false, attach_stdout = false;
    bool detach = false;
    std::string detach_keys;
    Strings env;
    std::string working_dir;
    Strings cmd;
};

/// POST /exec/{id}/start
struct ExecStartRequest {
    bool detach = false, tty = false;
    std::optional<std::array<std::int64_t, 2>> console_size;  ///< rows, columns
};

struct ExecProcessConfig {
    bool tty = false;
    std::string entrypoint;
    std::vector<std::string> arguments;
    std::optional<bool> privileged;
    std::string user;
};

/// GET /exec/{id}/json
struct ExecInspect {
    std::string id;
    bool running = false;
    std::optional<std::int64_t> exit_code;  ///< null while running
    ExecProcessConfig process_config;
    bool open_stdin = false, open_stderr = false, open_stdout = false, can_remove = false;
    std::string container_id;
    std::string detach_keys;  ///< base64 of the decoded bytes
    std::int64_t pid = 0;
};

json::Value to_json(const ExecCreateRequest&);
void from_json(const json::Value&, ExecCreateRequest&);
json::Value to_json(const ExecStartRequest&);
void from_json(const json::Value&, ExecStartRequest&);
json::Value to_json(const ExecInspect&);
void from_json(const json::Value&, ExecInspect&);

}  // namespace hull::api
