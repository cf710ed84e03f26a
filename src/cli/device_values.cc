#include "cli/values.hh"

namespace hull::cli {

api::DeviceRequest parse_gpus(std::string_view text) {
    api::DeviceRequest request;
    std::vector<std::string> capabilities = {"gpu"};
    const auto parse_count = [](std::string_view value) -> std::int64_t {
        if (value == "all") return -1;
        try {
            return parse_integer(value);
        } catch (const Error&) {
            fail(
                "invalid count ({}): value must be either \"all\" or an integer: "
                "strconv.Atoi: parsing \"{}\": invalid syntax",
                value, value);
        }
    };
    bool count_given = false, ids_given = false;
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (!value) {
            request.count = parse_count(key);
            count_given = true;
        } else if (key == "driver") {
            request.driver = *value;
        } else if (key == "count") {
            request.count = parse_count(*value);
            count_given = true;
        } else if (key == "device") {
            for (std::string& id : split(*value, ',')) request.device_ids.push_back(std::move(id));
            ids_given = true;
        } else if (key == "capabilities") {
            capabilities = split(*value, ',');
            capabilities.emplace_back("gpu");
        } else if (key == "options") {
            for (const std::string& option : split_csv(*value)) {
                const auto [name, setting] = cut(option, '=');
                request.options[std::string(name)] = setting.value_or("");
            }
        } else {
            fail("unexpected key '{}' in '{}'", key, field);
        }
    }
    if (!count_given && !ids_given) request.count = 1;
    request.capabilities = {capabilities};
    return request;
}

bool is_cdi_device(std::string_view text) {
    const std::size_t equals = text.find('='), slash = text.find('/');
    return !text.starts_with("/") && slash != std::string_view::npos &&
           equals != std::string_view::npos && slash < equals && slash > 0 &&
           equals + 1 < text.size();
}

api::DeviceMapping parse_device(std::string_view text) {
    const auto is_mode = [](std::string_view mode) {
        return !mode.empty() && mode.find_first_not_of("rwm") == std::string_view::npos;
    };
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() > 3) fail("invalid device specification: {}", text);
    api::DeviceMapping device;
    device.path_on_host = parts[0];
    device.cgroup_permissions = parts.size() == 3 ? parts[2] : "rwm";
    if (parts.size() >= 2) {
        if (parts.size() == 2 && is_mode(parts[1]))
            device.cgroup_permissions = parts[1];
        else
            device.path_in_container = parts[1];
    }
    if (device.path_in_container.empty()) device.path_in_container = device.path_on_host;
    return device;
}

void check_device(std::string_view text) {
    if (is_cdi_device(text)) return;
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() > 3) fail("bad format for path: {}", text);
    if (parts[0].empty()) fail("bad format for path: {}", text);
    if (parts.size() == 3 && parts[2].find_first_not_of("rwm") != std::string::npos)
        fail("bad mode specified: {}", parts[2]);
    const api::DeviceMapping device = parse_device(text);
    if (!device.path_in_container.starts_with("/"))
        fail("{} is not an absolute path", device.path_in_container);
}

namespace {

std::pair<std::string, std::string_view> split_device_value(std::string_view text) {
    const auto [path, value] = cut(text, ':');
    if (!value || value->empty()) fail("bad format: {}", text);
    if (!path.starts_with("/dev/")) fail("bad format for device path: {}", text);
    return {std::string(path), *value};
}

}  // namespace

api::ThrottleDevice parse_throttle_bytes(std::string_view text) {
    const auto [path, value] = split_device_value(text);
    std::int64_t rate = -1;
    try {
        rate = parse_bytes(value);
    } catch (const Error&) {
    }
    if (rate < 0)
        fail(
            "invalid rate for device: {}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
            text);
    return {path, static_cast<std::uint64_t>(rate)};
}

api::ThrottleDevice parse_throttle_iops(std::string_view text) {
    const auto [path, value] = split_device_value(text);
    try {
        return {path, parse_unsigned(value, 64)};
    } catch (const Error&) {
        fail(
            "invalid rate for device: {}. The correct format is <device-path>:<number>. Number "
            "must be a positive integer",
            text);
    }
}

api::WeightDevice parse_weight_device(std::string_view text) {
    const auto [path, value] = split_device_value(text);
    std::int64_t weight = -1;
    try {
        weight = parse_integer(value);
    } catch (const Error&) {
    }
    if (weight != 0 && (weight < 10 || weight > 1000)) fail("invalid weight for device: {}", text);
    return {path, weight};
}

}  // namespace hull::cli
