#include "build/dockerfile/mount.hh"

#include "base/text.hh"
#include "build/dockerfile/text.hh"
#include "build/dockerfile/words.hh"

#include <array>

namespace hull::build::dockerfile {
namespace {

constexpr std::string_view type_names[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
constexpr std::string_view sharing_names[] = {"shared", "private", "locked"};

template <typename... Args>
Error bad(fmt::format_string<Args...> text, Args&&... args) {
    return Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string match = nearest(word, candidates);
    return match.empty() ? "" : " (did you mean " + match + "?)";
}

template <std::size_t count>
std::size_t index_of(std::string_view value, const std::string_view (&names)[count],
                     std::string_view what) {
    for (std::size_t i = 0; i < count; ++i)
        if (lower(value) == names[i]) return i;
    throw bad("unsupported {} {}{}", what, quote(value),
              did_you_mean(value, {std::begin(names), std::end(names)}));
}

bool get_bool(std::string_view key, std::string_view value) {
    const std::optional<bool> parsed = parse_bool(value);
    if (!parsed) throw bad("invalid value for {}: {}", key, value);
    return *parsed;
}

class MountReader {
public:
    Mount read(const std::vector<std::string>& fields, const MountValueExpander& expand);

private:
    void read_switch(std::string_view key, std::string_view field);
    void read_value(const std::string& key, const std::string& value, std::string_view field);
    void finish();
    void allow_only(std::string_view key, bool allowed) const {
        if (!allowed) throw bad("unexpected key '{}' for mount type '{}'", key, type_name());
    }
    std::string_view type_name() const { return type_names[static_cast<std::size_t>(mount_.type)]; }
    bool is(MountType type) const { return mount_.type == type; }

    Mount mount_;
    std::optional<bool> read_only_;
    bool has_sharing_ = false;
};

void MountReader::read_switch(std::string_view key, std::string_view field) {
    if (key == "readonly" || key == "ro") {
        read_only_ = true;
    } else if (key == "readwrite" || key == "rw") {
        read_only_ = false;
    } else if (key == "required") {
        allow_only(key, is(MountType::secret) || is(MountType::ssh));
        mount_.required = true;
    } else {
        throw bad("invalid field '{}' must be a key=value pair", field);
    }
}

void MountReader::read_value(const std::string& key, const std::string& value,
                             std::string_view field) {
    const auto number = [&](int base) {
        const std::optional<std::uint64_t> parsed = parse_number(value, base, UINT32_MAX);
        if (!parsed) throw bad("invalid value {} for {}", value, key);
        return static_cast<std::uint32_t>(*parsed);
    };
    if (key == "type") {
        mount_.type = static_cast<MountType>(index_of(value, type_names, "mount type"));
    } else if (key == "from") {
        mount_.from = value;
    } else if (key == "source" || key == "src") {
        mount_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
        mount_.target = value;
    } else if (key == "readonly" || key == "ro") {
        read_only_ = get_bool(key, value);
    } else if (key == "readwrite" || key == "rw") {
        read_only_ = !get_bool(key, value);
    } else if (key == "required") {
        allow_only(key, is(MountType::secret) || is(MountType::ssh));
        mount_.required = get_bool(key, value);
    } else if (key == "size") {
        allow_only(key, is(MountType::tmpfs));
        try {
            mount_.size_limit_bytes = parse_size(value);
        } catch (const Error&) {
            throw bad("invalid value for {}: {}", key, value);
        }
    } else if (key == "id") {
        mount_.id = value;
    } else if (key == "sharing") {
        mount_.sharing = static_cast<CacheSharing>(index_of(value, sharing_names, "sharing value"));
        has_sharing_ = true;
    } else if (key == "mode") {
        mount_.mode = number(8);
    } else if (key == "uid") {
        mount_.uid = number(10);
    } else if (key == "gid") {
        mount_.gid = number(10);
    } else if (key == "env") {
        allow_only(key, is(MountType::secret));
        mount_.env = value;
    } else {
        const std::vector<std::string> keys{
            "type",     "from", "source",    "src", "target", "dst",     "destination",
            "readonly", "ro",   "readwrite", "rw",  "id",     "sharing", "required",
            "size",     "mode", "uid",       "gid", "env"};
        throw bad("unexpected key '{}' in '{}'{}", key, field, did_you_mean(key, keys));
    }
}

void MountReader::finish() {
    const bool has_owner = is(MountType::secret) || is(MountType::ssh) || is(MountType::cache);
    const auto refuse = [&](std::string_view what) {
        throw bad("{} not allowed for {} type mounts", what, quote(type_name()));
    };
    if (!has_owner) {
        if (mount_.mode) refuse("mode");
        if (mount_.uid) refuse("uid");
        if (mount_.gid) refuse("gid");
    }
    mount_.read_only = read_only_.value_or(!is(MountType::cache) && !is(MountType::tmpfs));
    if (is(MountType::secret)) {
        if (!mount_.from.empty()) throw bad("secret mount should not have a from");
        if (has_sharing_) throw bad("secret mount should not define sharing");
        if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty())
            throw bad("invalid secret mount. one of source, target required");
        if (!mount_.source.empty() && !mount_.id.empty())
            throw bad("both source and id can't be set");
    }
    if (has_sharing_ && !is(MountType::cache))
        throw bad("invalid cache sharing set for {} mount", type_name());
}

Mount MountReader::read(const std::vector<std::string>& fields, const MountValueExpander& expand) {
    // What a key means depends on the type, wherever the type stands.
    for (const std::string& field : fields)
        if (lower(std::string_view(field).substr(0, 5)) == "type=")
            read_value("type", expand(field.substr(5)), field);
    for (const std::string& field : fields) {
        const std::size_t equals = field.find('=');
        const std::string key = lower(std::string_view(field).substr(0, equals));
        if (equals == std::string::npos)
            read_switch(key, field);
        else
            read_value(key, expand(field.substr(equals + 1)), field);
    }
    finish();
    return std::move(mount_);
}

}  // namespace

Mount parse_mount(std::string_view text, const MountValueExpander& expand) {
    return MountReader().read(parse_csv_line(text), expand);
}

Mount parse_mount(std::string_view text) {
    return parse_mount(text, [](std::string value) { return value; });
}

void check_mount_from(std::string_view text) {
    for (const std::string& field : parse_csv_line(text)) {
        const std::size_t dollar = field.find('$');
        if (lower(field).starts_with("from=") && dollar != std::string::npos &&
            dollar + 1 < field.size())
            throw bad("'from' doesn't support variable expansion, define alias stage instead");
    }
}

}  // namespace hull::build::dockerfile
