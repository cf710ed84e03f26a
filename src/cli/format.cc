#include "cli/format.hh"

#include "base/error.hh"
#include "cli/values.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>

namespace hull::cli {
namespace {

std::string scaled_size(double size, double base, std::span<const std::string_view> units,
                        int digits) {
    std::size_t unit = 0;
    while (size >= base && unit + 1 < units.size()) {
        size /= base;
        ++unit;
    }
    return fmt::format("{:.{}g}{}", size, digits, units[unit]);
}

std::size_t count_runes(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string unescape_format(std::string_view format) {
    std::string result;
    for (std::size_t i = 0; i < format.size(); ++i) {
        if (format[i] == '\\' && i + 1 < format.size() &&
            (format[i + 1] == 't' || format[i + 1] == 'n'))
            result += format[++i] == 't' ? '\t' : '\n';
        else
            result += format[i];
    }
    return result;
}

Template parse_template(std::string_view text) {
    return with_context([&] { return Template(text); }, "failed to parse template");
}

std::string execute(const Template& program, const json::Value& data, const TemplateScope& scope) {
    return with_context([&] { return program.execute(data, scope); }, "failed to execute template");
}

}  // namespace

std::string human_size(double bytes, int digits) {
    constexpr std::string_view units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    return scaled_size(bytes, 1000, units, digits);
}

std::string human_binary_size(double bytes) {
    constexpr std::string_view units[] = {"B",   "KiB", "MiB", "GiB", "TiB",
                                          "PiB", "EiB", "ZiB", "YiB"};
    return scaled_size(bytes, 1024, units, 4);
}

std::string human_duration(std::int64_t seconds) {
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    const std::int64_t minutes = seconds / 60;
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    const std::int64_t hours = (seconds + 1800) / 3600;
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", seconds / 3600 / 24 / 365);
}

std::string go_time(std::int64_t unix_seconds) {
    const std::time_t time = unix_seconds;
    struct tm fields = {};
    ::localtime_r(&time, &fields);
    char text[64];
    const std::size_t length = ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &fields);
    return std::string(text, length);
}

std::string local_rfc3339(std::int64_t ns, bool with_fraction) {
    const std::time_t time = ns / 1'000'000'000;
    struct tm fields = {};
    ::localtime_r(&time, &fields);
    char text[64];
    std::string result(text, ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &fields));
    if (with_fraction) result += fmt::format(".{:09}", ns % 1'000'000'000);
    if (fields.tm_gmtoff == 0) return result + "Z";
    const long minutes = std::labs(fields.tm_gmtoff) / 60;
    return result + fmt::format("{}{:02}:{:02}", fields.tm_gmtoff < 0 ? '-' : '+', minutes / 60,
                                minutes % 60);
}

std::string short_id(std::string_view id) {
    if (const std::size_t colon = id.find(':'); colon != std::string_view::npos)
        id.remove_prefix(colon + 1);
    return std::string(id.substr(0, 12));
}

std::string ellipsis(std::string_view text, std::size_t width) {
    if (count_runes(text) <= width) return std::string(text);
    std::size_t end = 0;
    for (std::size_t runes = 0; runes + 1 < width && end < text.size(); ++runes) {
        do ++end;
        while (end < text.size() && (text[end] & 0xc0) == 0x80);
    }
    return std::string(text.substr(0, end)) + "…";
}

std::string align_columns(std::string_view text, std::size_t minimum) {
    constexpr std::size_t padding = 3;
    std::vector<std::vector<std::string>> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.push_back(split(text.substr(0, end), '\t'));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    std::vector<std::size_t> widths;
    for (const auto& cells : lines) {
        if (cells.size() > widths.size() + 1) widths.resize(cells.size() - 1, 0);
        for (std::size_t i = 0; i + 1 < cells.size(); ++i)
            widths[i] = std::max(widths[i], count_runes(cells[i]));
    }
    std::string result;
    for (const auto& cells : lines) {
        for (std::size_t i = 0; i + 1 < cells.size(); ++i) {
            // A column without any text takes no room.
            const std::size_t width = widths[i] == 0 ? 0 : std::max(widths[i] + padding, minimum);
            result += cells[i];
            result.append(width - std::min(width, count_runes(cells[i])), ' ');
        }
        result += cells.back() + "\n";
    }
    return result;
}

std::string format_listing(const Listing& listing, std::string_view format, bool quiet,
                           const std::vector<Row>& rows) {
    bool table = false;
    std::string text;
    if (format.empty() || format == "table") {
        text = quiet ? std::string(listing.quiet) : std::string(listing.default_table);
    } else if (format == "json") {
        text = "{{json .}}";
    } else {
        text = unescape_format(format);
    }
    if (text.starts_with("table")) {
        table = true;
        text = std::string(trim(std::string_view(text).substr(5)));
        if (quiet && (format.empty() || format == "table")) table = false;
    }
    const Template program = parse_template(text);
    std::string output;
    if (table) {
        json::Object headers;
        for (const Listing::Column& column : listing.columns)
            headers.append(std::string(column.field), std::string(column.header));
        TemplateScope scope;
        scope.type_name = listing.type_name;
        scope.method =
            [&](std::string_view,
                std::span<const json::Value* const> arguments) -> std::optional<json::Value> {
            // {{.Label "com.example.stage"}} is headed by the name of the label.
            if (arguments.empty() || !arguments[0]->is_string()) return std::nullopt;
            const std::string& name = arguments[0]->as_string();
            std::string header = name.substr(name.rfind('.') + 1);
            std::replace(header.begin(), header.end(), '-', ' ');
            std::replace(header.begin(), header.end(), '_', ' ');
            return json::Value(header);
        };
        output += execute(program, json::Value(std::move(headers)), scope) + "\n";
    }
    for (const Row& row : rows) {
        TemplateScope scope;
        scope.type_name = listing.type_name;
        scope.method = row.method;
        output += execute(program, row.fields, scope) + "\n";
    }
    return table ? align_columns(output) : output;
}

std::string format_object(const json::Value& object, std::string_view format) {
    if (format == "json") return json::dump(object) + "\n";
    const Template program =
        with_context([&] { return Template(unescape_format(format)); }, "template parsing error");
    TemplateScope scope;
    scope.docker_members = true;
    return with_context([&] { return program.execute(object, scope); }, "template parsing error") +
           "\n";
}

}  // namespace hull::cli
