#include "engine/secrets.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "engine/files.hh"
#include "engine/text.hh"

#include <unistd.h>

#include <algorithm>
#include <set>

namespace hull::engine {

namespace {

constexpr std::size_t longest_name = 64, most_bytes = 512'000;  // Docker's

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_secret_name(std::string_view name) {
    return !name.empty() && name.size() <= longest_name && is_letter_or_digit(name.front()) &&
           is_letter_or_digit(name.back()) && std::all_of(name.begin(), name.end(), [](char c) {
               return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
           });
}

bool is_variable_name(std::string_view name) {
    return !name.empty() && name.find('=') == name.npos && name.find('\0') == name.npos;
}

bool has_label(const api::Secret& secret, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    const auto label = secret.spec.labels.find(wanted.substr(0, equals));
    return label != secret.spec.labels.end() &&
           (equals == std::string::npos || label->second == wanted.substr(equals + 1));
}

/// Docker's: ids and names by their beginning, labels whole.
bool matches(const api::Secret& secret, const std::string& filter, const std::string& value) {
    if (filter == "id") return secret.id.starts_with(value);
    if (filter == "name") return secret.spec.name.starts_with(value);
    if (filter == "names") return secret.spec.name == value;
    return has_label(secret, value);
}

}  // namespace

Secrets::Secrets(Path directory, Owner& owner) : directory_(std::move(directory)), owner_(owner) {
    load();
}

void Secrets::load() {
    constexpr std::string_view record_suffix = ".json", text_suffix = ".text";
    std::set<std::string> known;
    const std::vector<std::string> names = find_names(directory_);
    for (const std::string& name : names) {
        if (!name.ends_with(record_suffix)) continue;
        // Its text stays also when the record cannot be read.
        known.insert(name.substr(0, name.size() - record_suffix.size()));
        try {
            auto secret = api::parse<api::Secret>(json::parse(read_file(join(directory_, name))));
            by_name_.emplace(secret.spec.name, std::move(secret));
        } catch (const Error& error) {
            log::error("secret {}: {}", name, error.message());
        }
    }
    // A text is written before its record and removed after it.
    for (const std::string& name : names)
        if (name.ends_with(text_suffix) &&
            !known.contains(name.substr(0, name.size() - text_suffix.size())))
            ::unlink(join(directory_, name).c_str());
}

/// With mutex_ held.
const api::Secret& Secrets::find(const std::string& name) const {
    if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
    const api::Secret* match = nullptr;
    for (const auto& [own_name, secret] : by_name_) {
        if (name.empty() || !secret.id.starts_with(name)) continue;
        if (match && secret.id != name)
            throw Error(ErrorKind::invalid_argument, "secret {} is ambiguous", name);
        match = &secret;
    }
    if (!match) throw Error(ErrorKind::not_found, "secret {} not found", name);
    return *match;
}

std::string Secrets::create(const api::SecretSpec& spec) {
    if (!is_secret_name(spec.name))
        throw Error(ErrorKind::invalid_argument,
                    "invalid secret name '{}': only {} [a-zA-Z0-9-_.] characters are allowed, "
                    "beginning and ending with a letter or digit",
                    spec.name, longest_name);
    const std::optional<std::string> text = decode_base64(spec.data);
    if (!text) throw Error(ErrorKind::invalid_argument, "secret data is not base64");
    if (text->empty() || text->size() > most_bytes)
        throw Error(ErrorKind::invalid_argument,
                    "secret data must be larger than 0 and less than {} bytes", most_bytes);
    api::Secret secret;
    secret.id = random_hex(13).substr(0, 25);
    secret.created_at = secret.updated_at = format_rfc3339(now_ns());
    secret.spec = spec;
    secret.spec.data.clear();
    {
        std::lock_guard lock(mutex_);
        if (by_name_.contains(spec.name))
            throw Error(ErrorKind::conflict, "secret {} already exists", spec.name);
        sys::mkdir_all(directory_, 0700);
        write_file_atomic(text_path(secret.id), *text, 0600);
        write_file_atomic(record_path(secret.id), json::dump(to_json(secret)), 0600);
        by_name_.emplace(spec.name, secret);
    }
    owner_.publish_secret("create", secret);
    return secret.id;
}

std::vector<api::Secret> Secrets::list(const Filters& filters) const {
    for (const auto& [filter, values] : filters)
        if (filter != "id" && filter != "name" && filter != "names" && filter != "label")
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", filter);
    std::vector<api::Secret> all;
    std::lock_guard lock(mutex_);
    for (const auto& [name, secret] : by_name_) {
        const bool wanted =
            std::all_of(filters.begin(), filters.end(), [&, &own = secret](const auto& filter) {
                const auto holds = [&](const std::string& value) {
                    return matches(own, filter.first, value);
                };
                // Labels must all be there, of names any.
                return filter.first == "label"
                           ? std::all_of(filter.second.begin(), filter.second.end(), holds)
                           : std::any_of(filter.second.begin(), filter.second.end(), holds);
            });
        if (wanted) all.push_back(secret);
    }
    return all;
}

api::Secret Secrets::inspect(const std::string& name) const {
    std::lock_guard lock(mutex_);
    return find(name);
}

void Secrets::remove(const std::string& name) {
    api::Secret secret;
    {
        std::lock_guard lock(mutex_);
        secret = find(name);
        if (const std::string user = owner_.find_secret_user(secret.spec.name); !user.empty())
            throw Error(ErrorKind::conflict, "secret '{}' is in use by the container {}",
                        secret.spec.name, user);
        ::unlink(record_path(secret.id).c_str());
        ::unlink(text_path(secret.id).c_str());
        by_name_.erase(secret.spec.name);
    }
    owner_.publish_secret("remove", secret);
}

void Secrets::update(const std::string& name, std::uint64_t version, const api::SecretSpec& spec) {
    api::Secret changed;
    {
        std::lock_guard lock(mutex_);
        changed = find(name);
        if (version != changed.version)
            throw Error(ErrorKind::invalid_argument,
                        "update out of sequence: secret {} has version {}", changed.spec.name,
                        changed.version);
        if (spec.name != changed.spec.name || !spec.data.empty())
            throw Error(ErrorKind::invalid_argument, "only updates to Labels are allowed");
        changed.spec.labels = spec.labels;
        ++changed.version;
        changed.updated_at = format_rfc3339(now_ns());
        write_file_atomic(record_path(changed.id), json::dump(to_json(changed)), 0600);
        by_name_[changed.spec.name] = changed;
    }
    owner_.publish_secret("update", changed);
}

void Secrets::check(std::vector<api::SecretUse>& uses, const std::string& user,
                    std::vector<std::string>& warnings) const {
    std::set<std::string> targets;
    std::lock_guard lock(mutex_);
    for (api::SecretUse& use : uses) {
        // No 404: clients would take that for a missing image and pull it.
        if (!by_name_.contains(use.source))
            throw Error(ErrorKind::invalid_argument, "No such secret: {}", use.source);
        if (!use.env.empty() && !use.target.empty())
            throw Error(ErrorKind::invalid_argument,
                        "secret {} is either a file or a variable: say target or env", use.source);
        if (!use.env.empty()) {
            if (!is_variable_name(use.env))
                throw Error(ErrorKind::invalid_argument, "invalid environment variable: {}",
                            use.env);
            continue;
        }
        if (use.target.empty()) use.target = use.source;
        if (!use.target.starts_with('/')) use.target = "/run/secrets/" + use.target;
        use.target = clean_path(use.target);
        if (use.target == "/" || use.target.find('\0') != std::string::npos)
            throw Error(ErrorKind::invalid_argument, "invalid target of secret {}", use.source);
        if (!targets.insert(use.target).second)
            throw Error(ErrorKind::invalid_argument, "two secrets have the target {}", use.target);
        if (use.mode && (*use.mode < 0 || *use.mode > 0777))
            throw Error(ErrorKind::invalid_argument, "invalid mode of secret {}", use.source);
        for (const auto& id : {use.uid, use.gid})
            if (id && (*id < 0 || *id >= 0xffffffffL))
                throw Error(ErrorKind::invalid_argument, "invalid owner of secret {}", use.source);
        const bool has_named_user =
            !user.empty() && user.find_first_not_of("0123456789:") != std::string::npos;
        if (has_named_user && !use.uid && !use.mode)
            warnings.push_back(
                fmt::format("secret {} belongs to root, and the container runs as {}: say uid= or "
                            "mode= if it is to read it",
                            use.source, user));
    }
}

std::string Secrets::read(const std::string& name) const {
    std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) throw Error(ErrorKind::not_found, "secret {} not found", name);
    return read_file(text_path(found->second.id), most_bytes);
}

std::vector<std::string> Secrets::environment(const std::vector<api::SecretUse>& uses) const {
    std::vector<std::string> entries;
    for (const api::SecretUse& use : uses) {
        if (use.env.empty()) continue;
        const std::string text = read(use.source);
        if (text.find('\0') != std::string::npos)
            throw Error(ErrorKind::invalid_argument,
                        "secret {} has a NUL byte and cannot be a variable", use.source);
        entries.push_back(use.env + "=" + text);
    }
    return entries;
}

}  // namespace hull::engine
