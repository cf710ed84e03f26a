#include "cli/values.hh"

#include <limits.h>
#include <unistd.h>

#include <charconv>

namespace hull::cli {
namespace {

std::string absolute_path(std::string_view path) {
    char directory[PATH_MAX];
    if (!::getcwd(directory, sizeof directory)) return std::string(path);
    std::vector<std::string> parts;
    for (const std::string& part : split(std::string(directory) + "/" + std::string(path), '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            parts.push_back(part);
        else if (!parts.empty())
            parts.pop_back();
    }
    std::string result;
    for (const std::string& part : parts) result += "/" + part;
    return result.empty() ? "/" : result;
}

}  // namespace

api::Mount parse_mount(std::string_view text) {
    api::Mount mount;
    mount.type = "volume";
    const auto bind = [&]() -> api::BindOptions& {
        if (!mount.bind_options) mount.bind_options.emplace();
        return *mount.bind_options;
    };
    const auto volume = [&]() -> api::VolumeOptions& {
        if (!mount.volume_options) mount.volume_options.emplace();
        return *mount.volume_options;
    };
    const auto driver = [&]() -> api::VolumeDriverConfig& {
        if (!volume().driver_config) volume().driver_config.emplace();
        return *volume().driver_config;
    };
    const auto tmpfs = [&]() -> api::TmpfsOptions& {
        if (!mount.tmpfs_options) mount.tmpfs_options.emplace();
        return *mount.tmpfs_options;
    };
    std::string id_map;
    const auto put = [](api::StringMap& map, std::string_view item) {
        const auto [name, value] = cut(item, '=');
        map[std::string(name)] = value.value_or("");
    };
    for (const std::string& field : split_csv(text)) {
        const auto [raw_key, maybe_value] = cut(field, '=');
        const std::string key = lower(raw_key);
        const std::string value(maybe_value.value_or(""));
        const auto boolean = [&] {
            try {
                return parse_bool(value);
            } catch (const Error&) {
                fail("invalid value for {}: {}", key, value);
            }
        };
        if (key == "bind-nonrecursive")
            fail("bind-nonrecursive is deprecated, use bind-recursive=disabled instead");
        if (!maybe_value) {
            if (key == "readonly" || key == "ro")
                mount.read_only = true;
            else if (key == "volume-nocopy")
                volume().no_copy = true;
            else if (key == "bind-create-src")
                bind().create_mountpoint = true;
            else
                fail("invalid field '{}' must be a key=value pair", field);
        } else if (key == "type") {
            mount.type = lower(value);
        } else if (key == "source" || key == "src") {
            mount.source = value == "." || value.starts_with("./") ? absolute_path(value) : value;
        } else if (key == "target" || key == "dst" || key == "destination") {
            mount.target = value;
        } else if (key == "readonly" || key == "ro") {
            mount.read_only = boolean();
        } else if (key == "consistency") {
            mount.consistency = lower(value);
        } else if (key == "bind-propagation") {
            bind().propagation = lower(value);
        } else if (key == "bind-create-src") {
            bind().create_mountpoint = boolean();
        } else if (key == "map" || key == "idmap") {
            id_map = key + "=" + value;
        } else if (key == "bind-recursive") {
            if (value == "disabled")
                bind().non_recursive = true;
            else if (value == "writable")
                bind().read_only_non_recursive = true;
            else if (value == "readonly")
                bind().read_only_force_recursive = true;
            else if (value != "enabled")
                fail(
                    "invalid value for {}: {} (must be \"enabled\", \"disabled\", \"writable\", "
                    "or \"readonly\")",
                    key, value);
        } else if (key == "volume-subpath") {
            volume().subpath = value;
        } else if (key == "volume-nocopy") {
            volume().no_copy = boolean();
        } else if (key == "volume-label") {
            put(volume().labels, value);
        } else if (key == "volume-driver") {
            driver().name = value;
        } else if (key == "volume-opt") {
            put(driver().options, value);
        } else if (key == "image-subpath") {
            mount.image_options.emplace().subpath = value;
        } else if (key == "tmpfs-size") {
            try {
                tmpfs().size_bytes = parse_bytes(value);
            } catch (const Error&) {
                fail("invalid value for {}: {}", key, value);
            }
        } else if (key == "tmpfs-mode") {
            unsigned mode = 0;
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), mode, 8);
            if (value.empty() || error != std::errc() || end != value.data() + value.size())
                fail("invalid value for {}: {}", key, value);
            tmpfs().mode = mode;
        } else {
            fail("unexpected key '{}' in '{}'", key, field);
        }
    }
    if (mount.type.empty()) fail("type is required");
    if (mount.target.empty()) fail("target is required");
    if (!id_map.empty()) {
        if (mount.type != "bind" && mount.type != "volume")
            fail("only mounts of type bind and volume can have their ids mapped");
        (mount.type == "bind" ? bind().id_map : volume().id_map) = id_map;
    }
    const auto refuse_mix = [&](std::string_view kind, bool present) {
        if (present && mount.type != kind)
            fail("cannot mix '{}-*' options with mount type '{}'", kind, mount.type);
    };
    refuse_mix("volume", mount.volume_options.has_value());
    refuse_mix("bind", mount.bind_options.has_value());
    refuse_mix("tmpfs", mount.tmpfs_options.has_value());
    refuse_mix("image", mount.image_options.has_value());
    if (mount.bind_options && !mount.read_only) {
        if (mount.bind_options->read_only_non_recursive)
            fail(
                "option 'bind-recursive=writable' requires 'readonly' to be specified in "
                "conjunction");
        if (mount.bind_options->read_only_force_recursive)
            fail(
                "option 'bind-recursive=readonly' requires 'readonly' to be specified in "
                "conjunction");
    }
    if (mount.bind_options && mount.bind_options->read_only_force_recursive &&
        mount.bind_options->propagation != "rprivate")
        fail(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be "
            "specified in conjunction");
    return mount;
}

VolumeValue parse_volume(std::string_view text) {
    if (text.empty()) fail("invalid empty volume spec");
    const auto [source, rest] = cut(text, ':');
    if (!rest) return {"", std::string(text)};
    if (source.empty()) fail("invalid spec: {}: empty section between colons", text);
    if (source[0] == '.') return {absolute_path(source) + ":" + std::string(*rest), ""};
    return {std::string(text), ""};
}

}  // namespace hull::cli
