#pragma once
#include "api/types/host_config.hh"
#include "api/types/network_json.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<LogConfig> auto& value) {
    visit("Type", value.type);
    visit("Config", value.config);
}

template <typename Visitor>
void fields(Visitor& visit, Of<RestartPolicy> auto& value) {
    visit("Name", value.name);
    visit("MaximumRetryCount", value.maximum_retry_count);
}

template <typename Visitor>
void fields(Visitor& visit, Of<DeviceMapping> auto& value) {
    visit("PathOnHost", value.path_on_host);
    visit("PathInContainer", value.path_in_container);
    visit("CgroupPermissions", value.cgroup_permissions);
}

template <typename Visitor>
void fields(Visitor& visit, Of<DeviceRequest> auto& value) {
    visit("Driver", value.driver);
    visit("Count", value.count);
    visit("DeviceIDs", value.device_ids);
    visit("Capabilities", value.capabilities);
    visit("Options", value.options);
}

template <typename Visitor>
void fields(Visitor& visit, Of<Ulimit> auto& value) {
    visit("Name", value.name);
    visit("Hard", value.hard);
    visit("Soft", value.soft);
}

template <typename Visitor>
void fields(Visitor& visit, Of<WeightDevice> auto& value) {
    visit("Path", value.path);
    visit("Weight", value.weight);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ThrottleDevice> auto& value) {
    visit("Path", value.path);
    visit("Rate", value.rate);
}

template <typename Visitor>
void fields(Visitor& visit, Of<BindOptions> auto& value) {
    visit.omit_empty("Propagation", value.propagation);
    visit.omit_empty("NonRecursive", value.non_recursive);
    visit.omit_empty("CreateMountpoint", value.create_mountpoint);
    visit.omit_empty("ReadOnlyNonRecursive", value.read_only_non_recursive);
    visit.omit_empty("ReadOnlyForceRecursive", value.read_only_force_recursive);
    visit.omit_empty("IdMap", value.id_map);
}

template <typename Visitor>
void fields(Visitor& visit, Of<VolumeDriverConfig> auto& value) {
    visit.omit_empty("Name", value.name);
    visit.omit_empty("Options", value.options);
}

template <typename Visitor>
void fields(Visitor& visit, Of<VolumeOptions> auto& value) {
    visit.omit_empty("NoCopy", value.no_copy);
    visit.omit_empty("Labels", value.labels);
    visit.omit_empty("Subpath", value.subpath);
    visit.omit_empty("DriverConfig", value.driver_config);
    visit.omit_empty("IdMap", value.id_map);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ImageOptions> auto& value) {
    visit.omit_empty("Subpath", value.subpath);
}

template <typename Visitor>
void fields(Visitor& visit, Of<TmpfsOptions> auto& value) {
    visit.omit_empty("SizeBytes", value.size_bytes);
    visit.omit_empty("Mode", value.mode);
    visit.omit_empty("Options", value.options);
}

template <typename Visitor>
void fields(Visitor& visit, Of<Mount> auto& value) {
    visit.omit_empty("Type", value.type);
    visit.omit_empty("Source", value.source);
    visit.omit_empty("Target", value.target);
    visit.omit_empty("ReadOnly", value.read_only);
    visit.omit_empty("Consistency", value.consistency);
    visit.omit_empty("BindOptions", value.bind_options);
    visit.omit_empty("VolumeOptions", value.volume_options);
    visit.omit_empty("ImageOptions", value.image_options);
    visit.omit_empty("TmpfsOptions", value.tmpfs_options);
}

template <typename Visitor>
void fields(Visitor& visit, Of<SecretUse> auto& value) {
    visit("Source", value.source);
    visit.omit_empty("Target", value.target);
    visit.omit_empty("Env", value.env);
    visit.omit_empty("UID", value.uid);
    visit.omit_empty("GID", value.gid);
    visit.omit_empty("Mode", value.mode);
}

template <typename Visitor>
void fields(Visitor& visit, Of<HostConfig> auto& value) {
    visit("Binds", value.binds);
    visit("ContainerIDFile", value.container_id_file);
    visit("LogConfig", value.log_config);
    visit("NetworkMode", value.network_mode);
    visit("PortBindings", value.port_bindings);
    visit("RestartPolicy", value.restart_policy);
    visit("AutoRemove", value.auto_remove);
    visit("VolumeDriver", value.volume_driver);
    visit("VolumesFrom", value.volumes_from);
    visit("ConsoleSize", value.console_size);
    visit.omit_empty("Annotations", value.annotations);
    visit.strings_or_text("CapAdd", value.cap_add);
    visit.strings_or_text("CapDrop", value.cap_drop);
    visit("CgroupnsMode", value.cgroupns_mode);
    visit("Dns", value.dns);
    visit("DnsOptions", value.dns_options);
    visit("DnsSearch", value.dns_search);
    visit("ExtraHosts", value.extra_hosts);
    visit("GroupAdd", value.group_add);
    visit("IpcMode", value.ipc_mode);
    visit("Cgroup", value.cgroup);
    visit("Links", value.links);
    visit("OomScoreAdj", value.oom_score_adj);
    visit("PidMode", value.pid_mode);
    visit("Privileged", value.privileged);
    visit("PublishAllPorts", value.publish_all_ports);
    visit("ReadonlyRootfs", value.readonly_rootfs);
    visit("SecurityOpt", value.security_opt);
    visit.omit_empty("StorageOpt", value.storage_opt);
    visit.omit_empty("Tmpfs", value.tmpfs);
    visit("UTSMode", value.uts_mode);
    visit("UsernsMode", value.userns_mode);
    visit("ShmSize", value.shm_size);
    visit.omit_empty("Sysctls", value.sysctls);
    visit.omit_empty("Runtime", value.runtime);
    visit("Isolation", value.isolation);
    visit("CpuShares", value.cpu_shares);
    visit("Memory", value.memory);
    visit("NanoCpus", value.nano_cpus);
    visit("CgroupParent", value.cgroup_parent);
    visit("BlkioWeight", value.blkio_weight);
    visit("BlkioWeightDevice", value.blkio_weight_device);
    visit("BlkioDeviceReadBps", value.blkio_device_read_bps);
    visit("BlkioDeviceWriteBps", value.blkio_device_write_bps);
    visit("BlkioDeviceReadIOps", value.blkio_device_read_iops);
    visit("BlkioDeviceWriteIOps", value.blkio_device_write_iops);
    visit("CpuPeriod", value.cpu_period);
    visit("CpuQuota", value.cpu_quota);
    visit("CpuRealtimePeriod", value.cpu_realtime_period);
    visit("CpuRealtimeRuntime", value.cpu_realtime_runtime);
    visit("CpusetCpus", value.cpuset_cpus);
    visit("CpusetMems", value.cpuset_mems);
    visit("Devices", value.devices);
    visit("DeviceCgroupRules", value.device_cgroup_rules);
    visit("DeviceRequests", value.device_requests);
    visit("MemoryReservation", value.memory_reservation);
    visit("MemorySwap", value.memory_swap);
    visit("MemorySwappiness", value.memory_swappiness);
    visit("OomKillDisable", value.oom_kill_disable);
    visit("PidsLimit", value.pids_limit);
    visit("Ulimits", value.ulimits);
    visit("CpuCount", value.cpu_count);
    visit("CpuPercent", value.cpu_percent);
    visit("IOMaximumIOps", value.io_maximum_iops);
    visit("IOMaximumBandwidth", value.io_maximum_bandwidth);
    visit.omit_empty("Mounts", value.mounts);
    visit.omit_empty("Secrets", value.secrets);
    visit("MaskedPaths", value.masked_paths);
    visit("ReadonlyPaths", value.readonly_paths);
    visit.omit_empty("Init", value.init);
}

}  // namespace hull::api
