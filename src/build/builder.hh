#pragma once
#include "base/locked.hh"
#include "base/stop.hh"
#include "build/cache.hh"
#include "build/history.hh"
#include "build/request.hh"
#include "engine/engine.hh"
#include "image/download.hh"
#include "image/images.hh"
#include "store/store.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::build {

struct BuilderOptions {
    Path data_root;                       ///< build/ below it is ours
    Path exec_root;                       ///< build/ below it: secrets, gone with a reboot
    Path programs;                        ///< directory of hull-files
    image::ImagesOptions transfers = {};  ///< how hull-transfer reaches the network
    std::uint64_t most_cache_bytes = 0;   ///< what builds leave of the cache; 0: everything
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

    /// A context of the network: a repository, an archive or a Dockerfile.
    struct RemoteContext {
        std::optional<image::Checkout> checkout;
        std::optional<ReceivedContext> received;
        Path directory;
        std::optional<std::string> dockerfile;  ///< the text, when that was all
    };
    /// `secrets` are the build's: they may hold what the server wants to see.
    RemoteContext fetch_context(const std::string& address, bool keep_git_dir,
                                const std::map<std::string, std::string>& secrets, StopEvent& stop);

    /// A directory of this machine that a client names. Throws not_found when we do not see the one
    /// it sees: `identity` is its "DEVICE:INODE".
    Context local_context(const Path& directory, const std::string& identity) const;

    /// Throws what ends the build, with Docker's texts. What `sink` gets are Docker's messages.
    BuildResult build(const BuildRequest& request, const Context& context, const Sink& sink,
                      StopEvent& stop);
    /// Ends the build of that id; none is fine.
    void cancel(const std::string& id);

    /// Writes all files of images as a tar, dated as the images are; each below a directory
    /// "linux_amd64" when `splits` says so.
    void export_rootfs(const std::vector<image::ImagePointer>& images, bool splits, int output_fd,
                       StopEvent& stop);

    /// What to make a container of to look at what a failed step has left.
    struct DebugPlan {
        FailedStep failed;
        std::string image_id;  ///< made for this: the caller removes it
        std::string shell;     ///< of the image; "" when it has none
        Path helper;           ///< a static busybox of this machine, when the image has no shell
    };
    /// `id` as History::get takes it, "" for the last build that failed in a RUN. Throws not_found.
    DebugPlan prepare_debug(const std::string& id);

    /// What the topmost `own` layers store for nothing (files/waste.hh); remembered.
    json::Value find_waste(const std::vector<std::string>& diff_ids, std::size_t own,
                           StopEvent& stop);

    /// What `builder prune` gives.
    struct PruneOptions {
        bool dry_run = false;          ///< say what would go
        bool all = false;              ///< also what an image here was built with
        std::uint64_t keep_bytes = 0;  ///< the most recently used of this size stay
        std::optional<std::int64_t> unused_since_ns;
        std::uint64_t most_bytes = 0;      ///< no more than that stays; 0: no such limit
        std::uint64_t min_free_bytes = 0;  ///< what goes stops when the disk has that much
        /// id, parent, type and description (each of the values fits), inuse, shared and private.
        std::map<std::string, std::vector<std::string>> filters;
    };
    struct PruneReport {
        std::vector<std::string> deleted;
        std::uint64_t freed_bytes = 0;
    };
    PruneReport prune(const PruneOptions& options);
    /// Docker's BuildCache rows of `system df`: results of steps and cache mounts.
    json::Array cache_usage() const;

    /// Makes an image that holds the results of a build's steps (`id` as History::get takes it), so
    /// that they can be saved and pushed, and returns its id. Without `all` only those that the
    /// built image is made of.
    /// Several builds of one index go together.
    std::string export_cache(const std::vector<std::string>& ids, bool all);
    /// Takes the results that an image carries into the cache; returns how many were new.
    std::size_t import_cache(const image::Image& image);
    /// The records of steps as an image carries them, in a member of its config.
    json::Value carried_records(const std::vector<StepRecord>& steps,
                                const std::set<std::string>& diff_ids) const;
    static constexpr const char* carried_name = "hull.cache.v1";

    Cache& cache() { return cache_; }
    const History& history() const { return history_; }

private:
    friend class Build;
    Path new_directory(std::string_view kind);
    void unpack(int input_fd, const Path& directory, StopEvent& stop);
    void keep_budget() noexcept;
    /// Builds for each platform, and makes an index of it all (platforms.cc).
    BuildResult build_index(const BuildRequest& request, const Context& context, const Sink& sink,
                            StopEvent& stop, StopEvent& cancelled);

    const BuilderOptions options_;
    engine::Engine& engine_;
    image::Images& images_;
    store::Store& store_;
    Cache cache_;
    History history_;
    image::Downloads downloads_;
    FetchImage fetch_;
    Locked<std::map<std::string, StopEvent*>> running_;
    Locked<std::map<std::string, json::Value>> waste_;  ///< by layers
};

}  // namespace hull::build
