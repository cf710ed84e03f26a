#pragma once
#include "engine/engine.hh"
#include "engine/record.hh"
#include "linux/overlay.hh"
#include "oci/runtime_spec.hh"
#include "shim/launch_config.hh"

#include <string>

namespace hull::engine {

/// Where one container's files are.
struct ContainerPaths {
    ContainerPaths(const Options& options, const std::string& id);
    Path directory;  ///< data-root/containers/<id>, the bundle
    Path upper, work, rootfs, logs;
    Path config, launch, exit_record;
    Path hostname, hosts, resolv_conf;
    Path runtime_directory;  ///< exec-root/containers/<id>
};

/// Makes the directories of a new container.
void make_container_directory(const ContainerPaths& paths);
/// The lowest layer of every container: the mount points that an image may lack. So nothing need be
/// made in the container's own layer for them, and `diff` and `commit` never see them.
void make_skeleton(const Path& directory);
Path skeleton_directory(const Options& options);

/// What a container's networks put into its files.
struct NetworkNames {
    std::vector<std::string> host_lines;  ///< of /etc/hosts: "172.17.0.2\tname"
    std::string host_gateway;             ///< "host-gateway" of --add-host; "": there is none
    /// The host's loopback is not the container's: name servers there do not serve it.
    bool is_apart = false;
    bool has_name_server = false;  ///< ours, at 127.0.0.11
};

/// hostname, hosts and resolv.conf, for every start: the host's may have changed. In place: a
/// running container has them mounted.
void write_network_files(const ContainerPaths& paths, const Definition& definition,
                         const Options& options, const NetworkNames& names);
/// resolv.conf of a container: the host's, with Docker's options over it.
std::string make_resolv_conf(std::string_view host_text, const api::HostConfig& host,
                             const Options& options, const NetworkNames& names = {});
std::string make_hosts(const Definition& definition, const NetworkNames& names = {});

shim::LogConfig make_log_config(const Definition& definition, const Path& directory);

/// What a container's files and row take at create, and again at a start.
constexpr std::uint64_t container_files_bytes = 64 << 10;

/// Bytes in the regular files of a tree (blocks of hard links counted once), as `ps -s` shows.
std::uint64_t tree_bytes(const Path& directory);

/// Names in a directory; none when there is no such directory.
std::vector<std::string> find_names(const Path& directory);

}  // namespace hull::engine
