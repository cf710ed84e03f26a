#pragma once
#include "db/database.hh"
#include "volume/driver.hh"
#include "volume/local_driver.hh"
#include "volume/plugin_driver.hh"
#include "volume/record.hh"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace hull::volume {

struct Options {
    Path root;  ///< data-root/volumes
    PluginDirectories plugins = {};
};

struct CreateRequest {
    std::string name;    ///< "" is an anonymous one with a name by chance
    std::string driver;  ///< "" is local, or the one that an existing volume has
    std::optional<StringMap> labels, options;
    std::string holder;  ///< the container that wants it; "" is nobody
};

struct Created {
    VolumePointer volume;
    bool is_new = false;
};

/// All volumes of one daemon, who has them and who has them mounted. Thread-safe. What can take
/// time (mounts, plugins) is done with only that volume's name taken.
///
/// A row is written before the directory and removed after it was put aside: a row without its
/// directory is the beginning of a volume and is completed at start-up, a directory without a row
/// is an older Hull's and is adopted.
class Volumes {
public:
    Volumes(Options options, db::Database& database);
    ~Volumes();

    /// The volume, made unless it is there. Throws conflict when another driver has the name.
    /// Errors begin with "create NAME: ", as Docker's do.
    Created create(const CreateRequest& request);
    /// Throws not_found "get NAME: no such volume".
    VolumePointer get(const std::string& name);
    /// The same, and asks the plugins about a name that we do not know.
    VolumePointer get_anywhere(const std::string& name);
    VolumePointer find(const std::string& name);
    std::vector<VolumePointer> list();  ///< by name
    /// Those that plugins have and we have no record of. What a plugin cannot say is a warning.
    std::vector<VolumePointer> list_of_plugins(std::vector<std::string>& warnings);
    /// "local" and the plugins that are there.
    std::vector<std::string> list_drivers();
    /// Throws conflict "remove NAME: volume is in use - [ids]". With `force` a driver that cannot
    /// be asked is no obstacle. Returns a directory that is left to be deleted, or "".
    Path remove(const std::string& name, bool force);

    Path find_path(const Volume& volume);
    std::string scope(const Volume& volume);
    json::Value status(const Volume& volume);
    /// The directory of a local one that holds what belongs to it: _data and more.
    Path directory(const std::string& name) const { return local_.directory(name); }

    /// A place of its own beside the volume's files, on their file system, for a copy that will
    /// take their place. What is left there is deleted when a daemon starts.
    Path copy_directory(const std::string& name) const {
        return join(local_.directory(name), ".copy-" + random_hex(8));
    }
    /// Whether something has to be mounted to use it, or it is not on this host.
    bool is_a_mount(const std::string& name);

    // Who has it: containers that exist, by id.
    /// Throws not_found.
    void hold(const std::string& name, const std::string& container_id);
    void release(const std::string& name, const std::string& container_id);
    std::vector<std::string> users(const std::string& name);

    // Who has it mounted: containers that run, and work of ours.
    /// `user` is counted once for each call. Returns where the files are.
    Path mount(const std::string& name, const std::string& user);
    /// What takes time is done a little later, but before the volume is mounted anew or removed.
    void unmount(const std::string& name, const std::string& user);
    /// For a container that has gone on running without a daemon: counts, mounts nothing.
    void adopt_mount(const std::string& name, const std::string& user);
    /// What the daemon before us has mounted for containers that have ended.
    void drop_unused_mounts();
    bool is_mounted_by_others(const std::string& name, const std::string& user);

private:
    struct Entry {
        VolumePointer volume;
        std::multiset<std::string> holders, mounters;
        std::vector<std::string> leaving;  ///< users whose unmount is to be done
    };
    /// Takes a name for one thread: what is done to a volume is done one thing after the other.
    class Turn {
    public:
        Turn(Volumes& volumes, std::string name);
        ~Turn();
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

    private:
        Volumes& volumes_;
        const std::string name_;
    };

    void load();
    void adopt_directories();
    void store(const Volume& volume);
    void finish_unmounts(const std::string& name);
    void run_unmounts();
    std::shared_ptr<Driver> get_driver(const std::string& name);
    std::shared_ptr<PluginDriver> get_plugin(const PluginAddress& address);
    /// The volume of a plugin that was not made by us: gets a record.
    VolumePointer adopt_from_plugins(const std::string& name);
    Entry& get_entry(const std::string& name);

    db::Database& database_;
    const PluginDirectories plugin_directories_;
    LocalDriver local_;
    std::mutex mutex_;  ///< guards what follows; never held across a driver's work
    std::condition_variable turn_ended_;
    std::set<std::string> taken_;
    std::map<std::string, Entry> entries_;
    /// By name; whoever works with one owns it, too, because it may be replaced meanwhile.
    std::map<std::string, std::shared_ptr<PluginDriver>> plugins_;
    std::deque<std::string> unmounts_;  ///< names of volumes with somebody leaving
    std::condition_variable unmounts_changed_;
    bool stopping_ = false;
    std::thread unmounter_;  ///< from the first unmount on
};

}  // namespace hull::volume
