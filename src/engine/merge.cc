#include "engine/merge.hh"

#include "base/error.hh"

namespace hull::engine {

namespace {

api::Strings to_strings(std::vector<std::string> strings) {
    return api::Strings(std::move(strings));
}

void merge_env(api::Strings& env, const std::vector<std::string>& image) {
    for (const std::string& entry : image) {
        const std::string name = entry.substr(0, entry.find('='));
        bool overridden = false;
        for (const std::string& own : env)
            overridden = overridden || own.substr(0, own.find('=')) == name;
        if (!overridden) env.push_back(entry);
    }
}

api::HealthConfig to_health(const oci::Healthcheck& check) {
    api::HealthConfig health;
    health.test = to_strings(check.test);
    health.interval = check.interval_ns;
    health.timeout = check.timeout_ns;
    health.start_period = check.start_period_ns;
    health.start_interval = check.start_interval_ns;
    health.retries = check.retries;
    return health;
}

void merge_health(std::optional<api::HealthConfig>& health, const oci::ImageConfigBlock& image) {
    if (!image.healthcheck) return;
    const api::HealthConfig base = to_health(*image.healthcheck);
    if (!health) {
        health = base;
        return;
    }
    if (health->test.empty()) health->test = base.test;
    if (health->interval == 0) health->interval = base.interval;
    if (health->timeout == 0) health->timeout = base.timeout;
    if (health->start_period == 0) health->start_period = base.start_period;
    if (health->start_interval == 0) health->start_interval = base.start_interval;
    if (health->retries == 0) health->retries = base.retries;
}

}  // namespace

void merge_image_config(api::ContainerConfig& config, const oci::ImageConfigBlock& image) {
    if (config.user.empty()) config.user = image.user;
    if (config.working_dir.empty()) config.working_dir = image.working_dir;
    if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;
    if (!config.stop_timeout) config.stop_timeout = image.stop_timeout_s;
    if (config.shell.empty() && !image.shell.empty()) config.shell = to_strings(image.shell);
    if (config.on_build.is_null() && !image.on_build.empty())
        config.on_build = to_strings(image.on_build);

    // The image's Cmd are arguments of the image's Entrypoint, so they go together.
    const bool entrypoint_given = !config.entrypoint.empty();
    if (!entrypoint_given) {
        if (config.cmd.empty() && image.cmd) config.cmd = to_strings(*image.cmd);
        if (config.entrypoint.is_null() && image.entrypoint)
            config.entrypoint = to_strings(*image.entrypoint);
    }
    // `--entrypoint ""` arrives as [""]: no entrypoint, and no Cmd of the image either.
    if (config.entrypoint.size() == 1 && config.entrypoint.front().empty())
        config.entrypoint = api::Strings();

    merge_env(config.env, image.env);
    for (const auto& [name, value] : image.labels) config.labels.emplace(name, value);
    for (const std::string& port : image.exposed_ports) config.exposed_ports.insert(port);
    for (const std::string& path : image.volumes) config.volumes.insert(path);
    merge_health(config.healthcheck, image);
}

std::vector<std::string> command_line(const api::ContainerConfig& config) {
    std::vector<std::string> words(config.entrypoint.begin(), config.entrypoint.end());
    words.insert(words.end(), config.cmd.begin(), config.cmd.end());
    if (words.empty()) throw Error(ErrorKind::invalid_argument, "No command specified");
    return words;
}

}  // namespace hull::engine
