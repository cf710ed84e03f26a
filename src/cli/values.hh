#pragma once
#include "api/types/container.hh"
#include "api/types/host_config.hh"
#include "api/types/network.hh"

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

bool parse_bool(std::string_view text);
/// Decimal, 0x…, 0o…, 0b… or 0… as Go's ParseInt with base 0.
std::int64_t parse_integer(std::string_view text);
std::uint64_t parse_unsigned(std::string_view text, int bits);
/// `512m`, `1.5GiB`, `100`: bytes, units are powers of 1024.
std::int64_t parse_bytes(std::string_view text);
/// Bytes, or -1 for no limit.
std::int64_t parse_swap_bytes(std::string_view text);
/// `1.5` or `3/2` CPUs in units of 1e-9.
std::int64_t parse_nano_cpus(std::string_view text);
/// Go's duration, `1h2m3.5s`, in nanoseconds.
std::int64_t parse_duration(std::string_view text);
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
/// `key=value` items as a map; an item without `=` has the value "".
api::StringMap make_string_map(const std::vector<std::string>& items);

/// RFC 3339, a date, a unix time or a duration before `now_ns`, as `seconds.nanoseconds`.
std::string parse_timestamp(std::string_view text, std::int64_t now_ns);

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

/// Fields of one CSV record: "a","b ""c""",d.
std::vector<std::string> split_csv(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);
std::string lower(std::string_view text);
std::string_view trim(std::string_view text);

}  // namespace hull::cli
