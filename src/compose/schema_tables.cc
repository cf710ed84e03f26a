#include "compose/schema.hh"
#include "compose/short_forms.hh"

// Our table of the Compose file format; the order of fields is the order `config` prints them in.
// Source: compose-spec/spec.md.
namespace hull::compose {
namespace {

constexpr Schema any{};
constexpr Schema string{.shape = Shape::string};
constexpr Schema text{.shape = Shape::text};
constexpr Schema value{.shape = Shape::value};
constexpr Schema boolean{.shape = Shape::boolean};
constexpr Schema integer{.shape = Shape::integer};
constexpr Schema number{.shape = Shape::number};
constexpr Schema size{.shape = Shape::size};
constexpr Schema duration{.shape = Shape::duration};
constexpr Schema path{.shape = Shape::path};

constexpr Schema strings{.shape = Shape::list, .item = &string};
constexpr Schema unique_strings{.shape = Shape::list, .item = &string, .merging = Merging::unique};
constexpr Schema string_or_list{
    .shape = Shape::list, .item = &string, .lengthen = lengthen_list, .merging = Merging::unique};
constexpr Schema texts{.shape = Shape::list,
                       .item = &string,
                       .lengthen = lengthen_text_list,
                       .merging = Merging::unique};
constexpr Schema paths{
    .shape = Shape::list, .item = &path, .lengthen = lengthen_list, .merging = Merging::unique};
constexpr Schema text_map{.shape = Shape::map, .item = &text};
constexpr Schema text_dictionary{.shape = Shape::dictionary, .item = &text};
constexpr Schema value_dictionary{.shape = Shape::dictionary, .item = &value};
constexpr Schema anything_map{.shape = Shape::map, .item = &any};
constexpr Schema command{.shape = Shape::list,
                         .item = &string,
                         .lengthen = lengthen_command,
                         .merging = Merging::replace,
                         .nullable = true};
constexpr Schema mode{.shape = Shape::string, .lengthen = lengthen_mode};
constexpr Schema extra_hosts{.shape = Shape::list,
                             .item = &string,
                             .lengthen = lengthen_extra_hosts,
                             .merging = Merging::unique};

constexpr Schema ulimit{.finish = finish_ulimit, .merging = Merging::replace};
constexpr Schema ulimits{.shape = Shape::map, .item = &ulimit};

constexpr Field file_reference_fields[] = {
    {"source", &string}, {"target", &string}, {"uid", &string}, {"gid", &string}, {"mode", &mode}};
constexpr Schema file_reference{
    .shape = Shape::object, .fields = file_reference_fields, .lengthen = lengthen_file_reference};
constexpr Schema file_references{
    .shape = Shape::list, .item = &file_reference, .merging = Merging::by_key, .key = target_key};

constexpr Schema ssh{
    .shape = Shape::list, .item = &string, .lengthen = lengthen_ssh, .merging = Merging::unique};
constexpr Schema build_contexts{
    .shape = Shape::dictionary, .item = &string, .finish = finish_build_contexts};
constexpr Field build_fields[] = {
    {"context", &string},
    {"dockerfile", &string},
    {"dockerfile_inline", &string},
    {"entitlements", &strings},
    {"args", &value_dictionary},
    {"provenance", &text},
    {"sbom", &text},
    {"ssh", &ssh},
    {"labels", &text_dictionary},
    {"cache_from", &unique_strings},
    {"cache_to", &unique_strings},
    {"no_cache", &boolean},
    {"additional_contexts", &build_contexts},
    {"pull", &boolean},
    {"extra_hosts", &extra_hosts},
    {"isolation", &string},
    {"network", &string},
    {"target", &string},
    {"secrets", &file_references},
    {"shm_size", &size},
    {"tags", &unique_strings},
    {"ulimits", &ulimits},
    {"platforms", &unique_strings},
    {"privileged", &boolean},
};
constexpr Schema build{.shape = Shape::object,
                       .fields = build_fields,
                       .lengthen = lengthen_build,
                       .finish = finish_build};

constexpr Field hook_fields[] = {{"command", &command},
                                 {"user", &string},
                                 {"privileged", &boolean},
                                 {"working_dir", &string},
                                 {"environment", &value_dictionary}};
constexpr Schema hook{.shape = Shape::object, .fields = hook_fields};
constexpr Schema hooks{.shape = Shape::list, .item = &hook};

constexpr Schema watch_action{.shape = Shape::string,
                              .allowed = "rebuild|sync|restart|sync+restart|sync+exec"};
constexpr Field trigger_fields[] = {
    {"path", &path, true},        {"action", &watch_action, true},
    {"target", &string},          {"exec", &hook},
    {"include", &string_or_list}, {"ignore", &string_or_list},
    {"initial_sync", &boolean},
};
constexpr Schema trigger{.shape = Shape::object, .fields = trigger_fields};
constexpr Schema triggers{
    .shape = Shape::list, .item = &trigger, .merging = Merging::by_key, .key = path_key};
constexpr Field develop_fields[] = {{"watch", &triggers}};
constexpr Schema develop{.shape = Shape::object, .fields = develop_fields, .nullable = true};

constexpr Field weight_device_fields[] = {{"path", &string}, {"weight", &integer}};
constexpr Schema weight_device{.shape = Shape::object, .fields = weight_device_fields};
constexpr Schema weight_devices{.shape = Shape::list, .item = &weight_device};
constexpr Field throttle_fields[] = {{"path", &string}, {"rate", &size}};
constexpr Schema throttle{.shape = Shape::object, .fields = throttle_fields};
constexpr Schema throttles{.shape = Shape::list, .item = &throttle};
constexpr Field blkio_fields[] = {
    {"weight", &integer},
    {"weight_device", &weight_devices},
    {"device_read_bps", &throttles},
    {"device_read_iops", &throttles},
    {"device_write_bps", &throttles},
    {"device_write_iops", &throttles},
};
constexpr Schema blkio{.shape = Shape::object, .fields = blkio_fields};

constexpr Field credential_fields[] = {
    {"config", &string}, {"file", &string}, {"registry", &string}};
constexpr Schema credential_spec{.shape = Shape::object, .fields = credential_fields};

constexpr Schema condition{
    .shape = Shape::string,
    .allowed = "service_started|service_healthy|service_completed_successfully"};
constexpr Field dependency_fields[] = {
    {"condition", &condition, true}, {"restart", &boolean}, {"required", &boolean}};
constexpr Schema dependency{.shape = Shape::object, .fields = dependency_fields};
constexpr Schema depends_on{.shape = Shape::map,
                            .item = &dependency,
                            .lengthen = lengthen_depends_on,
                            .finish = finish_depends_on};

constexpr Field device_request_fields[] = {
    {"capabilities", &strings}, {"driver", &string},           {"count", &any},
    {"device_ids", &strings},   {"options", &text_dictionary},
};
constexpr Schema device_request{
    .shape = Shape::object, .fields = device_request_fields, .finish = finish_device_request};
constexpr Schema device_requests{.shape = Shape::list, .item = &device_request};
constexpr Schema gpus{.shape = Shape::list, .item = &device_request, .lengthen = lengthen_gpus};
constexpr Schema anything_list{.shape = Shape::list, .item = &any};
constexpr Field resource_fields[] = {
    {"cpus", &number},
    {"memory", &size},
    {"pids", &integer},
    {"devices", &device_requests},
    {"generic_resources", &anything_list},
};
constexpr Schema resource{.shape = Shape::object, .fields = resource_fields};
constexpr Field resources_fields[] = {{"limits", &resource}, {"reservations", &resource}};
constexpr Schema resources{.shape = Shape::object, .fields = resources_fields};
constexpr Schema order{.shape = Shape::string, .allowed = "start-first|stop-first"};
constexpr Field update_fields[] = {
    {"parallelism", &integer}, {"delay", &duration},           {"failure_action", &string},
    {"monitor", &duration},    {"max_failure_ratio", &number}, {"order", &order},
};
constexpr Schema update{.shape = Shape::object, .fields = update_fields};
constexpr Schema restart_condition{.shape = Shape::string,
                                   .allowed = "none|on-failure|any|always|unless-stopped|no"};
constexpr Field restart_policy_fields[] = {{"condition", &restart_condition},
                                           {"delay", &duration},
                                           {"max_attempts", &integer},
                                           {"window", &duration}};
constexpr Schema restart_policy{.shape = Shape::object, .fields = restart_policy_fields};
constexpr Field placement_fields[] = {{"constraints", &strings},
                                      {"preferences", &anything_list},
                                      {"max_replicas_per_node", &integer}};
constexpr Schema placement{.shape = Shape::object, .fields = placement_fields};
constexpr Schema deploy_mode{.shape = Shape::string,
                             .allowed = "replicated|global|replicated-job|global-job"};
constexpr Field deploy_fields[] = {
    {"mode", &deploy_mode},
    {"replicas", &integer},
    {"labels", &text_dictionary},
    {"update_config", &update},
    {"rollback_config", &update},
    {"resources", &resources},
    {"restart_policy", &restart_policy},
    {"placement", &placement},
    {"endpoint_mode", &string},
};
constexpr Schema deploy{.shape = Shape::object, .fields = deploy_fields, .nullable = true};

constexpr Field device_fields[] = {
    {"source", &string, true}, {"target", &string}, {"permissions", &string}};
constexpr Schema device{
    .shape = Shape::object, .fields = device_fields, .lengthen = lengthen_device};
constexpr Schema devices{
    .shape = Shape::list, .item = &device, .merging = Merging::by_key, .key = target_key};

constexpr Schema env_file_format{.shape = Shape::string, .allowed = "raw"};
constexpr Field env_file_fields[] = {
    {"path", &path, true}, {"required", &boolean}, {"format", &env_file_format}};
constexpr Schema env_file_item{.shape = Shape::object, .fields = env_file_fields};
constexpr Schema env_file{.shape = Shape::list,
                          .item = &env_file_item,
                          .lengthen = lengthen_env_file,
                          .merging = Merging::by_key,
                          .key = path_key};

constexpr Field extends_fields[] = {{"file", &string}, {"service", &string, true}};
constexpr Schema extends{
    .shape = Shape::object, .fields = extends_fields, .lengthen = lengthen_extends};
constexpr Field provider_fields[] = {{"type", &string, true}, {"options", &anything_map}};
constexpr Schema provider{.shape = Shape::object, .fields = provider_fields};

constexpr Schema health_test{.shape = Shape::list,
                             .item = &string,
                             .lengthen = lengthen_health_test,
                             .merging = Merging::replace};
constexpr Field healthcheck_fields[] = {
    {"test", &health_test}, {"timeout", &duration},      {"interval", &duration},
    {"retries", &integer},  {"start_period", &duration}, {"start_interval", &duration},
    {"disable", &boolean},
};
constexpr Schema healthcheck{.shape = Shape::object, .fields = healthcheck_fields};
constexpr Field logging_fields[] = {{"driver", &string}, {"options", &text_map}};
constexpr Schema logging{.shape = Shape::object, .fields = logging_fields};

constexpr Field service_model_fields[] = {{"endpoint_var", &string}, {"model_var", &string}};
constexpr Schema service_model{
    .shape = Shape::object, .fields = service_model_fields, .nullable = true};
constexpr Schema service_models{
    .shape = Shape::map, .item = &service_model, .lengthen = lengthen_names};

constexpr Field service_network_fields[] = {
    {"priority", &integer},
    {"gw_priority", &integer},
    {"aliases", &unique_strings},
    {"interface_name", &string},
    {"ipv4_address", &string},
    {"ipv6_address", &string},
    {"link_local_ips", &unique_strings},
    {"mac_address", &string},
    {"driver_opts", &text_map},
};
constexpr Schema service_network{
    .shape = Shape::object, .fields = service_network_fields, .nullable = true};
constexpr Schema service_networks{
    .shape = Shape::map, .item = &service_network, .lengthen = lengthen_names};

constexpr Schema port_mode{.shape = Shape::string, .allowed = "ingress|host"};
constexpr Schema protocol{.shape = Shape::string, .allowed = "tcp|udp|sctp"};
constexpr Field port_fields[] = {
    {"name", &string},    {"mode", &port_mode},    {"host_ip", &string},      {"target", &integer},
    {"published", &text}, {"protocol", &protocol}, {"app_protocol", &string},
};
constexpr Schema port{.shape = Shape::object, .fields = port_fields, .finish = finish_port};
constexpr Schema ports{.shape = Shape::list,
                       .item = &port,
                       .lengthen = lengthen_ports,
                       .merging = Merging::by_key,
                       .key = port_key};

constexpr Schema recursive{.shape = Shape::string, .allowed = "enabled|disabled|writable|readonly"};
constexpr Schema selinux{.shape = Shape::string, .allowed = "z|Z"};
constexpr Schema propagation{.shape = Shape::string,
                             .allowed = "private|rprivate|shared|rshared|slave|rslave"};
constexpr Field bind_fields[] = {{"selinux", &selinux},
                                 {"propagation", &propagation},
                                 {"create_host_path", &boolean},
                                 {"recursive", &recursive}};
constexpr Schema bind{.shape = Shape::object, .fields = bind_fields, .nullable = true};
constexpr Field mount_volume_fields[] = {
    {"labels", &text_dictionary}, {"nocopy", &boolean}, {"subpath", &string}};
constexpr Schema mount_volume{
    .shape = Shape::object, .fields = mount_volume_fields, .nullable = true};
constexpr Field tmpfs_fields[] = {{"size", &size}, {"mode", &integer}};
constexpr Schema mount_tmpfs{.shape = Shape::object, .fields = tmpfs_fields, .nullable = true};
constexpr Field image_fields[] = {{"subpath", &string}};
constexpr Schema mount_image{.shape = Shape::object, .fields = image_fields, .nullable = true};
constexpr Schema mount_type{.shape = Shape::string,
                            .allowed = "bind|volume|tmpfs|cluster|npipe|image"};
constexpr Field mount_fields[] = {
    {"type", &mount_type, true}, {"source", &string},      {"target", &string},
    {"read_only", &boolean},     {"consistency", &string}, {"bind", &bind},
    {"volume", &mount_volume},   {"tmpfs", &mount_tmpfs},  {"image", &mount_image},
};
constexpr Schema mount{.shape = Shape::object,
                       .fields = mount_fields,
                       .lengthen = lengthen_volume,
                       .finish = finish_volume};
constexpr Schema mounts{
    .shape = Shape::list, .item = &mount, .merging = Merging::by_key, .key = target_key};

constexpr Schema cgroup{.shape = Shape::string, .allowed = "host|private"};
constexpr Schema restart{.shape = Shape::string, .finish = finish_restart};
constexpr Schema pull_policy{.shape = Shape::string, .finish = finish_pull_policy};
constexpr Schema pid{.shape = Shape::string, .nullable = true};

constexpr Field service_fields[] = {
    {"profiles", &unique_strings},
    {"annotations", &text_dictionary},
    {"attach", &boolean},
    {"build", &build},
    {"develop", &develop},
    {"blkio_config", &blkio},
    {"cap_add", &unique_strings},
    {"cap_drop", &unique_strings},
    {"cgroup_parent", &string},
    {"cgroup", &cgroup},
    {"cpu_count", &integer},
    {"cpu_percent", &number},
    {"cpu_period", &integer},
    {"cpu_quota", &integer},
    {"cpu_rt_period", &integer},
    {"cpu_rt_runtime", &integer},
    {"cpus", &number},
    {"cpuset", &string},
    {"cpu_shares", &integer},
    {"command", &command},
    {"configs", &file_references},
    {"container_name", &string},
    {"credential_spec", &credential_spec},
    {"depends_on", &depends_on},
    {"deploy", &deploy},
    {"device_cgroup_rules", &unique_strings},
    {"devices", &devices},
    {"dns", &string_or_list},
    {"dns_opt", &unique_strings},
    {"dns_search", &string_or_list},
    {"domainname", &string},
    {"entrypoint", &command},
    {"provider", &provider},
    {"environment", &value_dictionary},
    {"env_file", &env_file},
    {"expose", &texts},
    {"extends", &extends},
    {"external_links", &unique_strings},
    {"extra_hosts", &extra_hosts},
    {"group_add", &texts},
    {"gpus", &gpus},
    {"hostname", &string},
    {"healthcheck", &healthcheck},
    {"image", &string},
    {"init", &boolean},
    {"ipc", &string},
    {"isolation", &string},
    {"labels", &text_dictionary},
    {"label_file", &paths},
    {"links", &unique_strings},
    {"logging", &logging},
    {"mem_limit", &size},
    {"mem_reservation", &size},
    {"memswap_limit", &size},
    {"mem_swappiness", &integer},
    {"mac_address", &string},
    {"models", &service_models},
    {"network_mode", &string},
    {"networks", &service_networks},
    {"oom_kill_disable", &boolean},
    {"oom_score_adj", &integer},
    {"pid", &pid},
    {"pids_limit", &integer},
    {"platform", &string},
    {"ports", &ports},
    {"privileged", &boolean},
    {"pull_policy", &pull_policy},
    {"pull_refresh_after", &string},
    {"read_only", &boolean},
    {"restart", &restart},
    {"runtime", &string},
    {"scale", &integer},
    {"secrets", &file_references},
    {"security_opt", &unique_strings},
    {"shm_size", &size},
    {"stdin_open", &boolean},
    {"stop_grace_period", &duration},
    {"stop_signal", &string},
    {"storage_opt", &text_map},
    {"sysctls", &text_dictionary},
    {"tmpfs", &string_or_list},
    {"tty", &boolean},
    {"ulimits", &ulimits},
    {"use_api_socket", &boolean},
    {"user", &string},
    {"userns_mode", &string},
    {"uts", &string},
    {"volumes", &mounts},
    {"volumes_from", &unique_strings},
    {"working_dir", &string},
    {"post_start", &hooks},
    {"pre_stop", &hooks},
};
constexpr Schema service{.shape = Shape::object, .fields = service_fields};
constexpr Schema services{
    .shape = Shape::map, .item = &service, .finish = finish_names, .nullable = true};

constexpr Field pool_fields[] = {
    {"subnet", &string}, {"gateway", &string}, {"ip_range", &string}, {"aux_addresses", &text_map}};
constexpr Schema pool{.shape = Shape::object, .fields = pool_fields};
constexpr Schema pools{.shape = Shape::list, .item = &pool};
constexpr Field ipam_fields[] = {{"driver", &string}, {"config", &pools}, {"options", &text_map}};
constexpr Schema ipam{.shape = Shape::object, .fields = ipam_fields, .nullable = true};
constexpr Field network_fields[] = {
    {"name", &string},         {"driver", &string},          {"driver_opts", &text_map},
    {"ipam", &ipam},           {"external", &boolean},       {"internal", &boolean},
    {"attachable", &boolean},  {"labels", &text_dictionary}, {"enable_ipv4", &boolean},
    {"enable_ipv6", &boolean},
};
constexpr Schema network{.shape = Shape::object,
                         .fields = network_fields,
                         .lengthen = lengthen_external,
                         .finish = finish_external,
                         .nullable = true};
constexpr Schema networks{
    .shape = Shape::map, .item = &network, .finish = finish_names, .nullable = true};
constexpr Field volume_fields[] = {{"name", &string},
                                   {"driver", &string},
                                   {"driver_opts", &text_map},
                                   {"external", &boolean},
                                   {"labels", &text_dictionary}};
constexpr Schema volume{.shape = Shape::object,
                        .fields = volume_fields,
                        .lengthen = lengthen_external,
                        .finish = finish_external,
                        .nullable = true};
constexpr Schema volumes{
    .shape = Shape::map, .item = &volume, .finish = finish_names, .nullable = true};
constexpr Field secret_fields[] = {
    {"name", &string},
    {"file", &path},
    {"environment", &string},
    {"external", &boolean},
    {"labels", &text_dictionary},
    {"driver", &string},
    {"driver_opts", &text_map},
    {"template_driver", &string},
};
constexpr Schema secret{.shape = Shape::object,
                        .fields = secret_fields,
                        .lengthen = lengthen_external,
                        .finish = finish_external};
constexpr Schema secrets{
    .shape = Shape::map, .item = &secret, .finish = finish_names, .nullable = true};
constexpr Field config_fields[] = {
    {"name", &string},
    {"file", &path},
    {"environment", &string},
    {"content", &string},
    {"external", &boolean},
    {"labels", &text_dictionary},
    {"template_driver", &string},
};
constexpr Schema config{.shape = Shape::object,
                        .fields = config_fields,
                        .lengthen = lengthen_external,
                        .finish = finish_external};
constexpr Schema configs{
    .shape = Shape::map, .item = &config, .finish = finish_names, .nullable = true};
constexpr Field model_fields[] = {
    {"name", &string}, {"model", &string}, {"context_size", &integer}, {"runtime_flags", &strings}};
constexpr Schema model{.shape = Shape::object, .fields = model_fields};
constexpr Schema models{.shape = Shape::map, .item = &model, .nullable = true};
constexpr Field include_fields[] = {
    {"path", &strings, true}, {"env_file", &strings}, {"project_directory", &string}};
constexpr Schema include_item{
    .shape = Shape::object, .fields = include_fields, .lengthen = lengthen_include};
constexpr Schema include{.shape = Shape::list, .item = &include_item, .nullable = true};

constexpr Field file_fields[] = {
    {"version", &text},      {"name", &string},       {"include", &include},
    {"services", &services}, {"networks", &networks}, {"volumes", &volumes},
    {"secrets", &secrets},   {"configs", &configs},   {"models", &models},
};
constexpr Schema file{.shape = Shape::object, .fields = file_fields};

}  // namespace

const Schema& file_schema() { return file; }
const Schema& service_schema() { return service; }

}  // namespace hull::compose
