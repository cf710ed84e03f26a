#include "linux/cgroup.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "linux/systemd.hh"

#include <sys/stat.h>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace hull::linux_ {

namespace {

/// mountinfo writes blanks as \040.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            unsigned value = 0;
            const auto [end, error] = std::from_chars(&text[i + 1], &text[i + 1] + 3, value, 8);
            if (error == std::errc() && end == &text[i + 1] + 3) {
                result += static_cast<char>(value);
                i += 3;
                continue;
            }
        }
        result += text[i];
    }
    return result;
}

/// A path in a hierarchy as seen through a mount of only a part of it.
std::string below_root(const std::string& path, const std::string& root) {
    if (path.starts_with("/..")) return "/";  // outside of our cgroup namespace
    if (root == "/") return path;
    if (path == root) return "/";
    if (path.starts_with(root + "/")) return path.substr(root.size());
    return "/";
}

struct OwnPath {
    std::vector<std::string> controllers;
    std::string name;
    bool is_v2 = false;
    std::string path;
};

/// The lines "4:memory:/path", "9:name=systemd:/path", "0::/path" of /proc/PID/cgroup.
std::vector<OwnPath> parse_own_paths(std::string_view text) {
    std::vector<OwnPath> paths;
    for (const std::string& line : split_nonempty(text, '\n')) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos) continue;
        const std::string words = line.substr(first + 1, second - first - 1);
        OwnPath own{.controllers = {}, .name = {}, .is_v2 = false, .path = line.substr(second + 1)};
        if (words.empty())
            own.is_v2 = true;
        else if (words.starts_with("name="))
            own.name = words.substr(5);
        else
            own.controllers = split_nonempty(words, ',');
        paths.push_back(std::move(own));
    }
    return paths;
}

const OwnPath* find_own_path(const std::vector<OwnPath>& paths, const CgroupHierarchy& hierarchy) {
    for (const OwnPath& own : paths) {
        if (hierarchy.is_v2 != own.is_v2 || hierarchy.name != own.name) continue;
        if (hierarchy.is_v2 || !hierarchy.name.empty()) return &own;
        if (!own.controllers.empty() && hierarchy.has(own.controllers.front())) return &own;
    }
    return nullptr;
}

/// A mounted hierarchy and which part of it is mounted.
struct FoundMount {
    CgroupHierarchy hierarchy;
    std::string root;
};

/// One mountinfo line: "32 31 0:29 ROOT POINT OPTIONS … - TYPE SOURCE SUPER".
std::optional<FoundMount> parse_mount(const std::string& line) {
    const std::vector<std::string> fields = split_nonempty(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 7 || fields.end() - dash < 4) return std::nullopt;
    FoundMount found{.hierarchy = {}, .root = unescape(fields[3])};
    found.hierarchy.mount_point = unescape(fields[4]);
    const std::string& type = dash[1];
    if (type == "cgroup2") {
        found.hierarchy.is_v2 = true;
        return found;
    }
    if (type != "cgroup") return std::nullopt;
    static const std::set<std::string> not_controllers = {"rw",    "ro",       "none",
                                                          "xattr", "noprefix", "clone_children"};
    for (const std::string& word : split_nonempty(dash[3], ',')) {
        if (word.starts_with("name="))
            found.hierarchy.name = word.substr(5);
        else if (!not_controllers.contains(word) && !word.starts_with("release_agent="))
            found.hierarchy.controllers.push_back(word);
    }
    return found;
}

bool is_same_hierarchy(const CgroupHierarchy& a, const CgroupHierarchy& b) {
    return a.is_v2 == b.is_v2 && a.name == b.name && a.controllers == b.controllers;
}

}  // namespace

bool CgroupHierarchy::has(std::string_view controller) const {
    return std::ranges::find(controllers, controller) != controllers.end();
}

const CgroupHierarchy* CgroupLayout::find(std::string_view controller) const {
    for (const CgroupHierarchy& hierarchy : hierarchies)
        if (hierarchy.has(controller)) return &hierarchy;
    return nullptr;
}

const CgroupHierarchy* CgroupLayout::find_v2() const {
    for (const CgroupHierarchy& hierarchy : hierarchies)
        if (hierarchy.is_v2) return &hierarchy;
    return nullptr;
}

CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view self_cgroup) {
    const std::vector<OwnPath> own_paths = parse_own_paths(self_cgroup);
    CgroupLayout layout;
    bool has_v1 = false;
    for (const std::string& line : split_nonempty(mountinfo, '\n')) {
        auto found = parse_mount(line);
        if (!found) continue;
        CgroupHierarchy& hierarchy = found->hierarchy;
        const bool is_known = std::ranges::any_of(
            layout.hierarchies,
            [&](const CgroupHierarchy& known) { return is_same_hierarchy(known, hierarchy); });
        if (is_known) continue;
        const OwnPath* own = find_own_path(own_paths, hierarchy);
        hierarchy.own_path = own ? below_root(own->path, found->root) : "/";
        has_v1 |= !hierarchy.is_v2;
        layout.hierarchies.push_back(std::move(hierarchy));
    }
    const bool has_v2 = layout.find_v2() != nullptr;
    layout.mode = !has_v2 ? CgroupMode::v1 : has_v1 ? CgroupMode::hybrid : CgroupMode::v2;
    return layout;
}

namespace {

/// What cgroup.controllers of a v2 cgroup names.
std::vector<std::string> list_controllers(const Path& directory) {
    std::string text = find_file(join(directory, "cgroup.controllers")).value_or("");
    std::ranges::replace(text, '\n', ' ');
    return split_nonempty(text, ' ');
}

}  // namespace

CgroupLayout detect_cgroups() {
    CgroupLayout layout =
        parse_cgroup_layout(read_file("/proc/self/mountinfo"), read_file("/proc/self/cgroup"));
    for (CgroupHierarchy& hierarchy : layout.hierarchies)
        if (hierarchy.is_v2) hierarchy.controllers = list_controllers(hierarchy.mount_point);
    if (layout.hierarchies.empty())
        throw Error(ErrorKind::unsupported, "no cgroup file system is mounted");
    return layout;
}

namespace {

/// A systemd path ("system.slice:hull:ID") becomes the directory of its scope. Throws
/// invalid_argument for paths that name no cgroup.
std::string resolve(std::string_view path) {
    if (const auto systemd = find_systemd_path(path)) return systemd->cgroup_path();
    if (path.empty() || path == "/")
        throw Error(ErrorKind::invalid_argument, "cgroup path {:?} names no cgroup of its own",
                    path);
    for (const std::string& part : split_nonempty(path, '/'))
        if (part == ".." || part == ".")
            throw Error(ErrorKind::invalid_argument, "cgroup path {:?} contains {:?}", path, part);
    return std::string(path);
}

/// The directories from below the mount point down to `path`.
std::vector<Path> directories_down_to(const CgroupHierarchy& hierarchy, std::string_view path) {
    std::vector<Path> chain;
    Path current = hierarchy.mount_point;
    const auto descend = [&](std::string_view part_of_path) {
        for (const std::string& part : split_nonempty(part_of_path, '/'))
            chain.push_back(current = join(current, part));
    };
    if (!path.starts_with('/')) descend(hierarchy.own_path);
    descend(path);
    return chain;
}

/// A new v1 cpuset has no CPU and no memory node, and nobody can join it. False when the parent has
/// none either.
bool fill_cpuset(const Path& directory, const Path& parent, bool is_new) {
    for (const char* name : {"cpuset.cpus", "cpuset.mems"}) {
        const Path file = join(directory, name);
        if (!is_new && !trim(read_file(file)).empty()) continue;
        const std::string inherited = read_file(join(parent, name));
        if (trim(inherited).empty()) return false;
        sys::write_all(sys::open(file, O_WRONLY).get(), inherited);
    }
    return true;
}

/// Makes every controller of `directory` available in its children. One that cannot be is found
/// missing when a limit needs it.
void enable_controllers(const Path& directory) {
    for (const std::string& controller : list_controllers(directory)) {
        const Fd file(
            ::open(join(directory, "cgroup.subtree_control").c_str(), O_WRONLY | O_CLOEXEC));
        const std::string text = "+" + controller;
        if (file) [[maybe_unused]]
            const auto written = ::write(file.get(), text.data(), text.size());
    }
}

enum class Made { yes, was_there, no_parent };

Made make_directory(const Path& directory) {
    if (::mkdir(directory.c_str(), 0755) == 0) return Made::yes;
    if (errno == ENOENT) return Made::no_parent;
    if (errno != EEXIST) throw_errno(errno, "making directory {}", directory);
    return Made::was_there;
}

/// Nearly always another container has made the parents and set them up. False when not.
bool make_last_directory(const CgroupHierarchy& hierarchy, const Path& directory,
                         const Path& parent) {
    const Made made = make_directory(directory);
    if (made == Made::no_parent) return false;
    if (hierarchy.is_v2) return list_controllers(directory) == hierarchy.controllers;
    return !hierarchy.has("cpuset") || fill_cpuset(directory, parent, made == Made::yes);
}

Path make_directories(const CgroupHierarchy& hierarchy, std::string_view path) {
    const std::vector<Path> chain = directories_down_to(hierarchy, path);
    Path parent = chain.size() > 1 ? chain[chain.size() - 2] : hierarchy.mount_point;
    if (make_last_directory(hierarchy, chain.back(), parent)) return chain.back();
    parent = hierarchy.mount_point;
    for (const Path& directory : chain) {
        if (hierarchy.is_v2) enable_controllers(parent);
        const Made made = make_directory(directory);
        if (!hierarchy.is_v2 && hierarchy.has("cpuset"))
            fill_cpuset(directory, parent, made == Made::yes);
        parent = directory;
    }
    return parent;
}

}  // namespace

Cgroup Cgroup::create(const CgroupLayout& layout, std::string_view path) {
    Cgroup cgroup = plan(layout, path);
    cgroup.make_v2();
    cgroup.make_v1();
    return cgroup;
}

Cgroup Cgroup::plan(const CgroupLayout& layout, std::string_view path) {
    Cgroup cgroup;
    cgroup.mode_ = layout.mode;
    cgroup.path_ = resolve(path);
    for (const CgroupHierarchy& hierarchy : layout.hierarchies)
        cgroup.directories_.push_back(
            {hierarchy, directories_down_to(hierarchy, cgroup.path_).back()});
    return cgroup;
}

void Cgroup::make(bool is_v2) {
    with_context(
        [&] {
        for (const Directory& directory : directories_)
            if (directory.hierarchy.is_v2 == is_v2) make_directories(directory.hierarchy, path_);
        },
        "creating cgroup {}", path_);
}

void Cgroup::make_v2() { make(true); }
void Cgroup::make_v1() { make(false); }

void Cgroup::delegate(uid_t owner) {
    if (mode_ != CgroupMode::v2) return;
    const std::string files =
        find_file("/sys/kernel/cgroup/delegate")
            .value_or("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
    for (const Directory& directory : directories_) {
        std::vector<Path> paths = {directory.path};
        for (const std::string& name : split_nonempty(files, '\n'))
            paths.push_back(hull::join(directory.path, name));
        for (const Path& path : paths)
            if (::chown(path.c_str(), owner, static_cast<gid_t>(-1)) != 0 && errno != ENOENT)
                throw_errno(errno, "giving {} to user {}", path, owner);
    }
}

Cgroup Cgroup::open(const CgroupLayout& layout, std::string_view path) {
    const std::string resolved = resolve(path);
    Cgroup cgroup;
    cgroup.mode_ = layout.mode;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies) {
        const Path directory = directories_down_to(hierarchy, resolved).back();
        if (sys::find_stat(directory)) cgroup.directories_.push_back({hierarchy, directory});
    }
    return cgroup;
}

Cgroup Cgroup::of_process(const CgroupLayout& layout, pid_t pid) {
    const auto own_paths = parse_own_paths(read_file("/proc/" + std::to_string(pid) + "/cgroup"));
    Cgroup cgroup;
    cgroup.mode_ = layout.mode;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies) {
        const OwnPath* own = find_own_path(own_paths, hierarchy);
        if (!own) continue;
        Path directory = hierarchy.mount_point;
        for (const std::string& part : split_nonempty(own->path, '/'))
            directory = hull::join(directory, part);
        if (sys::find_stat(directory)) cgroup.directories_.push_back({hierarchy, directory});
    }
    return cgroup;
}

std::optional<Path> Cgroup::find_directory(std::string_view controller) const {
    for (const Directory& directory : directories_)
        if (directory.hierarchy.has(controller)) return directory.path;
    return std::nullopt;
}

namespace {

const Cgroup::Directory* find_v2(const std::vector<Cgroup::Directory>& directories) {
    for (const Cgroup::Directory& directory : directories)
        if (directory.hierarchy.is_v2) return &directory;
    return nullptr;
}

}  // namespace

std::vector<Fd> Cgroup::open_join_files(const Path& below) const {
    std::vector<Fd> files;
    for (const Directory& directory : directories_)
        if (!directory.hierarchy.is_v2)
            files.push_back(
                sys::open(hull::join(hull::join(directory.path, below), "tasks"), O_WRONLY));
    return files;
}

void Cgroup::join(std::span<const Fd> join_files) {
    for (const Fd& file : join_files)
        if (::write(file.get(), "0", 1) != 1) throw_errno(errno, "joining a cgroup");
}

Fd Cgroup::open_clone_directory(const Path& below) const {
    const Directory* directory = find_v2(directories_);
    return directory ? sys::open(hull::join(directory->path, below), O_RDONLY | O_DIRECTORY) : Fd();
}

void Cgroup::add_process(pid_t pid) {
    for (const Directory& directory : directories_)
        with_context(
            [&] {
            const Fd file = sys::open(hull::join(directory.path, "cgroup.procs"), O_WRONLY);
            sys::write_all(file.get(), std::to_string(pid));
            },
            "moving process {} to {}", pid, directory.path);
}

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr int freeze_timeout_ms = 10'000;

/// v1 tells nobody about a change: look again, soon at first.
class Backoff {
public:
    explicit Backoff(int timeout_ms) : deadline_(monotonic_ns() + timeout_ms * ns_per_ms) {}
    /// False when the time is over.
    bool wait() {
        if (monotonic_ns() >= deadline_) return false;
        ::poll(nullptr, 0, delay_ms_);
        delay_ms_ = std::min(delay_ms_ * 2, 50);
        return true;
    }
    int remaining_ms() const {
        return static_cast<int>(std::max<std::int64_t>(0, deadline_ - monotonic_ns()) / ns_per_ms);
    }

private:
    std::int64_t deadline_;
    int delay_ms_ = 1;
};

/// The word after `key` in a file of lines "key value".
std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key) {
    for (const std::string& line : split_nonempty(text, '\n')) {
        if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ')
            continue;
        std::uint64_t number = 0;
        std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), number);
        return number;
    }
    return std::nullopt;
}

/// Waits until `key` in cgroup.events of a v2 cgroup is `value`; false when it does not in time.
bool wait_for_event(const Path& directory, std::string_view key, std::uint64_t value,
                    int timeout_ms) {
    const Fd events = sys::open(join(directory, "cgroup.events"), O_RDONLY);
    Backoff limit(timeout_ms);
    for (;;) {
        std::array<std::byte, 512> buffer;
        if (::lseek(events.get(), 0, SEEK_SET) < 0) throw_errno(errno, "rewinding cgroup.events");
        const std::size_t size = sys::read_full(events.get(), buffer);
        if (find_number({reinterpret_cast<const char*>(buffer.data()), size}, key) == value)
            return true;
        if (limit.remaining_ms() == 0) return false;
        sys::poll_one(events.get(), POLLPRI, limit.remaining_ms());
    }
}

void write_control(const Path& directory, std::string_view name, std::string_view text) {
    sys::write_all(sys::open(join(directory, name), O_WRONLY).get(), text);
}

std::string freezer_state(const Path& directory) {
    return std::string(trim(find_file(join(directory, "freezer.state")).value_or("THAWED")));
}

/// The cgroup and all below it, the deepest first.
std::vector<Path> list_nested(const Path& directory) {
    std::vector<Path> nested;
    struct stat status;
    if (::stat(directory.c_str(), &status) != 0) return nested;  // removed meanwhile
    if (status.st_nlink > 2) {                                   // 2: nothing below
        for (const std::string& name : sys::list_directories(directory)) {
            const auto below = list_nested(join(directory, name));
            nested.insert(nested.end(), below.begin(), below.end());
        }
    }
    nested.push_back(directory);
    return nested;
}

}  // namespace

void Cgroup::freeze() {
    // The v2 freezer is preferred where both are there: frozen processes can still be killed.
    if (const Directory* v2 = find_v2(directories_);
        v2 && sys::find_stat(hull::join(v2->path, "cgroup.freeze"))) {
        write_control(v2->path, "cgroup.freeze", "1");
        if (!wait_for_event(v2->path, "frozen", 1, freeze_timeout_ms)) {
            write_control(v2->path, "cgroup.freeze", "0");
            throw Error(ErrorKind::unavailable, "freezing {} takes longer than {} ms", v2->path,
                        freeze_timeout_ms);
        }
        return;
    }
    const auto directory = find_directory("freezer");
    if (!directory)
        throw Error(ErrorKind::unsupported, "this machine has no freezer cgroup controller");
    Backoff limit(freeze_timeout_ms);
    for (;;) {
        // Again each time: a process that forks while FREEZING can keep it so for ever.
        write_control(*directory, "freezer.state", "FROZEN");
        if (freezer_state(*directory) == "FROZEN") return;
        if (!limit.wait()) break;
    }
    thaw();
    throw Error(ErrorKind::unavailable, "freezing {} takes longer than {} ms", *directory,
                freeze_timeout_ms);
}

void Cgroup::thaw() {
    if (const Directory* v2 = find_v2(directories_);
        v2 && sys::find_stat(hull::join(v2->path, "cgroup.freeze"))) {
        write_control(v2->path, "cgroup.freeze", "0");
        if (!wait_for_event(v2->path, "frozen", 0, freeze_timeout_ms))
            throw Error(ErrorKind::unavailable, "{} stays frozen", v2->path);
    }
    if (const auto directory = find_directory("freezer");
        directory && freezer_state(*directory) != "THAWED")
        write_control(*directory, "freezer.state", "THAWED");
}

bool Cgroup::is_frozen() const {
    if (const Directory* v2 = find_v2(directories_))
        if (find_number(find_file(hull::join(v2->path, "cgroup.events")).value_or(""), "frozen") ==
            1)
            return true;
    const auto directory = find_directory("freezer");
    return directory && freezer_state(*directory) != "THAWED";
}

std::vector<pid_t> Cgroup::list_pids() const {
    const Directory* directory = find_v2(directories_);
    for (const Directory& candidate : directories_)
        if (!directory || candidate.hierarchy.has("pids")) directory = &candidate;
    std::set<pid_t> pids;
    if (directory)
        for (const Path& path : list_nested(directory->path)) {
            const std::string text = find_file(hull::join(path, "cgroup.procs")).value_or("");
            for (const std::string& line : split_nonempty(text, '\n')) {
                pid_t pid = 0;
                std::from_chars(line.data(), line.data() + line.size(), pid);
                if (pid > 0) pids.insert(pid);  // 0: a process of another pid namespace
            }
        }
    return {pids.begin(), pids.end()};
}

void Cgroup::signal_all(int signal_number) {
    const Directory* v2 = find_v2(directories_);
    const bool kill_file =
        signal_number == SIGKILL && v2 && sys::find_stat(hull::join(v2->path, "cgroup.kill"));
    if (kill_file) {
        write_control(v2->path, "cgroup.kill", "1");
        // One that is still joining is so far in the v1 hierarchies alone.
        for (const pid_t pid : list_pids()) ::kill(pid, SIGKILL);
        thaw();
        return;
    }
    // Frozen, nobody can fork away between the list and the signals.
    if (signal_number == SIGKILL && !is_frozen()) {
        try {
            freeze();
        } catch (const Error&) {  // then without: the caller sees who is left
        }
    }
    for (const pid_t pid : list_pids())
        if (::kill(pid, signal_number) != 0 && errno != ESRCH)
            throw_errno(errno, "sending signal {} to process {}", signal_number, pid);
    if (signal_number == SIGKILL) thaw();
}

std::uint64_t Cgroup::oom_kills() const {
    const auto directory = find_directory("memory");
    if (!directory) return 0;
    for (const char* name : {"memory.events", "memory.oom_control"})
        if (const auto text = find_file(hull::join(*directory, name)))
            return find_number(*text, "oom_kill").value_or(0);
    return 0;
}

std::optional<Fd> Cgroup::open_oom_event() const {
    const auto directory = find_directory("memory");
    if (!directory) return std::nullopt;
    const Path v2_events = hull::join(*directory, "memory.events");
    if (sys::find_stat(v2_events)) {
        Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watch || ::inotify_add_watch(watch.get(), v2_events.c_str(), IN_MODIFY) < 0)
            throw_errno(errno, "watching {}", v2_events);
        return watch;
    }
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) throw_errno(errno, "making an eventfd");
    const Fd control = sys::open(hull::join(*directory, "memory.oom_control"), O_RDONLY);
    write_control(*directory, "cgroup.event_control",
                  fmt::format("{} {}", event.get(), control.get()));
    return event;
}

void Cgroup::remove(int timeout_ms) {
    Backoff limit(timeout_ms);
    for (const Directory& directory : directories_)
        for (const Path& path : list_nested(directory.path))
            while (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
                if (errno != EBUSY) throw_errno(errno, "removing cgroup {}", path);
                const bool is_waiting =
                    directory.hierarchy.is_v2
                        ? wait_for_event(path, "populated", 0, limit.remaining_ms()) && limit.wait()
                        : limit.wait();
                if (!is_waiting)
                    throw Error(ErrorKind::unavailable, "cgroup {} is still in use", path);
            }
}

}  // namespace hull::linux_
