#pragma once
#include "base/locked.hh"
#include "base/stop.hh"
#include "build/cache.hh"
#include "build/request.hh"
#include "engine/engine.hh"
#include "image/images.hh"
#include "store/store.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::build {

struct BuilderOptions {
    Path data_root;  ///< build/ below it is ours
    Path exec_root;  ///< build/ below it: secrets, gone with a reboot
    Path programs;   ///< directory of hull-files
};

/// Brings an image that is not there, or whether there is a newer one, and says how far it is.
/// `registries` is the request's.
using FetchImage =
    std::function<void(const std::string& reference, const std::string& platform,
                       const json::Value& registries, const Sink& sink, StopEvent& stop)>;

/// Builds images from Dockerfiles. Thread-safe.
class Builder {
public:
    Builder(BuilderOptions options, engine::Engine& engine, image::Images& images,
            store::Store& store, db::Database& database);
    ~Builder();

    void set_fetch_image(FetchImage fetch) { fetch_ = std::move(fetch); }

    /// A directory of its own that holds what a client's archive on `input_fd` holds, and goes with
    /// this.
    class ReceivedContext {
    public:
        explicit ReceivedContext(Path directory) : directory_(std::move(directory)) {}
        ReceivedContext(ReceivedContext&& other) noexcept
            : directory_(std::exchange(other.directory_, {})) {}
        ~ReceivedContext();
        const Path& directory() const { return directory_; }

    private:
        Path directory_;
    };
    ReceivedContext receive_context(int input_fd, StopEvent& stop);

    /// A directory of this machine that a client names. Throws not_found when we do not see the one
    /// it sees: `identity` is its "DEVICE:INODE".
    Context local_context(const Path& directory, const std::string& identity) const;

    /// Throws what ends the build, with Docker's texts. What `sink` gets are Docker's messages.
    BuildResult build(const BuildRequest& request, const Context& context, const Sink& sink,
                      StopEvent& stop);
    /// Ends the build of that id; none is fine.
    void cancel(const std::string& id);

    /// Writes all files of an image as a tar, dated as the image is.
    void export_rootfs(const std::string& image, int output_fd, StopEvent& stop);

    /// What `builder prune` gives.
    struct PruneOptions {
        bool all = false;              ///< also what an image here was built with
        std::uint64_t keep_bytes = 0;  ///< the most recently used of this size stay
        std::optional<std::int64_t> unused_since_ns;
    };
    struct PruneReport {
        std::vector<std::string> deleted;
        std::uint64_t freed_bytes = 0;
    };
    PruneReport prune(const PruneOptions& options);

    Cache& cache() { return cache_; }

private:
    friend class Build;
    Path new_directory(std::string_view kind);
    void unpack(int input_fd, const Path& directory, StopEvent& stop);

    const BuilderOptions options_;
    engine::Engine& engine_;
    image::Images& images_;
    store::Store& store_;
    Cache cache_;
    FetchImage fetch_;
    Locked<std::map<std::string, StopEvent*>> running_;
};

}  // namespace hull::build
