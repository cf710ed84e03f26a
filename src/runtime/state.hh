#pragma once
#include "base/file.hh"
#include "linux/cgroup.hh"
#include "oci/runtime_spec.hh"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What hull-runtime remembers of its containers between two commands.
namespace hull::runtime {

struct ContainerRecord {
    std::string id;
    Path bundle;
    pid_t pid = 0;
    unsigned long long start_time = 0;  ///< tells a recycled pid apart
    std::string cgroup_path;            ///< empty: it has none of its own (started without root)
    std::string systemd_unit;           ///< the scope its cgroup is in, with the systemd driver
    std::int64_t created_ns = 0;
    std::string oci_version;
    std::map<std::string, std::string> annotations;
    Path rootfs;
    std::string owner;
};

/// "creating" is never on disk; the others follow from what the kernel says.
enum class ContainerState { created, running, paused, stopped };
std::string_view to_string(ContainerState state);

/// One directory per container below `root` (default /run/hull-runtime).
class StateDirectory {
public:
    explicit StateDirectory(Path root) : root_(std::move(root)) {}

    /// Claims the id. Throws conflict when it is taken, invalid_argument when it is no id.
    void reserve(const std::string& id);
    void save(const ContainerRecord& record);
    /// Keeps config.json as it was at create, for hooks and exec.
    void save_spec(const std::string& id, const oci::Spec& spec);
    oci::Spec load_spec(const std::string& id) const;
    /// Throws not_found "container \"ID\" does not exist".
    ContainerRecord load(const std::string& id) const;
    std::vector<ContainerRecord> list() const;
    void remove(const std::string& id);
    /// Where init waits for start; gone afterwards.
    Path start_socket(const std::string& id) const;
    ContainerState state_of(const ContainerRecord& record) const;
    Path directory(const std::string& id) const;

private:
    Path root_;
};

/// True while the init of the record lives (a zombie does not).
bool is_alive(const ContainerRecord& record);

/// The container's cgroup. `get` throws unsupported when it has none.
std::optional<linux_::Cgroup> find_cgroup(const ContainerRecord& record);
linux_::Cgroup get_cgroup(const ContainerRecord& record);

/// Where state is kept by default: /run/hull-runtime, or $XDG_RUNTIME_DIR/hull-runtime (else
/// /tmp/hull-runtime-UID) without root.
Path default_state_root();

/// The document `features` prints (runtime-spec features.md).
json::Value make_features();
/// The config.json `spec` writes.
json::Value make_default_spec(bool rootless);

}  // namespace hull::runtime
