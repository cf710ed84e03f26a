#include "engine/host.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "engine/text.hh"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

namespace hull::engine {

namespace {

std::string first_line(const Path& path) {
    std::string text = find_file(path).value_or("");
    return text.substr(0, text.find('\n'));
}

std::string go_architecture(std::string_view machine) {
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    if (machine == "armv7l") return "arm";
    if (machine == "i686") return "386";
    return std::string(machine);
}

std::vector<int> find_number_list(const Path& path, std::vector<int> otherwise) {
    std::string text = first_line(path);
    return text.empty() ? otherwise : parse_number_list(text);
}

bool find_swap_limit(const linux_::CgroupLayout& cgroups) {
    const linux_::CgroupHierarchy* memory = cgroups.find("memory");
    if (!memory) return false;
    return memory->is_v2 ||
           sys::find_stat(join(memory->mount_point, "memory.memsw.limit_in_bytes")).has_value();
}

}  // namespace

std::vector<int> parse_number_list(std::string_view text) {
    std::vector<int> numbers;
    for (const std::string& part : split(text, ',')) {
        std::size_t dash = part.find('-');
        auto first = find_integer(std::string_view(part).substr(0, dash));
        auto last = dash == std::string::npos
                        ? first
                        : find_integer(std::string_view(part).substr(dash + 1));
        if (!first || !last || *first < 0 || *last < *first || *last > 8192)
            throw Error(ErrorKind::invalid_argument, "invalid list of numbers '{}'", text);
        for (std::int64_t number = *first; number <= *last; ++number)
            numbers.push_back(static_cast<int>(number));
    }
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
}

Host detect_host() {
    Host host;
    host.cpus = std::max(1, ::get_nprocs());
    host.cpu_numbers = find_number_list("/sys/devices/system/cpu/online", {0});
    host.memory_nodes = find_number_list("/sys/devices/system/node/online", {0});
    struct sysinfo memory {};
    ::sysinfo(&memory);
    host.memory_bytes = static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit;
    host.boot_id = first_line("/proc/sys/kernel/random/boot_id");
    struct utsname names {};
    ::uname(&names);
    host.machine = names.machine;
    host.architecture = go_architecture(names.machine);
    host.kernel_release = names.release;
    host.name = names.nodename;
    host.kernel = oci::running_kernel();
    host.cgroups = linux_::detect_cgroups();
    host.has_apparmor = first_line("/sys/module/apparmor/parameters/enabled") == "Y";
    host.has_selinux = sys::find_stat("/sys/fs/selinux/enforce").has_value();
    host.has_memory_cgroup = host.cgroups.find("memory") != nullptr;
    host.has_swap_limit = find_swap_limit(host.cgroups);
    host.has_pids_cgroup = host.cgroups.find("pids") != nullptr;
    host.has_cpu_cgroup = host.cgroups.find("cpu") != nullptr;
    host.has_cpuset_cgroup = host.cgroups.find("cpuset") != nullptr;
    return host;
}

}  // namespace hull::engine
