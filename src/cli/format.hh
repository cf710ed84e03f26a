#pragma once
#include "base/json.hh"
#include "cli/template.hh"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// 1.98MB: powers of 1000, `digits` significant ones (docker/go-units HumanSizeWithPrecision).
std::string human_size(double bytes, int digits = 4);
/// 7.664GiB: powers of 1024 (docker/go-units BytesSize).
std::string human_binary_size(double bytes);
/// "About a minute", "3 weeks" (docker/go-units HumanDuration).
std::string human_duration(std::int64_t seconds);
/// As Go prints a time.Time in our zone: 2026-11-24 15:04:24 +0000 UTC.
std::string go_time(std::int64_t unix_seconds);
/// RFC 3339 in our zone, as Go prints it: with nine digits of fraction or with none.
std::string local_rfc3339(std::int64_t ns, bool with_fraction);
/// The first 12 hex digits of an id, without its algorithm.
std::string short_id(std::string_view id);
/// At most `width` characters; the last is … when some were cut.
std::string ellipsis(std::string_view text, std::size_t width);

/// Columns as Go's tabwriter(minimum, 1, 3, ' ') sets them: cells are separated by tabs, lines by
/// newlines, the last cell of a line is not padded.
std::string align_columns(std::string_view text, std::size_t minimum = 10);

/// A kind of object that can be listed: what its rows are called and printed by default.
struct Listing {
    std::string_view type_name;      ///< Go's: *formatter.ContainerContext
    std::string_view default_table;  ///< "table {{.ID}}\t…"
    std::string_view quiet;          ///< "{{.ID}}"
    struct Column {
        std::string_view field, header;
    };
    std::span<const Column> columns;
};

/// A row: its fields, all strings, and its methods with arguments.
struct Row {
    json::Value fields;
    std::function<std::optional<json::Value>(std::string_view, std::span<const json::Value* const>)>
        method = {};
};

/// The text for `rows`: `format` is "", "table", "table TEMPLATE", "json", "raw"-less TEMPLATE.
/// Throws invalid_argument with Docker's texts ("failed to parse template: …").
std::string format_listing(const Listing& listing, std::string_view format, bool quiet,
                           const std::vector<Row>& rows);

/// One object (version, info): "json" or a template.
std::string format_object(const json::Value& object, std::string_view format);

}  // namespace hull::cli
