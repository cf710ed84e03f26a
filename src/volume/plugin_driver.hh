#pragma once
#include "volume/driver.hh"

#include <optional>
#include <string>
#include <vector>

namespace hull::volume {

/// Where a plugin listens: "unix:///path" or "tcp://ADDRESS:PORT".
struct PluginAddress {
    std::string name, url;
};

/// The directories of Docker's plugin discovery: sockets, then spec and JSON files, each also in a
/// directory of the plugin's name. Source: docker/cli docs/extend/plugin_api.md.
struct PluginDirectories {
    Path sockets = "/run/docker/plugins";
    std::vector<Path> specs = {"/etc/docker/plugins", "/usr/lib/docker/plugins"};
};
std::optional<PluginAddress> find_plugin(const PluginDirectories& directories,
                                         const std::string& name);
std::vector<std::string> list_plugins(const PluginDirectories& directories);

/// Volumes of a service outside, by Docker's volume plugin protocol: JSON over HTTP. Every call has
/// a deadline. Source: docker/cli docs/extend/plugins_volume.md.
class PluginDriver final : public Driver {
public:
    /// Says hello. Throws not_found when it is no volume driver, unavailable when it is away.
    explicit PluginDriver(PluginAddress address);

    void create(const Volume& volume) override;
    Path remove(const Volume& volume) override;
    Path find_path(const Volume& volume) override;
    Path mount(const Volume& volume, const std::string& user) override;
    bool needs_mount(const Volume&) override { return true; }
    void unmount(const Volume& volume, const std::string& user) override;
    std::string scope() override;
    json::Value status(const Volume& volume) override;

    const PluginAddress& address() const { return address_; }
    /// Names of all its volumes.
    std::vector<std::string> list_names();
    bool has(const std::string& name);

private:
    json::Value call(std::string_view method, const json::Object& request);
    json::Value get(const std::string& name);

    const PluginAddress address_;
};

}  // namespace hull::volume
