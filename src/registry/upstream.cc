#include "registry/upstream.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "registry/manifest_facts.hh"
#include "registry/refusal.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace hull::registry {

namespace {

constexpr unsigned attempts = 3, blob_attempts = 5;
constexpr int silence_ms = 20'000;
constexpr std::size_t buffer_bytes = 256UL << 10;

registry_client::Endpoint make_endpoint(const UpstreamOptions& options,
                                        const registry_client::Configuration& configuration,
                                        const std::string& password, const std::string& authority) {
    registry_client::Endpoint endpoint;
    endpoint.base = registry_client::parse_url(options.url);
    if (!endpoint.base.target.ends_with('/')) endpoint.base.target += '/';
    endpoint.tls = configuration.material_for(endpoint.base.authority());
    if (!authority.empty()) {
        endpoint.tls.authorities.push_back(authority);
        endpoint.tls.verify = true;
    }
    endpoint.credentials.username = options.user;
    endpoint.credentials.password = password;
    return endpoint;
}

oci::Digest to_client(const ContentDigest& digest) {
    const auto found = oci::Digest::find(digest.str());
    if (!found)
        throw Refusal(404, code::digest_invalid, "a cache has no digests by {}",
                      digest.algorithm());
    return *found;
}

}  // namespace

/// A blob that one thread brings and others read behind it.
class Upstream::Fetch {
public:
    /// The first bytes are about to come. `file` holds them from its beginning.
    void begin(Fd file, std::optional<std::uint64_t> size) {
        const std::lock_guard lock(mutex_);
        file_ = std::move(file);
        size_ = size;
        changed_.notify_all();
    }
    void set_done(std::uint64_t done) {
        const std::lock_guard lock(mutex_);
        done_ = done;
        changed_.notify_all();
    }
    void end(std::exception_ptr failure) {
        const std::lock_guard lock(mutex_);
        failure_ = std::move(failure);
        ended_ = true;
        changed_.notify_all();
    }

    /// Throws why it cannot begin.
    void wait_for_begin() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return file_ || ended_; });
        if (failure_) std::rethrow_exception(failure_);
    }
    /// How many bytes there are beyond `at`, once there are any; 0 at the end.
    std::uint64_t wait_beyond(std::uint64_t at) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return done_ > at || ended_; });
        if (done_ <= at && failure_) std::rethrow_exception(failure_);
        return done_ - at;
    }
    int file() const { return file_.get(); }
    std::optional<std::uint64_t> size() const { return size_; }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    Fd file_;
    std::optional<std::uint64_t> size_;
    std::uint64_t done_ = 0;
    bool ended_ = false;
    std::exception_ptr failure_;
};

class Upstream::Follower : public BlobStream {
public:
    explicit Follower(std::shared_ptr<Fetch> fetch) : fetch_(std::move(fetch)) {}
    std::optional<std::uint64_t> size() const override { return fetch_->size(); }
    std::size_t read(std::span<std::byte> buffer) override {
        const std::uint64_t ready = fetch_->wait_beyond(at_);
        const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), ready);
        if (wanted == 0) return 0;
        const ssize_t count =
            ::pread(fetch_->file(), buffer.data(), wanted, static_cast<off_t>(at_));
        if (count <= 0) throw Error(ErrorKind::internal, "a blob that is fetched was cut short");
        at_ += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    }

private:
    const std::shared_ptr<Fetch> fetch_;
    std::uint64_t at_ = 0;
};

registry_client::Configuration Upstream::read_configuration(const UpstreamOptions& options) {
    registry_client::Configuration configuration;
    configuration.attempts = attempts;
    configuration.user_agent = "hull-registry/" HULL_VERSION;
    configuration.network.silence_ms = silence_ms;
    configuration.certificate_directories = {"/etc/hull/certs.d", "/etc/docker/certs.d"};
    configuration.read_files(registry_client::parse_url(options.url).authority());
    return configuration;
}

Upstream::Upstream(const Parts& parts, const UpstreamOptions& options,
                   const registry_client::Configuration& configuration, const std::string& password,
                   const std::string& authority)
    : storage_(parts.storage),
      uploads_(parts.uploads),
      metrics_(parts.metrics),
      options_(options),
      client_(configuration.network),
      registry_(client_, configuration,
                make_endpoint(options, configuration, password, authority)) {}

/// What upstream does not have is nothing here either; other failures become one Refusal.
template <typename Ask>
auto Upstream::ask(const std::string& repository, Ask&& question) {
    try {
        return question();
    } catch (const registry_client::ReplyError& error) {
        if (error.status() == 404) return decltype(question())();
        metrics_.upstream_errors++;
        throw Refusal(error.status() == 429 ? 429 : 502, code::unknown, "{} at the upstream {}: {}",
                      repository, options_.url, error.message());
    } catch (const Refusal&) {
        throw;
    } catch (const Error& error) {
        metrics_.upstream_errors++;
        throw Refusal(502, code::unknown, "{} at the upstream {}: {}", repository, options_.url,
                      error.message());
    }
}

StoredManifest Upstream::store(const std::string& repository,
                               const registry_client::Document& document) {
    const ManifestFacts facts = parse_manifest_facts(document.text, document.media_type);
    StoredManifest manifest{document.text, facts.media_type,
                            ContentDigest::parse(document.digest.str())};
    std::optional<Storage::Referrer> referrer;
    if (facts.subject) {
        json::Object descriptor{{"mediaType", manifest.media_type},
                                {"digest", manifest.digest.str()},
                                {"size", manifest.text.size()}};
        if (!facts.artifact_type.empty()) descriptor["artifactType"] = facts.artifact_type;
        if (!facts.annotations.is_null()) descriptor["annotations"] = facts.annotations;
        referrer = {*facts.subject, json::dump(descriptor)};
    }
    const auto shared = storage_.structure().share();
    storage_.put_manifest(repository, manifest, referrer);
    return manifest;
}

std::optional<ContentDigest> Upstream::find_tag(const std::string& repository,
                                                std::string_view tag) {
    const auto known = storage_.find_tag(repository, tag);
    try {
        return ask(repository, [&]() -> std::optional<ContentDigest> {
            std::optional<ContentDigest> digest;
            if (const auto said = registry_.find_digest(repository, std::string(tag)))
                digest = ContentDigest::parse(said->str());
            if (!digest || !storage_.find_manifest(repository, *digest))
                digest =
                    store(repository, registry_.get_manifest(repository, std::string(tag))).digest;
            if (digest != known) {
                const auto shared = storage_.structure().share();
                storage_.put_tag(repository, tag, *digest);
            }
            return digest;
        });
    } catch (const Refusal& refusal) {
        if (!known || refusal.status() == 400) throw;
        log::warning("{}:{} is served as it was: {}", repository, tag, refusal.message());
        return known;
    }
}

std::optional<StoredManifest> Upstream::find_manifest(const std::string& repository,
                                                      const ContentDigest& digest) {
    if (auto manifest = storage_.find_manifest(repository, digest)) {
        storage_.touch_manifest(repository, digest);
        return manifest;
    }
    return ask(repository, [&]() -> std::optional<StoredManifest> {
        return store(repository, registry_.get_manifest(repository, to_client(digest).str()));
    });
}

std::optional<Content> Upstream::find_blob(const std::string& repository,
                                           const ContentDigest& digest) {
    return storage_.find_blob(repository, digest);
}

std::unique_ptr<BlobStream> Upstream::bring_blob(const std::string& repository,
                                                 const ContentDigest& digest) {
    const std::string key = repository + "@" + to_client(digest).str();
    std::shared_ptr<Fetch> fetch;
    {
        auto fetches = fetches_.lock();
        auto& entry = (*fetches)[key];
        if (!entry) {
            entry = std::make_shared<Fetch>();
            // Goes on when its clients have gone: the next one will ask for the same.
            std::thread([this, repository, digest, key, fetch = entry] {
                try {
                    fetch_blob(repository, digest, *fetch);
                    fetch->end(nullptr);
                } catch (...) {
                    fetch->end(std::current_exception());
                }
                auto running = fetches_.lock();
                running->erase(key);
            }).detach();
        }
        fetch = entry;
    }
    return ask(repository, [&]() -> std::unique_ptr<BlobStream> {
        fetch->wait_for_begin();
        return std::make_unique<Follower>(fetch);
    });
}

void Upstream::fetch_blob(const std::string& repository, const ContentDigest& digest,
                          Fetch& fetch) {
    const std::string name = uploads_.start(repository, digest.algorithm());
    Uploads::Use upload = uploads_.use(repository, name);
    try {
        bool has_begun = false;
        std::vector<std::byte> buffer(buffer_bytes);
        registry_client::with_retries(blob_attempts, [&] {
            registry_client::Response response =
                registry_.open_blob(repository, to_client(digest), upload->size());
            if (response.status != 206 && upload->size() > 0)
                throw Error(ErrorKind::unavailable, "the upstream begins anew in the middle");
            if (!has_begun)
                fetch.begin(sys::open(upload->path(), O_RDONLY), response.content_length());
            has_begun = true;
            while (const std::size_t count = response.read(buffer)) {
                upload->append({reinterpret_cast<const char*>(buffer.data()), count});
                metrics_.proxied_bytes += count;
                fetch.set_done(upload->size());
            }
        });
        if (const ContentDigest actual = upload->digest(digest.algorithm()); actual != digest)
            throw Error(ErrorKind::data_loss, "blob {} of {} hashes to {} at {}", digest.str(),
                        repository, actual.str(), options_.url);
        uploads_.commit(repository, upload, digest);
        metrics_.proxied_blobs++;
    } catch (...) {
        uploads_.cancel(upload);
        throw;
    }
}

void Upstream::touch_blob(const std::string& repository, const ContentDigest& digest) {
    storage_.touch_blob(repository, digest);
}

std::vector<std::string> Upstream::list_tags(const std::string& repository) {
    try {
        std::vector<std::string> tags =
            ask(repository, [&] { return registry_.list_tags(repository); });
        std::sort(tags.begin(), tags.end());
        return tags;
    } catch (const Refusal& refusal) {
        log::warning("the tags of {} are listed as they were: {}", repository, refusal.message());
        return storage_.list_tags(repository);
    }
}

bool Upstream::has_repository(const std::string& repository) {
    return storage_.has_repository(repository) || !list_tags(repository).empty();
}

/// Those that somebody has pulled: registries tell their catalog to few.
std::vector<std::string> Upstream::list_repositories() { return storage_.list_repositories(); }

std::vector<std::string> Upstream::list_referrers(const std::string& repository,
                                                  const ContentDigest& subject) {
    try {
        return ask(repository, [&] {
            std::vector<std::string> texts;
            for (const oci::Descriptor& entry :
                 registry_.list_referrers(repository, to_client(subject), ""))
                texts.push_back(json::dump(oci::to_json(entry)));
            return texts;
        });
    } catch (const Refusal&) {
        return storage_.list_referrers(repository, subject);
    }
}

std::size_t Upstream::expire() {
    std::size_t removed = 0;
    for (const std::string& repository : storage_.list_repositories())
        for (const ContentDigest& digest : storage_.list_manifests(repository)) {
            const auto used_ns = storage_.manifest_touched_ns(repository, digest);
            if (used_ns && *used_ns < now_ns() - options_.keep_ns)
                removed += storage_.remove_manifest(repository, digest);
        }
    return removed;
}

}  // namespace hull::registry
