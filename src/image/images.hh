#pragma once
#include "base/file.hh"
#include "base/json.hh"
#include "base/locked.hh"
#include "base/stop.hh"
#include "db/database.hh"
#include "oci/image_config.hh"
#include "oci/reference.hh"
#include "store/store.hh"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::image {

/// One image as the API shows it. Immutable; a change makes a new one.
struct Image {
    std::string id;               ///< "sha256:…", digest of the config
    std::string manifest_digest;  ///< of the manifest it came with
    oci::ImageConfig config;
    std::vector<std::string> repo_tags;     ///< familiar and sorted: "busybox:latest"
    std::vector<std::string> repo_digests;  ///< "busybox@sha256:…"
    std::vector<std::string> diff_ids;      ///< bottom first
    std::string parent;                     ///< "" unless a classic build set it
    std::uint64_t size_bytes = 0;           ///< sum of the files in its layers
    std::int64_t created_ns = 0;            ///< from the config; 0 when it says nothing
    std::int64_t last_tagged_ns = 0;        ///< 0: never
};
using ImagePointer = std::shared_ptr<const Image>;

/// A container as far as images care.
struct ContainerUse {
    std::string id;
    std::string image_id;
    std::string image_name;  ///< as the user typed it at create
    bool running = false;
    std::vector<std::string> diff_ids;  ///< its layers stay even when the image is gone
};
/// Asked at the moment a decision is made. Must not call back into Images.
using ContainerUses = std::function<std::vector<ContainerUse>()>;

/// `action` is load, import, save, tag, untag, delete or prune; `id` the image's id; attributes
/// hold the `name` Docker would show and the image's labels. A prune has no id, only `reclaimed`
/// bytes.
using EventSink = std::function<void(std::string_view action, const std::string& id,
                                     const std::map<std::string, std::string>& attributes)>;

/// What `docker import` gives.
struct ImportOptions {
    std::string reference;  ///< "" makes a dangling image
    std::string message;    ///< history comment; "" becomes "Imported from -"
    json::Value changes;    ///< Docker's `config` block, already made from the --change lines
    std::string platform;   ///< "linux/arm64"; "" is this machine's
};

/// A layer of an image that is being built.
struct BuiltLayer {
    std::string diff_id;
    std::string blob;  ///< digest of the bytes the store keeps
    std::string media_type;
    std::uint64_t blob_bytes = 0, content_bytes = 0;
};

/// An image whose layers are in the store.
struct NewImage {
    std::string config;  ///< the document
    std::vector<BuiltLayer> layers;
    std::vector<std::string> references;               ///< as the user writes them
    std::string parent;                                ///< id of the image below, "" for none
    std::map<std::string, std::string> annotations{};  ///< of the manifest
};

struct AddedImage {
    std::string id, manifest;
};

/// Images of several platforms under one name, and what is said of how they were made.
struct NewIndex {
    struct Statement {
        std::string predicate_type, text;  ///< an in-toto statement
    };
    struct Member {
        AddedImage image;
        std::map<std::string, std::string> annotations;  ///< of its descriptor
        std::vector<Statement> statements;
    };
    std::vector<Member> members;
    std::vector<std::string> references;  ///< as the user writes them
    std::map<std::string, std::string> annotations;
};

struct AddedIndex {
    std::string digest;
    std::string image_id;  ///< which of the images has the name: this machine's, else the first
};

/// What a cache keeps, asked at each garbage collection. Must not call back into Images.
using CacheRoots = std::function<store::Roots()>;

/// What `docker commit` gives.
struct CommitOptions {
    std::string base;       ///< id of the image below
    std::string reference;  ///< "" makes a dangling image
    json::Value config;     ///< Docker's `config` block, whole
    std::string author, comment;
    std::string created_by;  ///< of the history entry
};

struct RemoveOptions {
    bool force = false;
    bool prune_parents = true;
};

/// One row of Docker's answer to a removal; exactly one member is set.
struct Removed {
    std::string untagged, deleted;
};

struct PruneOptions {
    bool dry_run = false;  ///< say what would go
    bool dangling_only = true;
    std::optional<std::int64_t> until_ns;  ///< only images created before
    /// `label` filters: "key" or "key=value"; `negated` is Docker's label!=.
    struct LabelFilter {
        std::string text;
        bool negated = false;
    };
    std::vector<LabelFilter> labels;
};

struct PruneReport {
    std::vector<Removed> removed;
    std::uint64_t freed_bytes = 0;
};

/// One entry of `docker history`, newest first.
struct HistoryEntry {
    std::string id;  ///< the image's id for the newest, else "<missing>"
    std::int64_t created_ns = 0;
    std::string created_by, comment;
    std::uint64_t size_bytes = 0;
    std::vector<std::string> tags;
};

/// `docker system df`: what an image holds alone and together with others.
struct ImageUsage {
    std::string id;
    std::uint64_t size_bytes = 0, shared_bytes = 0;
};

/// What the daemon's flags say of registries.
struct RegistrySettings {
    std::vector<std::string> insecure;                        ///< hosts, host:port, CIDRs
    std::map<std::string, std::vector<std::string>> mirrors;  ///< URLs by registry
    std::vector<std::string> certificate_directories{"/etc/hull/certs.d", "/etc/docker/certs.d"};
    std::string http_proxy, https_proxy, no_proxy;
    unsigned downloads = 3, uploads = 5, attempts = 5;
    int silence_ms = 30'000;  ///< longest wait for a registry that owes us bytes
    std::uint64_t max_layer_bytes = 64ULL << 30;  ///< unpacked
};

/// What a client gave to be shown to a registry; never logged, never written to disk.
struct RegistryAccess {
    json::Value credentials;  ///< Docker's AuthConfig, null without
    std::string user_agent;   ///< of the client
};

/// The AuthConfig for `repository` ("docker.io/library/busybox") of a map by registry, as
/// X-Registry-Config has it, where a key may have a path: the longest that fits. Null without one.
json::Value find_credentials(const json::Value& registries, const std::string& repository);

struct PullOptions {
    std::string reference;  ///< as typed; without tag and digest: all tags
    std::string platform;   ///< "linux/arm64"; "" is this machine's
    RegistryAccess access;
};

struct PushOptions {
    std::string reference;  ///< as typed; without a tag: all tags
    std::string platform;   ///< "linux/arm64"; images of others are refused. "" is any
    RegistryAccess access;
};

/// One line of progress. `total` 0: no counters.
struct TransferProgress {
    std::string id, status;
    std::uint64_t current = 0, total = 0;
    json::Value aux{};
};
/// {"id", "status", "current", "total"}, as hull-transfer sends it.
TransferProgress parse_progress(const json::Value& state);
using ProgressSink = std::function<void(const TransferProgress&)>;

struct ImagesOptions {
    Path transfer_program;       ///< hull-transfer
    uid_t transfer_uid = 64998;  ///< unprivileged, of its own, needs no entry in /etc/passwd
    RegistrySettings registries{};
};
class Fetches;
struct ImageIndex;
struct IndexEntry;
class Uploads;
struct TransferReport;

/// The images of one store. Reads are answered from an immutable snapshot in memory and wait for
/// nobody. Thread-safe.
class Images {
public:
    Images(store::Store& store, db::Database& database, ImagesOptions options);
    ~Images();

    void set_event_sink(EventSink sink);
    /// Who uses layers: kept by every garbage collection. Set it before the first change.
    void set_container_uses(ContainerUses uses);
    void set_cache_roots(CacheRoots roots);

    /// By reference (a missing tag is latest), name@digest, id, or a unique prefix of an id.
    /// Throws not_found `No such image: NAME`, invalid_argument when a prefix is ambiguous or the
    /// name is malformed.
    ImagePointer get_image(std::string_view name) const;
    ImagePointer find_image(std::string_view name) const;
    /// The index that a manifest was pulled from (the most complete one), with what of it is here.
    std::optional<ImageIndex> find_index(const std::string& manifest) const;
    /// The index that a build made under this name; "" for none.
    std::string find_built_index(std::string_view name) const;
    /// The image's own manifest as an entry; nullopt when it is damaged.
    std::optional<IndexEntry> find_manifest(const Image& image) const;
    /// Newest first.
    std::vector<ImagePointer> list() const;
    std::vector<HistoryEntry> history(std::string_view name) const;
    std::vector<ImageUsage> disk_usage() const;

    /// Keeps the image's layers from garbage collection until the caller has a container that
    /// `ContainerUses` reports. Throws not_found when the image went in the meantime.
    store::Lease lease_image(const Image& image);

    /// `docker tag SOURCE REPOSITORY:TAG`; "" is latest.
    void tag(std::string_view source, std::string_view repository, std::string_view tag);

    /// Docker's rules for `rmi`; throws conflict with Docker's texts.
    std::vector<Removed> remove(std::string_view name, RemoveOptions options);
    PruneReport prune(const PruneOptions& options);
    /// For pulls and pushes that begin afterwards.
    void set_registries(RegistrySettings settings) {
        const auto locked = registries_.lock();
        *locked = std::move(settings);
    }

    /// Reads a Docker archive or OCI layout (tar, also compressed) from `input_fd` and returns the
    /// lines Docker prints: "Loaded image: busybox:latest" or "Loaded image ID: sha256:…" for each
    /// image, before it "The image X already exists, renaming the old one with ID … to empty
    /// string" when the tag moves. `progress` gets lines for the user while it runs. A failure, or
    /// `stop` (which throws cancelled), leaves nothing behind.
    std::vector<std::string> load(int input_fd,
                                  const std::function<void(std::string_view line)>& progress,
                                  StopEvent* stop = nullptr);
    /// Makes an image of one layer from a tar (also compressed) and returns its id.
    /// `check` may refuse before the image gets its name.
    std::string import_image(int input_fd, const ImportOptions& options, StopEvent* stop = nullptr,
                             const std::function<void()>& check = nullptr);
    /// The same of what an http or https address has.
    std::string import_url(const std::string& url, const ImportOptions& options,
                           const RegistryAccess& access, const ProgressSink& progress,
                           StopEvent* stop);
    /// Makes an image of the base's layers and the layer tar from `layer_fd` on top and returns its
    /// id. A tar without entries adds no layer.
    std::string commit(int layer_fd, const CommitOptions& options, StopEvent* stop = nullptr);
    /// Reads a tar (also compressed) without privileges and writes its entries to `output_fd` as
    /// records (archive/file_record.hh), which are to be checked. Throws invalid_argument for a tar
    /// that is malformed or leads outside with "..".
    void unpack(int input_fd, int output_fd, StopEvent* stop = nullptr);
    /// Writes one archive that is both a Docker archive and an OCI layout. Throws before the first
    /// byte when a name is unknown.
    void save(std::span<const std::string> names, int output_fd, StopEvent* stop = nullptr);

    /// Brings an image (or all tags of a repository) from its registry; layers that are here, or
    /// that another pull is fetching, are not fetched. What a broken or stopped pull had brought is
    /// kept for the next one; any other failure leaves the store as it was.
    void pull(const PullOptions& options, const ProgressSink& progress, StopEvent* stop = nullptr);

    /// Brings the image with that tag (or all tags of the repository) to its registry. Nothing is
    /// sent that is there; stored blobs go as they are, and layers that are stored uncompressed are
    /// compressed once. A push that broke goes on where it stopped.
    void push(const PushOptions& options, const ProgressSink& progress, StopEvent* stop = nullptr);
    /// Asks a registry through hull-transfer: see transfer/ask.hh for questions and answers.
    json::Value ask_registry(json::Object question, const RegistryAccess& access,
                             StopEvent* stop = nullptr);
    // For builds.
    /// Takes a layer tar into the store, where `lease` keeps it; nullopt for one without entries.
    std::optional<BuiltLayer> add_layer(int input_fd, store::Lease& lease, StopEvent* stop);
    /// The layers of an image, bottom first.
    std::vector<BuiltLayer> list_layers(const Image& image);
    /// Makes an image and names it.
    AddedImage add_image(const NewImage& image);
    /// Makes an index of images that were added before and names it. An image that has no name
    /// after that is content of the index only (ADR 024, 037).
    AddedIndex add_index(const NewIndex& index);
    /// What `image` is on that platform, itself or another one of its index; nullptr when none of
    /// it is here. Such an image need not be in the list.
    ImagePointer find_platform(const ImagePointer& image, const oci::Platform& platform) const;

    /// Removes content nobody refers to; removals call it themselves.
    std::uint64_t collect_garbage();

private:
    struct State;
    struct Event {
        std::string action, id, name;
        std::map<std::string, std::string> labels;
    };
    /// What a transfer brought: manifest and config digests, and canonical references.
    struct Arrived {
        std::string config, manifest;
        std::vector<std::string> references;
        std::string digest;  ///< of what was pulled: the manifest, or an index that names it
    };

    std::shared_ptr<const State> state() const;
    void reload();
    void emit(const std::vector<Event>& events) const;
    std::vector<ContainerUse> container_uses() const;
    std::uint64_t collect_garbage_locked();
    store::Roots find_roots(const std::set<std::string>& without) const;
    PruneReport plan_prune(const PruneOptions& options);
    std::uint64_t collect_after_removal() noexcept;
    void write_image(const Arrived& arrived);
    bool write_tag(const std::string& reference, const std::string& id, const std::string& manifest,
                   const std::string& built_index = "");
    void remove_locked(std::string_view name, RemoveOptions options, std::vector<Removed>& removed,
                       std::vector<Event>& events);
    void delete_image(const std::string& id, RemoveOptions options, bool quiet,
                      std::vector<Removed>& removed, std::vector<Event>& events);
    std::string untag(const std::string& reference);
    std::vector<Arrived> receive(std::vector<std::string> arguments, int input_fd,
                                 const std::function<void(std::string_view)>& progress,
                                 StopEvent* stop, store::Lease& lease,
                                 const std::string& request = "");
    std::vector<Arrived> check_arrived(const TransferReport& report, store::Lease& lease);
    template <typename Body>
    auto undo_on_failure(Body&& body);
    json::Object registry_request(const RegistryAccess& access, unsigned concurrency) const;
    json::Value known_digests(const std::string& repository, const std::string& platform) const;
    /// What becomes of a tag: one manifest, or a whole index with its manifests.
    struct PushedImage {
        std::string id, manifest;
        std::string index;  ///< "" when the manifest goes alone; before that: the one it was
                            ///< built with
        std::vector<std::string> members;  ///< manifests of the index
        std::vector<std::string> blobs;    ///< everything that may have to go
        json::Value note;                  ///< what Docker's clients are told, null for nothing
    };
    void choose_platforms(PushedImage& image, const oci::Reference& reference,
                          const std::string& platform) const;
    /// An index that is here, with what of it is; nullopt when it cannot be read, or when it does
    /// not name `manifest` ("" is any).
    std::optional<ImageIndex> read_index(const std::string& digest,
                                         const std::string& manifest = "") const;
    bool write_digest(const std::string& reference, const std::string& id,
                      const std::string& manifest);
    void forget_displaced(const std::string& id);
    std::vector<std::pair<std::string, PushedImage>> find_pushed(
        const oci::Reference& reference) const;
    std::map<std::string, std::vector<std::string>> find_mounts(
        const oci::Reference& repository, const std::set<std::string>& blobs) const;
    void replace_manifest(const std::string& id, const std::string& before,
                          const std::string& after);
    void write_pulled(const std::vector<Arrived>& arrived, const std::string& repository);

    store::Store& store_;
    db::Database& database_;
    const ImagesOptions options_;
    RegistrySettings registries() const {
        const auto locked = registries_.lock();
        return *locked;
    }
    mutable Locked<RegistrySettings>
        registries_;  ///< those of the options, until they are reloaded
    EventSink event_sink_;
    ContainerUses container_uses_;
    CacheRoots cache_roots_;
    std::mutex change_mutex_;  ///< one change of names at a time, and of what is garbage
    mutable std::mutex state_mutex_;
    std::shared_ptr<const State> state_;
    const std::unique_ptr<Fetches> fetches_;
    const std::unique_ptr<Uploads> uploads_;
    /// Content of broken pulls by what was pulled, kept for the next attempt.
    Locked<std::map<std::string, store::Lease>> unfinished_;
};

}  // namespace hull::image
