#include "transfer/push.hh"

#include "archive/byte_source.hh"
#include "archive/gzip_writer.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "oci/image_config.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"
#include "transfer/blob_upload.hh"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

namespace hull::transfer {

namespace {

constexpr std::size_t max_document_bytes = 16UL << 20;
constexpr std::int64_t progress_interval_ns = 100'000'000;

struct StoredBlob {
    int fd = -1;  ///< the daemon's; not owned
    std::uint64_t size = 0;
    std::vector<std::string> mounts;
    std::string location;
};

/// One layer on its way.
struct LayerPush {
    std::string id;  ///< as users see it
    oci::Descriptor blob;
    oci::Digest diff_id;
    bool stays_plain = false;
    Fd compressed{};  ///< ours, when it was stored plain
};

bool is_plain_layer(std::string_view type) {
    return type == oci::media_type::oci_layer || type == oci::media_type::docker_layer;
}

/// Foreign layers are their author's to distribute.
bool is_foreign(const oci::Descriptor& layer) {
    return !layer.urls.empty() || layer.media_type.find("foreign") != std::string::npos ||
           layer.media_type.find("nondistributable") != std::string::npos;
}

std::string read_whole(int fd, std::uint64_t size) {
    if (size > max_document_bytes)
        throw Error(ErrorKind::data_loss, "a document of {} bytes is too large", size);
    std::string text(size, '\0');
    for (std::size_t done = 0; done < size;) {
        const ssize_t count =
            ::pread(fd, text.data() + done, size - done, static_cast<off_t>(done));
        if (count <= 0) throw Error(ErrorKind::data_loss, "a blob of the store is cut short");
        done += static_cast<std::size_t>(count);
    }
    return text;
}

class Pusher {
public:
    Pusher(const json::Value& request, const registry_client::Configuration& configuration,
           Staging& staging, Messages& messages);
    void run();

private:
    void push_image(const std::string& reference, const oci::Digest& manifest_digest,
                    bool keeps_digest);
    void push_index(const std::string& tag, const json::Value& image);
    void tell_pushed(const std::string& tag, const std::string& text, const oci::Digest& digest);
    void push_layers(std::vector<LayerPush>& layers);
    void push_layer(LayerPush& layer);
    void compress(LayerPush& layer);
    void upload(const std::string& id, const oci::Descriptor& blob, int file);
    void put_manifest(const std::string& tag, const std::string& text, const std::string& type);
    bool has_manifest(const std::string& reference, const oci::Digest& digest);
    const StoredBlob& get_blob(const oci::Digest& digest) const;
    void state(const std::string& id, std::string_view status, std::uint64_t current = 0,
               std::uint64_t total = 0);
    std::string shown(const std::string& tag) const {
        return oci::Reference::parse(name_).familiar_name() +
               (tag.find(':') == std::string::npos ? ":" : "@") + tag;
    }
    [[noreturn]] void fail(const Error& error) {
        messages_.error(error);  // the other threads are in transfers that nobody wants any more
        std::_Exit(1);
    }

    const json::Value& request_;
    const registry_client::Configuration& configuration_;
    Staging& staging_;
    Messages& messages_;
    std::string name_, path_;
    std::map<oci::Digest, StoredBlob> blobs_;
    registry_client::HttpClient client_;
    std::unique_ptr<registry_client::Registry> registry_;
    std::atomic<bool> has_sent_ = false;  ///< something that the registry did not have
    std::mutex mutex_;
    std::map<oci::Digest, oci::Descriptor> compressed_;  ///< by the plain blob
};

Pusher::Pusher(const json::Value& request, const registry_client::Configuration& configuration,
               Staging& staging, Messages& messages)
    : request_(request),
      configuration_(configuration),
      staging_(staging),
      messages_(messages),
      name_(request["repository"].as_string()),
      client_(configuration.network) {
    const oci::Reference reference = oci::Reference::parse(name_);
    path_ = reference.path();
    for (const json::Value& blob : request["blobs"].as_array())
        blobs_[oci::Digest::parse(blob["digest"].as_string())] = {
            static_cast<int>(blob["fd"].as_int()), blob["size"].as_uint(),
            blob["mounts"].as_strings(), blob["location"].as_string()};
    // Mirrors are for pulls: the last endpoint is the registry itself.
    auto endpoints = configuration.endpoints(reference.domain(),
                                             registry_client::parse_credentials(request["auth"]));
    registry_ = std::make_unique<registry_client::Registry>(client_, configuration,
                                                            std::move(endpoints.back()));
}

const StoredBlob& Pusher::get_blob(const oci::Digest& digest) const {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end())
        throw Error(ErrorKind::data_loss, "blob {} is missing", digest.str());
    return found->second;
}

void Pusher::state(const std::string& id, std::string_view status, std::uint64_t current,
                   std::uint64_t total) {
    json::Object body{{"id", id}, {"status", status}};
    if (total > 0) {
        body["current"] = current;
        body["total"] = total;
    }
    messages_.report(json::Object{{"state", std::move(body)}});
}

void Pusher::run() {
    registry_->ping();
    for (const json::Value& image : request_["images"].as_array()) {
        const std::string& tag = image["tag"].as_string();
        if (image["index"].as_string().empty())
            push_image(tag, oci::Digest::parse(image["manifest"].as_string()), false);
        else
            push_index(tag, image);
    }
}

/// Its manifests first: a registry takes no index whose manifests it does not have.
void Pusher::push_index(const std::string& tag, const json::Value& image) {
    for (const std::string& member : image["members"].as_strings())
        push_image(member, oci::Digest::parse(member), true);
    const oci::Digest digest = oci::Digest::parse(image["index"].as_string());
    const StoredBlob& stored = get_blob(digest);
    const std::string text = read_whole(stored.fd, stored.size);
    put_manifest(tag, text, oci::parse_index(text).media_type);
    tell_pushed(tag, text, digest);
}

void Pusher::tell_pushed(const std::string& tag, const std::string& text,
                         const oci::Digest& digest) {
    messages_.report(json::Object{
        {"pushed", json::Object{{"tag", tag}, {"digest", digest.str()}, {"size", text.size()}}}});
}

/// `keeps_digest`: an index names the manifest as it is, so that plain layers stay plain; it is the
/// index then that is told about.
void Pusher::push_image(const std::string& reference, const oci::Digest& manifest_digest,
                        bool keeps_digest) {
    const StoredBlob& stored = get_blob(manifest_digest);
    std::string text = read_whole(stored.fd, stored.size);
    oci::Manifest manifest = oci::parse_manifest(text);
    const StoredBlob& config_blob = get_blob(manifest.config.digest);
    const oci::ImageConfig config =
        oci::parse_image_config(read_whole(config_blob.fd, config_blob.size));

    std::vector<LayerPush> layers;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const oci::Descriptor& blob = manifest.layers[i];
        const bool is_repeated = std::any_of(layers.begin(), layers.end(), [&](const auto& other) {
            return other.blob.digest == blob.digest;
        });
        if (is_repeated) continue;
        const oci::Digest& id =
            i < config.diff_ids.size() ? config.diff_ids[i] : manifest.layers[i].digest;
        if (!keeps_digest && compressed_.contains(blob.digest)) continue;
        layers.push_back({std::string(id.hex().substr(0, 12)), blob, id, keeps_digest});
    }
    for (const LayerPush& layer : layers) state(layer.id, "Preparing");
    push_layers(layers);

    bool is_changed = false;
    if (!keeps_digest)
        for (oci::Descriptor& layer : manifest.layers)
            if (const auto better = compressed_.find(layer.digest); better != compressed_.end()) {
                layer.digest = better->second.digest;
                layer.size = better->second.size;
                layer.media_type = better->second.media_type;
                is_changed = true;
            }
    if (is_changed) text = json::dump(oci::to_json(manifest));
    with_context([&] { upload("", manifest.config, config_blob.fd); }, "{}: config {}",
                 shown(reference), manifest.config.digest.str());
    put_manifest(reference, text, manifest.media_type);
    const oci::Digest digest = oci::Digest::of(text, manifest_digest);
    if (is_changed) {
        BlobWriter writer(staging_);
        writer.write(std::as_bytes(std::span(text)));
        messages_.blob(digest, text.size(), writer.name());
        messages_.image(manifest.config.digest, digest, {name_ + ":" + reference});
    }
    if (!keeps_digest) tell_pushed(reference, text, digest);
}

void Pusher::push_layers(std::vector<LayerPush>& layers) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> workers;
    const std::size_t count =
        std::min<std::size_t>(std::max(configuration_.concurrency, 1U), layers.size());
    for (std::size_t i = count; i < layers.size(); ++i) state(layers[i].id, "Waiting");
    for (std::size_t i = 0; i < count; ++i)
        workers.emplace_back([&] {
            for (std::size_t at = next++; at < layers.size(); at = next++) {
                LayerPush& layer = layers[at];
                try {
                    push_layer(layer);
                } catch (Error& error) {
                    error.add_context(fmt::format("{}: layer {}",
                                                  oci::Reference::parse(name_).familiar_name(),
                                                  layer.blob.digest.str()));
                    fail(error);
                } catch (const std::exception& error) {
                    fail(Error(ErrorKind::internal, "{}", error.what()));
                }
            }
        });
    for (std::thread& worker : workers) worker.join();
}

void Pusher::push_layer(LayerPush& layer) {
    if (is_foreign(layer.blob)) {
        state(layer.id, "Skipped foreign layer");
        return;
    }
    int file = get_blob(layer.blob.digest).fd;
    if (is_plain_layer(layer.blob.media_type) && !layer.stays_plain) {
        compress(layer);
        file = layer.compressed.get();
    }
    upload(layer.id, layer.blob, file);
}

/// Into staging, from where the daemon takes it into the store: the next push finds it compressed.
void Pusher::compress(LayerPush& layer) {
    const oci::Descriptor plain = layer.blob;
    const StoredBlob& stored = get_blob(plain.digest);
    BlobWriter writer(staging_);
    archive::GzipWriter gzip([&](std::span<const std::byte> bytes) { writer.write(bytes); });
    std::vector<std::byte> buffer(256UL << 10);
    for (std::uint64_t done = 0; done < stored.size;) {
        const ssize_t count =
            ::pread(stored.fd, buffer.data(), buffer.size(), static_cast<off_t>(done));
        if (count <= 0) throw Error(ErrorKind::data_loss, "a blob of the store is cut short");
        gzip.write(std::span(buffer).first(static_cast<std::size_t>(count)));
        done += static_cast<std::uint64_t>(count);
    }
    gzip.finish();
    layer.blob.digest = writer.finish();
    layer.blob.size = static_cast<std::int64_t>(writer.size());
    layer.blob.media_type = plain.media_type == oci::media_type::docker_layer
                                ? oci::media_type::docker_layer_gzip
                                : oci::media_type::oci_layer_gzip;
    layer.compressed = staging_.open(writer.name());
    messages_.blob(layer.blob.digest, writer.size(), writer.name());
    LayerMessage message;
    message.diff_id = layer.diff_id;
    message.blob = layer.blob.digest;
    message.media_type = layer.blob.media_type;
    message.size = stored.size;
    messages_.layer(message);
    const std::lock_guard lock(mutex_);
    compressed_[plain.digest] = layer.blob;
}

void Pusher::upload(const std::string& id, const oci::Descriptor& blob, int file) {
    Upload upload{.blob = blob, .file = file, .mounts = {}, .location = {}};
    if (const auto stored = blobs_.find(blob.digest); stored != blobs_.end()) {
        upload.mounts = stored->second.mounts;
        upload.location = stored->second.location;
    }
    std::int64_t told_ns = 0;
    const auto size = static_cast<std::uint64_t>(blob.size);
    Uploader::Listener listener;
    listener.progress = [&](std::uint64_t sent) {
        const std::int64_t now = monotonic_ns();
        if (id.empty() || (sent < size && now - told_ns < progress_interval_ns)) return;
        told_ns = now;
        state(id, "Pushing", sent, size);
    };
    listener.begun = [&](const std::string& location) {
        messages_.report(json::Object{
            {"begun", json::Object{{"blob", blob.digest.str()}, {"location", location}}}});
    };
    const UploadResult result =
        Uploader(*registry_, path_, configuration_.attempts).run(upload, listener);
    if (result.outcome != UploadOutcome::existed) has_sent_ = true;
    if (id.empty()) return;
    switch (result.outcome) {
        case UploadOutcome::existed: state(id, "Layer already exists"); break;
        case UploadOutcome::mounted: state(id, "Mounted from " + result.mounted_from); break;
        case UploadOutcome::uploaded: state(id, "Pushed"); break;
    }
}

/// Whether the registry has all of it under that name already: asking takes a tenth of what putting
/// it once more does, which registries write to their disks. "No" when it does not say.
bool Pusher::has_manifest(const std::string& reference, const oci::Digest& digest) {
    registry_client::Response response = registry_->call(
        [&] {
        registry_client::Request request;
        request.method = "HEAD";
        request.url = registry_->url("v2/" + path_ + "/manifests/" + reference);
        for (const std::string_view type :
             {oci::media_type::docker_manifest, oci::media_type::docker_list,
              oci::media_type::oci_manifest, oci::media_type::oci_index})
            request.headers.add("Accept", std::string(type));
        return request;
        },
        {registry_client::Registry::scope(path_, "pull,push")}, true);
    return response.status == 200 && response.headers.get("Docker-Content-Digest") == digest.str();
}

void Pusher::put_manifest(const std::string& tag, const std::string& text,
                          const std::string& type) {
    with_context(
        [&] {
        if (!has_sent_ && has_manifest(tag, oci::Digest::of(text))) return;
        registry_client::with_retries(configuration_.attempts, [&] {
            registry_client::Response response = registry_->call(
                [&] {
                registry_client::Request request;
                request.method = "PUT";
                request.url = registry_->url("v2/" + path_ + "/manifests/" + tag);
                request.headers.add("Content-Type", type);
                request.body = text;
                return request;
                },
                {registry_client::Registry::scope(path_, "pull,push")});
            if (response.status / 100 != 2) registry_client::Registry::refuse(response);
            const auto said = oci::Digest::find(response.headers.get("Docker-Content-Digest"));
            if (!said) return;
            if (const auto sent = oci::Digest::of(text, *said); *said != sent)
                throw Error(ErrorKind::data_loss, "the registry stored {} instead of {}",
                            said->str(), sent.str());
        });
        },
        "{}: manifest", shown(tag));
}

}  // namespace

void push(const json::Value& request, const registry_client::Configuration& configuration,
          Staging& staging, Messages& messages) {
    Pusher(request, configuration, staging, messages).run();
}

}  // namespace hull::transfer
