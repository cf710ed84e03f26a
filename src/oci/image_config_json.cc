#include "oci/image_config.hh"
#include "oci/json_fields.hh"

#include <algorithm>
#include <array>

namespace hull::oci {

void load(const Field& field, Digest& target);

void load(const Field& field, Healthcheck& target) {
    field.read("Test", target.test);
    field.read("Interval", target.interval_ns);
    field.read("Timeout", target.timeout_ns);
    field.read("StartPeriod", target.start_period_ns);
    field.read("StartInterval", target.start_interval_ns);
    field.read("Retries", target.retries);
}

namespace {

/// The members whose names are not in `known`, as they were read.
template <std::size_t Count>
json::Object other_members(const json::Object& object,
                           const std::array<std::string_view, Count>& known) {
    json::Object others;
    for (const auto& [name, value] : object)
        if (std::ranges::find(known, name) == known.end()) others.append(name, value);
    return others;
}

void append_all(json::Object& target, const json::Object& more) {
    for (const auto& [name, value] : more)
        if (!target.find(name)) target.append(name, value);
}

constexpr auto block_members = std::to_array<std::string_view>(
    {"User", "WorkingDir", "StopSignal", "Env", "Cmd", "Entrypoint", "Labels", "ExposedPorts",
     "Volumes", "OnBuild", "Shell", "Healthcheck", "ArgsEscaped", "StopTimeout"});
constexpr auto config_members =
    std::to_array<std::string_view>({"created", "author", "architecture", "os", "variant",
                                     "os.version", "os.features", "config", "rootfs", "history"});

}  // namespace

void load(const Field& field, ImageConfigBlock& target) {
    field.read("User", target.user);
    field.read("WorkingDir", target.working_dir);
    field.read("StopSignal", target.stop_signal);
    field.read("Env", target.env);
    field.read("Cmd", target.cmd);
    field.read("Entrypoint", target.entrypoint);
    field.read("Labels", target.labels);
    field.read("ExposedPorts", target.exposed_ports);
    field.read("Volumes", target.volumes);
    field.read("OnBuild", target.on_build);
    field.read("Shell", target.shell);
    field.read("Healthcheck", target.healthcheck);
    field.read("ArgsEscaped", target.args_escaped);
    field.read("StopTimeout", target.stop_timeout_s);
    if (field.value().is_object())
        target.unknown = other_members(field.value().as_object(), block_members);
}

void load(const Field& field, HistoryEntry& target) {
    field.read("created", target.created);
    field.read("created_by", target.created_by);
    field.read("author", target.author);
    field.read("comment", target.comment);
    field.read("empty_layer", target.empty_layer);
}

ImageConfig parse_image_config(std::string_view text) {
    const json::Value value = json::parse(text);
    if (!value.is_object())
        throw Error(ErrorKind::invalid_argument, "an image config has to be a JSON object");
    const Field field(value);
    ImageConfig config;
    field.read("created", config.created);
    field.read("author", config.author);
    config.platform = parse_platform_json(value);
    field.read("config", config.config);
    const Field rootfs = field.member("rootfs");
    std::string type = "layers";
    rootfs.read("type", type);
    if (type != "layers") rootfs.member("type").fail(fmt::format("unknown type {:?}", type));
    rootfs.read("diff_ids", config.diff_ids);
    field.read("history", config.history);
    config.unknown = other_members(value.as_object(), config_members);
    return config;
}

json::Value to_json(const Healthcheck& healthcheck) {
    return Members()
        .put("Test", healthcheck.test)
        .put("Interval", healthcheck.interval_ns)
        .put("Timeout", healthcheck.timeout_ns)
        .put("StartPeriod", healthcheck.start_period_ns)
        .put("StartInterval", healthcheck.start_interval_ns)
        .put("Retries", healthcheck.retries)
        .take();
}

Healthcheck parse_healthcheck(const json::Value& value) {
    Healthcheck healthcheck;
    load(Field(value, "Healthcheck"), healthcheck);
    return healthcheck;
}

ImageConfigBlock parse_image_config_block(const json::Value& value) {
    ImageConfigBlock block;
    load(Field(value, "config"), block);
    return block;
}

json::Value to_json(const ImageConfigBlock& block) {
    json::Object object = Members()
                              .put("User", block.user)
                              .put("ExposedPorts", block.exposed_ports)
                              .put("Env", block.env)
                              .put("Entrypoint", block.entrypoint)
                              .put("Cmd", block.cmd)
                              .put("Volumes", block.volumes)
                              .put("WorkingDir", block.working_dir)
                              .put("Labels", block.labels)
                              .put("StopSignal", block.stop_signal)
                              .put("ArgsEscaped", block.args_escaped)
                              .put("Healthcheck", block.healthcheck)
                              .put("OnBuild", block.on_build)
                              .put("StopTimeout", block.stop_timeout_s)
                              .put("Shell", block.shell)
                              .take();
    append_all(object, block.unknown);
    return object;
}

json::Value to_json(const HistoryEntry& entry) {
    return Members()
        .put("created", entry.created)
        .put("created_by", entry.created_by)
        .put("author", entry.author)
        .put("comment", entry.comment)
        .put("empty_layer", entry.empty_layer)
        .take();
}

json::Value to_json(const Digest& digest) { return digest.str(); }

json::Value to_json(const ImageConfig& config) {
    json::Value rootfs = Members()
                             .put_always("type", std::string("layers"))
                             .put_always("diff_ids", config.diff_ids)
                             .take();
    json::Object object = Members()
                              .put("created", config.created)
                              .put("author", config.author)
                              .put_always("architecture", config.platform.architecture)
                              .put("variant", config.platform.variant)
                              .put_always("os", config.platform.os)
                              .put("os.version", config.platform.os_version)
                              .put("os.features", config.platform.os_features)
                              .put_always("config", config.config)
                              .put_always("rootfs", rootfs)
                              .put("history", config.history)
                              .take();
    append_all(object, config.unknown);
    return object;
}

std::vector<Digest> chain_ids(std::span<const Digest> diff_ids) {
    std::vector<Digest> chain;
    for (const Digest& diff_id : diff_ids)
        chain.push_back(chain.empty() ? diff_id
                                      : Digest::of(chain.back().str() + " " + diff_id.str()));
    return chain;
}

Digest chain_id(std::span<const Digest> diff_ids) {
    const std::vector<Digest> chain = chain_ids(diff_ids);
    return chain.empty() ? Digest() : chain.back();
}

}  // namespace hull::oci
