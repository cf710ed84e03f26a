#pragma once
#include "base/file.hh"
#include "base/stop.hh"

#include <cstdint>
#include <map>
#include <string>
#include <thread>

namespace hull {

namespace build {
class Builder;
}
namespace engine {
class Engine;
}
namespace image {
class Images;
}
namespace store {
class Store;
}

/// Keeps images, build cache and logs together below one limit: what was used longest ago goes
/// first. Build cache before images, images only when no container is made from them, and of logs
/// only rotated files of containers that do not run. Looks every few seconds, in a thread of its
/// own.
class DiskBudget {
public:
    struct Parts {
        engine::Engine& engine;
        image::Images& images;
        build::Builder& builder;
        store::Store& store;
    };
    DiskBudget(std::uint64_t limit_bytes, const Path& data_root, Parts parts);
    ~DiskBudget();
    DiskBudget(const DiskBudget&) = delete;
    DiskBudget& operator=(const DiskBudget&) = delete;

private:
    void run();
    void look();
    std::uint64_t used_bytes() const;
    void note_uses();
    void shrink_cache(std::uint64_t excess_bytes);
    bool remove_oldest_image();
    bool remove_oldest_log();

    const std::uint64_t limit_bytes_;
    const Path data_root_, uses_file_;
    const Parts parts_;
    std::map<std::string, std::int64_t> used_ns_;  ///< by image id: when it was last seen in use
    bool warned_ = false;
    StopEvent stop_;
    std::thread thread_;
};

}  // namespace hull
