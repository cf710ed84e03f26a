#include "volume/volumes.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "volume/local_mount.hh"

#include <fmt/core.h>

#include <utility>

namespace hull::volume {

namespace {

constexpr db::Migration migrations[] = {
    {1, "CREATE TABLE volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;",
     "DROP TABLE volumes;"},
};

bool is_random_name(std::string_view name) {
    return name.size() == 64 &&
           name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string join_ids(const std::multiset<std::string>& ids) {
    std::string text;
    std::string last;
    for (const std::string& id : ids) {
        if (id == last) continue;
        text += (text.empty() ? "" : ", ") + id;
        last = id;
    }
    return text;
}

}  // namespace

Volumes::Turn::Turn(Volumes& volumes, std::string name)
    : volumes_(volumes), name_(std::move(name)) {
    std::unique_lock lock(volumes_.mutex_);
    volumes_.turn_ended_.wait(lock, [&] { return !volumes_.taken_.contains(name_); });
    volumes_.taken_.insert(name_);
}

Volumes::Turn::~Turn() {
    {
        std::lock_guard lock(volumes_.mutex_);
        volumes_.taken_.erase(name_);
    }
    volumes_.turn_ended_.notify_all();
}

Volumes::Volumes(Options options, db::Database& database)
    : database_(database),
      plugin_directories_(std::move(options.plugins)),
      local_(std::move(options.root)) {
    database_.migrate("volume", migrations);
    load();
    adopt_directories();
    try {
        local_.purge();
    } catch (const std::exception& error) {
        log::warning("deleting what is left of removed volumes: {}", error.what());
    }
}

Volumes::~Volumes() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    unmounts_changed_.notify_all();
    if (unmounter_.joinable()) unmounter_.join();
}

void Volumes::load() {
    std::set<std::string> removed;
    for (std::string& name : local_.list_removed()) removed.insert(std::move(name));
    for (auto& [name, text] :
         database_.query<std::string, std::string>("SELECT name, record FROM volumes")) {
        try {
            auto volume = std::make_shared<const Volume>(parse_volume(json::parse(text)));
            if (volume->driver == local_driver && !sys::find_stat(local_.directory(name))) {
                if (removed.contains(name)) {  // the daemon was killed in its removal
                    database_.execute("DELETE FROM volumes WHERE name = ?", name);
                    continue;
                }
                local_.ensure_directories(name);
            }
            if (volume->driver == local_driver) local_.remove_copies(name);
            entries_[name].volume = std::move(volume);
        } catch (const Error& error) {
            log::error("volume {} cannot be loaded and is left alone: {}", name, error.message());
        }
    }
}

void Volumes::adopt_directories() {
    std::set<std::string> known;
    for (auto& [name] : database_.query<std::string>("SELECT name FROM volumes"))
        known.insert(name);
    for (const std::string& name : local_.list_names()) {
        if (known.contains(name)) continue;
        Volume volume;
        volume.name = name;
        const auto info = sys::find_stat(local_.directory(name));
        volume.created_ns =
            info ? info->st_mtim.tv_sec * 1'000'000'000 + info->st_mtim.tv_nsec : now_ns();
        if (is_random_name(name)) volume.labels = StringMap{{anonymous_label, ""}};
        store(volume);
        entries_[name].volume = std::make_shared<const Volume>(std::move(volume));
        log::info("volume {} has no record: adopted", name);
    }
}

void Volumes::store(const Volume& volume) {
    database_.execute("INSERT OR REPLACE INTO volumes (name, record) VALUES (?, ?)", volume.name,
                      json::dump(to_json(volume)));
}

std::shared_ptr<Driver> Volumes::get_driver(const std::string& name) {
    // Ours is not owned by anybody who asks.
    if (name == local_driver) return {std::shared_ptr<Driver>(), &local_};
    return with_context(
        [&]() -> std::shared_ptr<Driver> {
            const auto address = find_plugin(plugin_directories_, name);
            if (!address) throw Error(ErrorKind::not_found, "plugin \"{}\" not found", name);
            return get_plugin(*address);
        },
        "error looking up volume plugin {}", name);
}

std::shared_ptr<PluginDriver> Volumes::get_plugin(const PluginAddress& address) {
    {
        std::lock_guard lock(mutex_);
        const auto found = plugins_.find(address.name);
        if (found != plugins_.end() && found->second->address().url == address.url)
            return found->second;
    }
    auto plugin = std::make_shared<PluginDriver>(address);
    std::lock_guard lock(mutex_);
    return plugins_[address.name] = std::move(plugin);
}

std::vector<std::string> Volumes::list_drivers() {
    std::vector<std::string> names = list_plugins(plugin_directories_);
    names.insert(names.begin(), local_driver);
    return names;
}

std::vector<VolumePointer> Volumes::list_of_plugins(std::vector<std::string>& warnings) {
    std::vector<VolumePointer> all;
    for (const std::string& driver : list_plugins(plugin_directories_)) {
        try {
            const auto address = find_plugin(plugin_directories_, driver);
            if (!address) continue;
            for (std::string& name : get_plugin(*address)->list_names()) {
                if (find(name)) continue;
                Volume volume;
                volume.name = std::move(name);
                volume.driver = driver;
                all.push_back(std::make_shared<const Volume>(std::move(volume)));
            }
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found)  // a plugin of another kind
                warnings.push_back("volume plugin " + driver + ": " + error.message());
        }
    }
    return all;
}

/// With the volume's turn.
VolumePointer Volumes::adopt_from_plugins(const std::string& name) {
    for (const std::string& driver : list_plugins(plugin_directories_)) {
        try {
            const auto address = find_plugin(plugin_directories_, driver);
            if (!address || !get_plugin(*address)->has(name)) continue;
        } catch (const Error& error) {
            log::info("volume plugin {}: {}", driver, error.message());
            continue;
        }
        Volume volume;
        volume.name = name;
        volume.driver = driver;
        volume.created_ns = now_ns();
        store(volume);
        auto adopted = std::make_shared<const Volume>(std::move(volume));
        std::lock_guard lock(mutex_);
        entries_[name].volume = adopted;
        return adopted;
    }
    return nullptr;
}

Volumes::Entry& Volumes::get_entry(const std::string& name) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) throw Error(ErrorKind::not_found, "get {}: no such volume", name);
    return found->second;
}

// ---------------------------------------------------------------- create and remove

Created Volumes::create(const CreateRequest& request) {
    Volume volume;
    volume.name = request.name.empty() ? random_hex(32) : request.name;
    volume.driver = request.driver.empty() ? local_driver : request.driver;
    volume.created_ns = now_ns();
    volume.labels = request.labels;
    volume.options = request.options;
    if (request.name.empty()) {
        if (!volume.labels) volume.labels.emplace();
        volume.labels->emplace(anonymous_label, "");
    }
    return with_context(
        [&] {
        const Turn turn(*this, volume.name);
        if (request.driver.empty() && !request.name.empty() && !find(volume.name))
            adopt_from_plugins(volume.name);
        {
            std::lock_guard lock(mutex_);
            if (const auto found = entries_.find(volume.name); found != entries_.end()) {
                const Volume& there = *found->second.volume;
                if (!request.driver.empty() && request.driver != there.driver)
                    throw Error(ErrorKind::conflict,
                                "driver '{}' already has volume '{}': volume name must be unique",
                                there.driver, there.name);
                if (!request.holder.empty()) found->second.holders.insert(request.holder);
                return Created{found->second.volume, false};
            }
        }
        const std::shared_ptr<Driver> driver = get_driver(volume.driver);
        if (volume.driver == local_driver) {
            check_volume_name(volume.name);
            check_local_options(volume);
        }
        store(volume);
        try {
            driver->create(volume);
        } catch (...) {
            database_.execute("DELETE FROM volumes WHERE name = ?", volume.name);
            throw;
        }
        std::lock_guard lock(mutex_);
        Entry& entry = entries_[volume.name];
        entry.volume = std::make_shared<const Volume>(volume);
        if (!request.holder.empty()) entry.holders.insert(request.holder);
        return Created{entry.volume, true};
        },
        "create {}", volume.name);
}

VolumePointer Volumes::find(const std::string& name) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : found->second.volume;
}

VolumePointer Volumes::get(const std::string& name) {
    if (VolumePointer volume = find(name)) return volume;
    throw Error(ErrorKind::not_found, "get {}: no such volume", name);
}

VolumePointer Volumes::get_anywhere(const std::string& name) {
    if (VolumePointer volume = find(name)) return volume;
    const Turn turn(*this, name);
    if (VolumePointer volume = adopt_from_plugins(name)) return volume;
    return get(name);
}

std::vector<VolumePointer> Volumes::list() {
    std::lock_guard lock(mutex_);
    std::vector<VolumePointer> all;
    for (const auto& [name, entry] : entries_) all.push_back(entry.volume);
    return all;
}

Path Volumes::remove(const std::string& name, bool force) {
    const Turn turn(*this, name);
    finish_unmounts(name);
    VolumePointer volume;
    {
        std::lock_guard lock(mutex_);
        const Entry& entry = get_entry(name);
        if (!entry.holders.empty())
            throw Error(ErrorKind::conflict, "remove {}: volume is in use - [{}]", name,
                        join_ids(entry.holders));
        if (!entry.mounters.empty())
            throw Error(ErrorKind::conflict,
                        "remove {}: volume is in use by {}: try again when that is done", name,
                        join_ids(entry.mounters));
        volume = entry.volume;
    }
    Path leftover;
    try {
        leftover = get_driver(volume->driver)->remove(*volume);
    } catch (Error& error) {
        error.add_context(fmt::format("remove {}", name));
        if (!force) throw;
        log::warning("{}", error.message());
    }
    database_.execute("DELETE FROM volumes WHERE name = ?", name);
    std::lock_guard lock(mutex_);
    entries_.erase(name);
    return leftover;
}

Path Volumes::find_path(const Volume& volume) {
    return get_driver(volume.driver)->find_path(volume);
}

std::string Volumes::scope(const Volume& volume) {
    try {
        return get_driver(volume.driver)->scope();
    } catch (const Error&) {  // its plugin is away
        return "local";
    }
}

json::Value Volumes::status(const Volume& volume) {
    return get_driver(volume.driver)->status(volume);
}

// ---------------------------------------------------------------- users

void Volumes::hold(const std::string& name, const std::string& container_id) {
    const Turn turn(*this, name);
    std::lock_guard lock(mutex_);
    get_entry(name).holders.insert(container_id);
}

void Volumes::release(const std::string& name, const std::string& container_id) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    auto& holders = found->second.holders;
    if (const auto one = holders.find(container_id); one != holders.end()) holders.erase(one);
}

std::vector<std::string> Volumes::users(const std::string& name) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return {};
    const std::set<std::string> unique(found->second.holders.begin(), found->second.holders.end());
    return {unique.begin(), unique.end()};
}

Path Volumes::mount(const std::string& name, const std::string& user) {
    const Turn turn(*this, name);
    const VolumePointer volume = get(name);
    finish_unmounts(name);
    const Path path = get_driver(volume->driver)->mount(*volume, user);
    std::lock_guard lock(mutex_);
    get_entry(name).mounters.insert(user);
    return path;
}

void Volumes::unmount(const std::string& name, const std::string& user) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    const auto one = entry.mounters.find(user);
    if (one == entry.mounters.end()) return;
    entry.mounters.erase(one);
    if (entry.volume->driver == local_driver &&
        (!entry.mounters.empty() || !local_.needs_mount(*entry.volume)))
        return;
    entry.leaving.push_back(user);
    unmounts_.push_back(name);
    if (!unmounter_.joinable()) unmounter_ = std::thread([this] { run_unmounts(); });
    unmounts_changed_.notify_all();
}

/// With the volume's turn.
void Volumes::finish_unmounts(const std::string& name) {
    std::vector<std::string> leaving;
    VolumePointer volume;
    {
        std::lock_guard lock(mutex_);
        const auto found = entries_.find(name);
        if (found == entries_.end()) return;
        Entry& entry = found->second;
        leaving = std::exchange(entry.leaving, {});
        volume = entry.volume;
        // Mounted anew meanwhile: it stays. A plugin counts by user itself.
        if (volume->driver == local_driver && !entry.mounters.empty()) return;
    }
    for (const std::string& user : leaving) {
        try {
            get_driver(volume->driver)->unmount(*volume, user);
        } catch (const Error& error) {
            log::warning("volume {}: {}", name, error.message());
        }
    }
}

void Volumes::run_unmounts() {
    std::unique_lock lock(mutex_);
    for (;;) {
        unmounts_changed_.wait(lock, [this] { return stopping_ || !unmounts_.empty(); });
        if (unmounts_.empty()) return;
        const std::string name = std::move(unmounts_.front());
        unmounts_.pop_front();
        lock.unlock();
        try {
            const Turn turn(*this, name);
            finish_unmounts(name);
        } catch (const std::exception& error) {
            log::warning("volume {}: {}", name, error.what());
        }
        lock.lock();
    }
}

void Volumes::adopt_mount(const std::string& name, const std::string& user) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found != entries_.end()) found->second.mounters.insert(user);
}

void Volumes::drop_unused_mounts() {
    for (const VolumePointer& volume : list()) {
        if (volume->driver != local_driver) continue;
        const Turn turn(*this, volume->name);
        {
            std::lock_guard lock(mutex_);
            const auto found = entries_.find(volume->name);
            if (found == entries_.end() || !found->second.mounters.empty()) continue;
        }
        try {
            local_.unmount(*volume, "");
        } catch (const Error& error) {
            log::warning("volume {}: {}", volume->name, error.message());
        }
    }
}

bool Volumes::is_a_mount(const std::string& name) {
    const VolumePointer volume = get(name);
    return volume->driver != local_driver || local_.needs_mount(*volume);
}

bool Volumes::is_mounted_by_others(const std::string& name, const std::string& user) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return false;
    const auto& mounters = found->second.mounters;
    return mounters.size() > mounters.count(user);
}

}  // namespace hull::volume
