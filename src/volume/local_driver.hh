#pragma once
#include "volume/driver.hh"

#include <vector>

namespace hull::volume {

/// Volumes in directories below `root`: NAME/_data. With `type`, `device` and `o` a file system is
/// mounted there while somebody uses it.
class LocalDriver final : public Driver {
public:
    explicit LocalDriver(Path root) : root_(std::move(root)) {}

    void create(const Volume& volume) override;
    Path remove(const Volume& volume) override;
    Path find_path(const Volume& volume) override { return data_directory(volume.name); }
    Path mount(const Volume& volume, const std::string& user) override;
    bool needs_mount(const Volume& volume) override;
    void unmount(const Volume& volume, const std::string& user) override;

    json::Value status(const Volume& volume) override;

    // Volumes that come from elsewhere: a directory that becomes the volume's in one step.
    /// Returns the name, below `root`, of a directory with an empty _data in it.
    std::string make_staging() const;
    void remove_staging(const std::string& name) const;
    /// The directory `from` below `root` becomes the volume's.
    void move(const std::string& from, const std::string& name) const;

    Path directory(const std::string& name) const { return join(root_, name); }
    Path data_directory(const std::string& name) const { return directory(name) + "/_data"; }
    /// The file with the file system of a volume with a size.
    Path image(const std::string& name) const { return directory(name) + "/volume.img"; }
    /// Makes what of its directories is missing, so that a volume is never half there.
    void ensure_directories(const std::string& name) const;
    bool is_mounted(const std::string& name) const;
    /// Volumes that lie there, with or without a record.
    std::vector<std::string> list_names() const;
    /// Names of volumes that `remove` has begun with.
    std::vector<std::string> list_removed() const;
    /// Deletes copies that were never finished.
    void remove_copies(const std::string& name) const;
    /// Deletes what a daemon before us has put aside.
    void purge() const;

private:
    Path trash() const { return join(root_, ".removed"); }
    const Path root_;
};

/// Throws invalid_argument with Docker's texts.
void check_volume_name(const std::string& name);

}  // namespace hull::volume
