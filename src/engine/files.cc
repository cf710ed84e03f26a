#include "engine/files.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "engine/spec.hh"
#include "engine/text.hh"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

namespace hull::engine {

namespace {

struct DirectoryCloser {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

Directory open_directory(int fd) {
    Directory directory(::fdopendir(fd));
    if (!directory) {
        int error = errno;
        ::close(fd);
        throw_errno(error, "fdopendir");
    }
    return directory;
}

void add_tree_bytes(int fd, std::set<std::pair<dev_t, ino_t>>& seen, std::uint64_t& bytes) {
    Directory directory = open_directory(fd);
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        struct stat info {};
        if (::fstatat(::dirfd(directory.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(info.st_mode)) {
            int child = ::openat(::dirfd(directory.get()), entry->d_name,
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (child >= 0) add_tree_bytes(child, seen, bytes);
        } else if (S_ISREG(info.st_mode) &&
                   (info.st_nlink == 1 || seen.emplace(info.st_dev, info.st_ino).second)) {
            bytes += static_cast<std::uint64_t>(info.st_size);
        }
    }
}

}  // namespace

ContainerPaths::ContainerPaths(const Options& options, const std::string& id)
    : directory(join(join(options.data_root, "containers"), id)),
      upper(join(directory, "upper")),
      work(join(directory, "work")),
      rootfs(join(directory, "rootfs")),
      logs(join(directory, "logs")),
      config(join(directory, "config.json")),
      launch(join(directory, "launch.json")),
      exit_record(join(directory, "exit.json")),
      hostname(join(directory, "hostname")),
      hosts(join(directory, "hosts")),
      resolv_conf(join(directory, "resolv.conf")),
      runtime_directory(join(join(options.exec_root, "containers"), id)) {}

void make_container_directory(const ContainerPaths& paths) {
    sys::mkdir(paths.directory, 0710);
    sys::mkdir(paths.upper, 0755);
    sys::mkdir(paths.work, 0700);
    sys::mkdir(paths.rootfs, 0755);
}

std::string make_hosts(const Definition& definition, const NetworkNames& names) {
    std::string text;
    if (definition.host.network_mode == "host")
        text = find_file("/etc/hosts").value_or("127.0.0.1\tlocalhost\n");
    else
        text =
            "127.0.0.1\tlocalhost\n"
            "::1\tlocalhost ip6-localhost ip6-loopback\n"
            "fe00::0\tip6-localnet\n"
            "ff00::0\tip6-mcastprefix\n"
            "ff02::1\tip6-allnodes\n"
            "ff02::2\tip6-allrouters\n";
    for (const std::string& extra : definition.host.extra_hosts) {
        std::size_t colon = extra.find(':');
        std::string address = extra.substr(colon + 1);
        if (address == "host-gateway") {
            if (names.host_gateway.empty())
                throw Error(ErrorKind::invalid_argument,
                            "unable to derive the IP value for host-gateway");
            address = names.host_gateway;
        }
        text += address + "\t" + extra.substr(0, colon) + "\n";
    }
    for (const std::string& line : names.host_lines) text += line + "\n";
    return text;
}

std::string make_resolv_conf(std::string_view host_text, const api::HostConfig& host,
                             const Options& options, const NetworkNames& names) {
    auto pick = [](const api::Strings& own, const std::vector<std::string>& daemons) {
        return own.empty() ? daemons : std::vector<std::string>(own);
    };
    // Ours asks the others.
    const auto servers = names.has_name_server ? std::vector<std::string>{"127.0.0.11"}
                                               : pick(host.dns, options.dns);
    const auto search = pick(host.dns_search, options.dns_search);
    const auto settings = pick(host.dns_options, options.dns_options);
    auto is_unreachable = [&](std::string_view line) {
        if (!names.is_apart || !line.starts_with("nameserver")) return false;
        const std::string_view address = trim(line.substr(10));
        return address.starts_with("127.") || address == "::1";
    };
    auto is_replaced = [&](std::string_view line) {
        return (!servers.empty() && line.starts_with("nameserver")) || is_unreachable(line) ||
               (!search.empty() && (line.starts_with("search") || line.starts_with("domain"))) ||
               (!settings.empty() && line.starts_with("options"));
    };
    std::string text;
    for (const std::string& line : split(host_text, '\n'))
        if (!line.empty() && !is_replaced(line)) text += line + "\n";
    for (const std::string& server : servers) text += "nameserver " + server + "\n";
    auto add_list = [&](std::string_view keyword, const std::vector<std::string>& words) {
        if (words.empty()) return;
        text += keyword;
        for (const std::string& word : words) text += " " + word;
        text += "\n";
    };
    if (!(search.size() == 1 && search.front() == ".")) add_list("search", search);
    add_list("options", settings);
    // A name without dots is most likely one of ours: asked for as it is, before any domain.
    if (names.has_name_server &&
        std::none_of(settings.begin(), settings.end(),
                     [](const std::string& option) { return option.starts_with("ndots:"); }))
        text += "options ndots:0\n";
    return text;
}

Path skeleton_directory(const Options& options) { return join(options.data_root, "skeleton"); }

void make_skeleton(const Path& directory) {
    for (const char* name : {"", "dev", "dev/pts", "dev/shm", "etc", "proc", "sys"})
        sys::mkdir_all(join(directory, name), 0755);
    for (const char* name :
         {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"})
        if (const Path file = join(directory, name); !sys::find_stat(file))
            write_file(file, "", 0755);
    if (const Path link = join(directory, "etc/mtab"); !sys::find_stat(link))
        sys::symlink("/proc/mounts", link);
}

void write_network_files(const ContainerPaths& paths, const Definition& definition,
                         const Options& options, const NetworkNames& names) {
    write_file(paths.hostname, definition.config.hostname + "\n");
    write_file(paths.hosts, make_hosts(definition, names));
    write_file(paths.resolv_conf, make_resolv_conf(find_file("/etc/resolv.conf").value_or(""),
                                                   definition.host, options, names));
}

shim::LogConfig make_log_config(const Definition& definition, const Path& directory) {
    const api::LogConfig& wanted = definition.host.log_config;
    shim::LogConfig log;
    log.driver = wanted.type;
    log.directory = directory;
    if (auto size = wanted.config.find("max-size");
        size != wanted.config.end() && size->second != "-1")
        log.max_size_bytes = static_cast<std::uint64_t>(find_size(size->second).value_or(0));
    if (auto files = wanted.config.find("max-file"); files != wanted.config.end())
        log.max_files = static_cast<unsigned>(find_integer(files->second).value_or(0));
    return log;
}

std::vector<std::string> find_names(const Path& directory) {
    if (!sys::find_stat(directory)) return {};
    return sys::list_directory(directory);
}

std::uint64_t tree_bytes(const Path& directory) {
    std::uint64_t bytes = 0;
    std::set<std::pair<dev_t, ino_t>> seen;
    int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) add_tree_bytes(fd, seen, bytes);
    return bytes;
}

}  // namespace hull::engine
