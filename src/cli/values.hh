#pragma once
#include "api/types/container.hh"
#include "api/types/host_config.hh"
#include "api/types/network.hh"
#include "cli/numbers.hh"
#include "cli/words.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The value grammars of Docker's flags. Each throws invalid_argument with the text that Docker's
/// CLI prints (docker/cli `opts`, docker/go-units, docker/go-connections `nat`, Go's strconv).
namespace hull::cli {

/// name=value; the name in lower case.
std::pair<std::string, std::string> parse_filter(std::string_view text);
/// The values of each name.
std::map<std::string, std::vector<std::string>> make_filters(
    const std::vector<std::string>& filters);

api::Ulimit parse_ulimit(std::string_view text);
api::Mount parse_mount(std::string_view text);
struct NetworkValue {
    std::string name;
    api::EndpointSettings settings;
};
NetworkValue parse_network(std::string_view text);
api::DeviceRequest parse_gpus(std::string_view text);
api::DeviceMapping parse_device(std::string_view text);
/// True for a CDI name: vendor.example/class=name.
bool is_cdi_device(std::string_view text);
api::ThrottleDevice parse_throttle_bytes(std::string_view text);
api::ThrottleDevice parse_throttle_iops(std::string_view text);
api::WeightDevice parse_weight_device(std::string_view text);
api::RestartPolicy parse_restart_policy(std::string_view text);
/// `host:ip` or `host=ip`, as the API wants it: host:ip.
std::string parse_extra_host(std::string_view text);

/// One `-v`: an anonymous volume at `target`, or a bind as the API takes it.
struct VolumeValue {
    std::string bind;    ///< "" for an anonymous volume
    std::string target;  ///< of an anonymous volume
};
VolumeValue parse_volume(std::string_view text);

struct PortValue {
    std::string port;  ///< "80/tcp"
    api::PortBinding binding;
};
/// One `-p`, ranges expanded.
std::vector<PortValue> parse_published_ports(std::string_view text);
/// One `--expose`: "80/tcp" for each port of the range.
std::vector<std::string> parse_exposed_ports(std::string_view text);

/// `NAME=value`, or `NAME` whose value is taken from our environment; nullopt when it has none.
std::optional<std::string> resolve_environment(std::string_view text);
/// Lines of an --env-file; lines without `=` are looked up in our environment.
std::vector<std::string> read_env_file(const std::string& path);
/// Lines of a --label-file.
std::vector<std::string> read_label_file(const std::string& path);
/// os[/architecture[/variant]] as the API's JSON text. Throws invalid_argument.
std::string platform_json(std::string_view text);
/// `key=value` items as a map; an item without `=` has the value "".
api::StringMap make_string_map(const std::vector<std::string>& items);

// Checks for Flag::check.
void check_attach(std::string_view text);
void check_environment(std::string_view text);
void check_label(std::string_view text);
void check_extra_host(std::string_view text);
void check_ip(std::string_view text);
void check_device(std::string_view text);
void check_throttle_bytes(std::string_view text);
void check_throttle_iops(std::string_view text);
void check_weight_device(std::string_view text);
void check_sysctl(std::string_view text);

}  // namespace hull::cli
