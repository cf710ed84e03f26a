#pragma once
#include "engine/record.hh"
#include "shim/launch_config.hh"

#include <map>
#include <string>
#include <string_view>

/// Logs that are sent away by hull-log: syslog, journald, fluentd, gelf.
namespace hull::engine {

bool is_remote_log(std::string_view driver);
/// Throws Docker's invalid_argument for options that the driver does not have.
void check_remote_log(const api::LogConfig& log);
/// "blocking" or "non-blocking". Throws invalid_argument.
void check_log_mode(const std::string& value);
/// A tag's template. Throws invalid_argument.
void check_log_tag(const std::string& pattern);
/// What --log-opt tag, labels, env and their regular expressions add to each entry: shown by
/// `logs --details`, written by json-file.
std::map<std::string, std::string> log_attributes(const Definition& definition,
                                                  const std::string& name);
/// Whether `logs` can show it: from the copy that is kept unless cache-disabled.
bool keeps_copy(const api::LogConfig& log);
/// The driver whose files hold it.
std::string readable_driver(const api::LogConfig& log);

/// Fills in what the shim needs to have it sent by `program`.
void set_log_target(shim::LogConfig& log, const Definition& definition, const std::string& name,
                    const Path& program);

}  // namespace hull::engine
