#pragma once
#include "base/json.hh"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hull::sender {

/// What hull-log is told about the log it sends: the first frame from the shim, as JSON
///   {driver, options: {}, tag, hostname, container: {id, name, imageId, imageName, command,
///   created}, attributes: {}}.
struct Target {
    std::string driver, tag, hostname;
    json::Value options, container, attributes;

    /// An option's text, `fallback` when it is not given.
    std::string option(std::string_view name, std::string_view fallback = "") const;
};
Target parse_target(std::string_view text);

/// One line of a container's output.
struct Line {
    int stream = 1;
    std::int64_t time_ns = 0;
    bool is_partial = false;  ///< cut: the rest follows
    std::string_view bytes;
};

// Each makes what goes out for a line: datagrams, or pieces of a stream.
std::vector<std::string> format_syslog(const Target& target, const Line& line, bool is_stream);
std::vector<std::string> format_journald(const Target& target, const Line& line);
/// Source: fluent/fluentd, Forward Protocol Specification v1, message mode.
std::vector<std::string> format_fluentd(const Target& target, const Line& line);
/// Source: Graylog, "GELF payload specification" and its chunking over UDP.
std::vector<std::string> format_gelf(const Target& target, const Line& line, bool is_stream);

}  // namespace hull::sender
