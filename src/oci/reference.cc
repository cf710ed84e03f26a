#include "oci/reference.hh"

#include "base/error.hh"

#include <algorithm>

namespace hull::oci {

namespace {

constexpr std::string_view default_domain = "docker.io";
constexpr std::string_view legacy_default_domain = "index.docker.io";
constexpr std::string_view official_prefix = "library/";
constexpr std::size_t max_name_size = 255;
constexpr std::size_t max_tag_size = 128;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_lower(c) || is_upper(c) || is_digit(c); }
bool is_lower_alphanumeric(char c) { return is_lower(c) || is_digit(c); }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_hex(char c) { return is_lower_hex(c) || (c >= 'A' && c <= 'F'); }
bool has_upper(std::string_view text) { return std::ranges::any_of(text, is_upper); }

[[noreturn]] void refuse() { throw Error(ErrorKind::invalid_argument, "invalid reference format"); }

/// Calls `check` for each part between separators; an empty part is a part.
template <typename Check>
bool all_parts(std::string_view text, char separator, Check check) {
    for (;;) {
        const auto end = text.find(separator);
        if (!check(text.substr(0, end))) return false;
        if (end == text.npos) return true;
        text.remove_prefix(end + 1);
    }
}

bool is_domain_component(std::string_view text) {
    return !text.empty() && text.front() != '-' && text.back() != '-' &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool is_domain(std::string_view text) {
    std::string_view host = text, port;
    const auto bracket = text.rfind(']');
    const auto colon = text.find(':', bracket == text.npos ? 0 : bracket);
    if (colon != text.npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (port.empty() || !std::ranges::all_of(port, is_digit)) return false;
    }
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        const std::string_view address = host.substr(1, host.size() - 2);
        return !address.empty() &&
               std::ranges::all_of(address, [](char c) { return is_hex(c) || c == ':'; });
    }
    return all_parts(host, '.', is_domain_component);
}

/// [a-z0-9]+ joined by one of `.`, `_`, `__` or any number of `-`.
bool is_path_component(std::string_view text) {
    std::size_t at = 0;
    const auto skip_word = [&] {
        const std::size_t begin = at;
        while (at < text.size() && is_lower_alphanumeric(text[at])) ++at;
        return at > begin;
    };
    if (!skip_word()) return false;
    while (at < text.size()) {
        if (text[at] == '-') {
            while (at < text.size() && text[at] == '-') ++at;
        } else if (text.substr(at).starts_with("__")) {
            at += 2;
        } else if (text[at] == '.' || text[at] == '_') {
            ++at;
        } else {
            return false;
        }
        if (!skip_word()) return false;
    }
    return true;
}

/// `host/rest` when the part before the first slash can only be a host.
struct Split {
    std::string domain, remainder;
};
Split split_domain(std::string_view text) {
    const auto slash = text.find('/');
    const std::string_view first = text.substr(0, slash);
    const bool is_host = slash != text.npos && (first.find_first_of(".:") != text.npos ||
                                                first == "localhost" || has_upper(first));
    Split split{std::string(is_host ? first : default_domain),
                std::string(is_host ? text.substr(slash + 1) : text)};
    if (split.domain == legacy_default_domain) split.domain = default_domain;
    if (split.domain == default_domain && split.remainder.find('/') == std::string::npos)
        split.remainder.insert(0, official_prefix);
    return split;
}

}  // namespace

bool is_valid_tag(std::string_view tag) {
    const auto is_word = [](char c) { return is_alphanumeric(c) || c == '_'; };
    return !tag.empty() && tag.size() <= max_tag_size && is_word(tag.front()) &&
           std::ranges::all_of(tag, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool looks_like_id(std::string_view text) {
    const bool is_sha512 = text.starts_with("sha512:");
    if (is_sha512 || text.starts_with("sha256:")) text.remove_prefix(7);
    return !text.empty() && text.size() <= (is_sha512 ? 128 : 64) &&
           std::ranges::all_of(text, is_lower_hex);
}

Reference Reference::parse(std::string_view text) {
    if (text.size() == 64 && std::ranges::all_of(text, is_lower_hex))
        throw Error(ErrorKind::invalid_argument,
                    "invalid repository name ({}), cannot specify 64-byte hexadecimal strings",
                    text);
    Split split = split_domain(text);
    std::string_view rest = split.remainder;
    if (const std::string_view name = rest.substr(0, rest.find(':')); has_upper(name))
        throw Error(ErrorKind::invalid_argument,
                    "invalid reference format: repository name ({}) must be lowercase", name);
    Reference reference;
    if (const auto at = rest.find('@'); at != rest.npos) {
        const std::string_view digest = rest.substr(at + 1);
        const auto colon = digest.find(':');
        if (colon == digest.npos || digest.size() - colon - 1 < 32 ||
            !std::ranges::all_of(digest.substr(colon + 1), is_hex))
            refuse();
        reference.digest_ = Digest::parse(digest);
        rest = rest.substr(0, at);
    }
    if (const auto colon = rest.find(':'); colon != rest.npos) {
        reference.tag_ = rest.substr(colon + 1);
        if (!is_valid_tag(reference.tag_)) refuse();
        rest = rest.substr(0, colon);
    }
    if (!is_domain(split.domain) || !all_parts(rest, '/', is_path_component)) refuse();
    reference.domain_ = std::move(split.domain);
    reference.path_ = rest;
    if (reference.name().size() > max_name_size)
        throw Error(ErrorKind::invalid_argument,
                    "repository name must not be more than {} characters", max_name_size);
    return reference;
}

Reference Reference::with_tag(std::string_view tag) const {
    if (!is_valid_tag(tag)) throw Error(ErrorKind::invalid_argument, "invalid tag format");
    Reference result = *this;
    result.tag_ = tag;
    return result;
}
Reference Reference::with_digest(Digest digest) const {
    Reference result = *this;
    result.digest_ = std::move(digest);
    return result;
}
Reference Reference::with_default_tag() const {
    return tag_.empty() && digest_.empty() ? with_tag("latest") : *this;
}
Reference Reference::without_tag_and_digest() const {
    Reference result = *this;
    result.tag_.clear();
    result.digest_ = Digest();
    return result;
}

namespace {

std::string with_suffix(std::string name, const std::string& tag, const Digest& digest) {
    if (!tag.empty()) name += ":" + tag;
    if (!digest.empty()) name += "@" + digest.str();
    return name;
}

}  // namespace

std::string Reference::canonical() const { return with_suffix(name(), tag_, digest_); }
std::string Reference::familiar() const { return with_suffix(familiar_name(), tag_, digest_); }
std::string Reference::familiar_name() const {
    if (domain_ != default_domain) return name();
    if (!path_.starts_with(official_prefix)) return path_;
    const std::string short_name = path_.substr(official_prefix.size());
    return short_name.find('/') == std::string::npos ? short_name : path_;
}

}  // namespace hull::oci
