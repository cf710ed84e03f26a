#include "api/server/image_view.hh"

#include "api/server/times.hh"
#include "base/time.hh"

#include <fnmatch.h>

#include <algorithm>

namespace hull::server {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

[[noreturn]] void refuse_filter(const std::string& name) {
    throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
}

bool parse_filter_bool(const std::string& name, const std::vector<std::string>& values) {
    for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (values.size() == 1 && values[0] == yes) return true;
    for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
        if (values.size() == 1 && values[0] == no) return false;
    throw Error(ErrorKind::invalid_argument, "invalid filter '{}={}'", name,
                values.empty() ? std::string("[]") : "[" + values[0] + "]");
}

/// Matches "busybox:latest", "busybox@sha256:…", or only their repository, as path.Match does:
/// `*` stops at a slash.
bool matches_reference(const std::string& pattern, const std::string& name) {
    if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0) return true;
    const std::size_t at = name.find('@');
    const std::size_t end = at != std::string::npos ? at : name.rfind(':');
    const std::string repository = name.substr(0, end);
    return ::fnmatch(pattern.c_str(), repository.c_str(), FNM_PATHNAME) == 0;
}

void keep_matching(std::vector<std::string>& names, const std::vector<std::string>& patterns) {
    std::erase_if(names, [&](const std::string& name) {
        return std::none_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
            return matches_reference(pattern, name);
        });
    });
}

}  // namespace

bool has_label(const std::map<std::string, std::string>& labels, std::string_view filter) {
    const std::size_t equals = filter.find('=');
    const auto found = labels.find(std::string(filter.substr(0, equals)));
    if (found == labels.end()) return false;
    return equals == std::string_view::npos || found->second == filter.substr(equals + 1);
}

api::ImageSummary summarize(const image::Image& image) {
    api::ImageSummary summary;
    summary.created = image.created_ns / second_ns;
    summary.id = image.id;
    if (const auto& labels = image.config.config.labels; !labels.empty())
        summary.labels = api::StringMap(labels);
    summary.parent_id = image.parent;
    summary.repo_digests = image.repo_digests;
    summary.repo_tags = image.repo_tags;
    summary.size = static_cast<std::int64_t>(image.size_bytes);
    return summary;
}

api::ImageInspect inspect(const image::Image& image, std::string_view driver) {
    api::ImageInspect result;
    result.id = image.id;
    result.repo_tags = image.repo_tags;
    result.repo_digests = image.repo_digests;
    result.parent = image.parent;
    if (!image.config.history.empty()) result.comment = image.config.history.back().comment;
    result.created = image.config.created;
    result.author = image.config.author;
    result.config = api::parse<api::ContainerConfig>(to_json(image.config.config));
    const oci::Platform& platform = image.config.platform;
    result.architecture = platform.architecture;
    result.variant = platform.variant;
    result.os = platform.os;
    result.os_version = platform.os_version;
    result.size = static_cast<std::int64_t>(image.size_bytes);
    result.graph_driver.name = driver;
    result.layers = image.diff_ids;
    result.last_tag_time =
        image.last_tagged_ns ? format_rfc3339(image.last_tagged_ns) : std::string(zero_time);
    return result;
}

std::vector<api::ImageSummary> list_images(const image::Images& images, const Filters& filters) {
    std::optional<bool> dangling;
    std::optional<std::int64_t> before, since;
    std::vector<std::string> labels, references;
    for (const auto& [name, values] : filters) {
        if (name == "dangling")
            dangling = parse_filter_bool(name, values);
        else if (name == "label")
            labels = values;
        else if (name == "reference")
            references = values;
        else if (name == "before")
            for (const std::string& value : values) {
                const std::int64_t created = images.get_image(value)->created_ns;
                before = std::min(before.value_or(created), created);
            }
        else if (name == "since")
            for (const std::string& value : values) {
                const std::int64_t created = images.get_image(value)->created_ns;
                since = std::max(since.value_or(created), created);
            }
        else if (name == "until")
            for (const std::string& value : values) {
                const std::int64_t created = parse_time(value, now_ns());
                before = std::min(before.value_or(created), created);
            }
        else
            refuse_filter(name);
    }

    std::vector<api::ImageSummary> list;
    for (const image::ImagePointer& image : images.list()) {
        if (before && image->created_ns >= *before) continue;
        if (since && image->created_ns <= *since) continue;
        if (!std::all_of(labels.begin(), labels.end(), [&](const std::string& label) {
                return has_label(image->config.config.labels, label);
            }))
            continue;
        const bool is_dangling = image->repo_tags.empty();
        if (dangling && *dangling != is_dangling) continue;
        api::ImageSummary summary = summarize(*image);
        if (!references.empty()) {
            keep_matching(summary.repo_tags, references);
            keep_matching(summary.repo_digests, references);
            if (summary.repo_tags.empty() && summary.repo_digests.empty()) continue;
        }
        list.push_back(std::move(summary));
    }
    return list;
}

image::PruneOptions parse_prune_options(const Filters& filters) {
    image::PruneOptions options;
    for (const auto& [name, values] : filters) {
        if (name == "dangling") {
            options.dangling_only = parse_filter_bool(name, values);
        } else if (name == "until") {
            if (values.size() != 1)
                throw Error(ErrorKind::invalid_argument, "more than one until filter specified");
            options.until_ns = parse_time(values[0], now_ns());
        } else if (name == "label" || name == "label!") {
            for (const std::string& value : values)
                options.labels.push_back({.text = value, .negated = name == "label!"});
        } else {
            refuse_filter(name);
        }
    }
    return options;
}

}  // namespace hull::server
