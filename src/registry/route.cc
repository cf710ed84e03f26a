#include "registry/route.hh"

#include "base/text.hh"

#include <algorithm>
#include <charconv>
#include <vector>

namespace hull::registry {

namespace {

constexpr std::size_t max_name_size = 255;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_valid_component(std::string_view component) {
    if (component.empty() || !is_alphanumeric(component.front()) ||
        !is_alphanumeric(component.back()))
        return false;
    for (std::size_t at = 0; at < component.size();) {
        if (is_alphanumeric(component[at])) {
            at++;
            continue;
        }
        std::size_t end = at;
        while (!is_alphanumeric(component[end])) end++;  // the last character is one
        const std::string_view separator = component.substr(at, end - at);
        const bool is_dashes = separator.find_first_not_of('-') == std::string_view::npos;
        if (separator != "." && separator != "_" && separator != "__" && !is_dashes) return false;
        at = end;
    }
    return true;
}

std::optional<unsigned long long> parse_number(std::string_view text) {
    unsigned long long number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

std::string join_components(const std::vector<std::string_view>& parts, std::size_t count) {
    std::string name;
    for (std::size_t i = 0; i < count; i++) {
        if (i > 0) name += '/';
        name += parts[i];
    }
    return name;
}

}  // namespace

bool is_valid_repository(std::string_view name) {
    return name.size() <= max_name_size &&
           std::ranges::all_of(split_views(name, '/'), is_valid_component);
}

std::optional<Route> parse_route(std::string_view path) {
    using Kind = Route::Kind;
    if (path == "/v2" || path == "/v2/") return Route{.kind = Kind::base};
    if (!path.starts_with("/v2/")) return std::nullopt;
    path.remove_prefix(4);
    if (path == "_catalog") return Route{.kind = Kind::catalog};

    const std::vector<std::string_view> parts = split_views(path, '/');
    const std::size_t count = parts.size();
    const auto from_end = [&](std::size_t index) {
        return index < count ? parts[count - 1 - index] : std::string_view();
    };
    const auto make = [&](Kind kind, std::size_t tail, std::string_view reference = {}) {
        return Route{kind, join_components(parts, count - tail), std::string(reference)};
    };
    if (count >= 3 && from_end(0) == "list" && from_end(1) == "tags") return make(Kind::tags, 2);
    if (count >= 4 && from_end(1) == "uploads" && from_end(2) == "blobs")
        return from_end(0).empty() ? make(Kind::start_upload, 3)
                                   : make(Kind::upload, 3, from_end(0));
    if (count >= 3 && from_end(0) == "uploads" && from_end(1) == "blobs")
        return make(Kind::start_upload, 2);
    if (count < 3 || from_end(0).empty()) return std::nullopt;
    if (from_end(1) == "manifests") return make(Kind::manifest, 2, from_end(0));
    if (from_end(1) == "blobs") return make(Kind::blob, 2, from_end(0));
    if (from_end(1) == "referrers") return make(Kind::referrers, 2, from_end(0));
    return std::nullopt;
}

std::optional<ByteRange> parse_content_range(std::string_view text) {
    text = trim(text);
    if (text.starts_with("bytes ") || text.starts_with("bytes=")) text.remove_prefix(6);
    text = text.substr(0, text.find('/'));
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto first = parse_number(text.substr(0, dash)),
               last = parse_number(text.substr(dash + 1));
    if (!first || !last || *last < *first || *last == ~0ULL) return std::nullopt;
    return ByteRange{*first, *last};
}

WantedRange parse_range(std::string_view header, unsigned long long size) {
    using Verdict = WantedRange::Verdict;
    header = trim(header);
    if (!header.starts_with("bytes=")) return {};
    header.remove_prefix(6);
    const std::size_t dash = header.find('-');
    if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return {};
    const std::string_view first_text = trim(header.substr(0, dash));
    const std::string_view last_text = trim(header.substr(dash + 1));
    const auto first = parse_number(first_text), last = parse_number(last_text);
    if (first_text.empty()) {  // the last N bytes
        if (!last) return {};
        if (*last == 0 || size == 0) return {.verdict = Verdict::unsatisfiable};
        return {.verdict = Verdict::part, .range = {size - std::min(*last, size), size - 1}};
    }
    if (!first || (!last_text.empty() && (!last || *last < *first))) return {};
    if (*first >= size) return {.verdict = Verdict::unsatisfiable};
    return {.verdict = Verdict::part,
            .range = {*first, std::min(last.value_or(size - 1), size - 1)}};
}

}  // namespace hull::registry
