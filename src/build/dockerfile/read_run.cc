#include "build/dockerfile/instruction_reader.hh"

#include "base/text.hh"
#include "build/dockerfile/mount.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

/// The field of a --mount that the message speaks of; all of it when none is named.
std::string_view blamed_field(std::string_view mount, const std::string& message) {
    for (const std::string_view field : split_views(mount, ',')) {
        const std::size_t equals = field.find('=');
        const std::string_view key = field.substr(0, equals);
        const std::string_view value =
            equals == std::string_view::npos ? "" : field.substr(equals + 1);
        const bool blamed = value.empty() || key == "from" || key == "type"
                                ? message.find(quote(value)) != std::string::npos ||
                                      message.find(fmt::format("'{}'", key)) != std::string::npos
                                : message.find(value) != std::string::npos ||
                                      message.find(fmt::format("'{}'", key)) != std::string::npos ||
                                      message.starts_with(key);
        if (blamed) return field;
    }
    return mount;
}

}  // namespace

Network InstructionReader::read_network(const Flags& flags) {
    const std::string value = flags.text("network");
    if (value.empty() && !flags.has("network")) return Network::default_;
    if (value == "default") return Network::default_;
    if (value == "none") return Network::none;
    if (value == "host") return Network::host;
    const std::string names[] = {"default", "none", "host"};
    const std::string match = nearest(value, names);
    fail("unsupported network mode " + quote(value), value.empty() ? "--network" : value,
         match.empty() ? "one of default, none, host" : "did you mean " + match + "?");
}

Security InstructionReader::read_security(const Flags& flags) {
    const std::string value = flags.text("security");
    if (!flags.has("security") || value == "sandbox") return Security::sandbox;
    if (value == "insecure") return Security::insecure;
    const std::string names[] = {"sandbox", "insecure"};
    const std::string match = nearest(value, names);
    fail("security " + quote(value) + " is not valid", value.empty() ? "--security" : value,
         match.empty() ? "one of sandbox, insecure" : "did you mean " + match + "?");
}

Device InstructionReader::read_device(std::string_view text) {
    Device device;
    try {
        for (const std::string& field : parse_csv_line(text)) {
            const std::size_t equals = field.find('=');
            const std::string key = lower(std::string_view(field).substr(0, equals));
            const std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
            if (equals == std::string::npos && key == "required") {
                device.required = true;
            } else if (equals == std::string::npos && device.name.empty()) {
                device.name = field;
            } else if (key == "name") {
                device.name = value;
            } else if (key == "required" && parse_bool(value)) {
                device.required = *parse_bool(value);
            } else {
                fail(fmt::format("unexpected key '{}' in '{}'", key, field), field);
            }
        }
    } catch (const DockerfileError&) {
        throw;
    } catch (const Error& error) {
        fail("failed to parse csv devices: " + error.message(), "--device");
    }
    if (device.name.empty()) fail("device name must not be empty", "--device");
    return device;
}

InstructionValue InstructionReader::read_run() {
    const Flags flags = read_flags({{"mount", FlagKind::texts},
                                    {"network", FlagKind::text},
                                    {"security", FlagKind::text},
                                    {"device", FlagKind::texts}});
    Run run;
    run.mount_flags = flags.texts("mount");
    for (const std::string& mount : run.mount_flags) {
        try {
            check_mount_from(mount);
            // Without a variable in it everything can be said now, at the right place.
            if (mount.find('$') == std::string::npos) parse_mount(mount);
        } catch (const Error& error) {
            fail(error.message(), blamed_field(mount, error.message()));
        }
    }
    run.network = read_network(flags);
    run.security = read_security(flags);
    for (const std::string& device : flags.texts("device"))
        run.devices.push_back(read_device(device));
    run.command = read_command(parts_.rest);
    run.heredocs = line_.heredocs;
    if (run.command.exec && !run.heredocs.empty())
        fail("a heredoc needs the shell form of RUN", "<<");
    if (run.command.arguments.empty()) fail("RUN requires at least one argument");
    return run;
}

std::int64_t InstructionReader::read_interval(const Flags& flags, const std::string& name) {
    const std::string value = flags.text(name);
    if (value.empty()) return 0;
    std::int64_t interval_ns = 0;
    try {
        interval_ns = parse_go_duration(value);
    } catch (const Error& error) {
        fail(error.message(), value, "a duration is a number and a unit: 500ms, 30s, 1m30s");
    }
    constexpr std::int64_t least_ns = 1'000'000;
    if (interval_ns != 0 && interval_ns < least_ns)
        fail(fmt::format("Interval {} cannot be less than 1ms", quote(name)), value);
    return interval_ns;
}

InstructionValue InstructionReader::read_healthcheck() {
    const std::size_t end = std::min(parts_.rest.find_first_of("\t\v\f\r "), parts_.rest.size());
    const std::string_view type = parts_.rest.substr(0, end);
    const std::string_view command = trim_space(parts_.rest.substr(end));
    if (type.empty())
        fail("HEALTHCHECK requires at least one argument", "",
             "HEALTHCHECK CMD … or HEALTHCHECK NONE");
    const Flags flags = read_flags({{"interval", FlagKind::text},
                                    {"timeout", FlagKind::text},
                                    {"start-period", FlagKind::text},
                                    {"start-interval", FlagKind::text},
                                    {"retries", FlagKind::text}});
    Healthcheck check;
    if (equal_fold(type, "NONE")) {
        if (!command.empty()) fail("HEALTHCHECK NONE takes no arguments", command);
        check.none = true;
        return check;
    }
    if (!equal_fold(type, "CMD"))
        fail(fmt::format("unknown type {} in HEALTHCHECK (try CMD)", quote(upper(type))), type);
    check.command = read_command(command);
    if (check.command.arguments.empty()) fail("missing command after HEALTHCHECK CMD", type);
    check.interval_ns = read_interval(flags, "interval");
    check.timeout_ns = read_interval(flags, "timeout");
    check.start_period_ns = read_interval(flags, "start-period");
    check.start_interval_ns = read_interval(flags, "start-interval");
    const std::string retries = flags.text("retries");
    if (retries.empty()) return check;
    if (retries.starts_with('-') && parse_number(retries.substr(1), 10, INT32_MAX))
        fail(fmt::format("--retries cannot be negative ({})", retries), retries);
    const std::optional<std::uint64_t> number = parse_number(retries, 10, INT32_MAX);
    if (!number)
        fail(fmt::format("strconv.ParseInt: parsing {}: invalid syntax", quote(retries)), retries,
             "--retries takes a whole number");
    check.retries = static_cast<int>(*number);
    return check;
}

}  // namespace hull::build::dockerfile
