#include "transfer/pull.hh"

#include "base/sys.hh"
#include "base/time.hh"
#include "oci/reference.hh"
#include "transfer/layer.hh"
#include "transfer/layer_download.hh"
#include "transfer/remote_image.hh"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <thread>

namespace hull::transfer {

namespace {

constexpr std::size_t max_answer_bytes = 4096;
constexpr std::int64_t progress_interval_ns = 100'000'000;

/// What a user sees of a digest.
std::string short_id(const oci::Digest& digest) { return std::string(digest.hex().substr(0, 12)); }

/// One layer of the image.
struct Job {
    oci::Descriptor blob;
    oci::Digest diff_id;
    Fd file;    ///< the daemon's, to download to
    Fd direct;  ///< the same past the page cache, or empty
    bool convert = true;
    bool waited = false;  ///< for another pull
};

class Puller {
public:
    Puller(const json::Value& request, const registry_client::Configuration& configuration,
           Staging& staging, Messages& messages, int answer_fd)
        : request_(request),
          configuration_(configuration),
          staging_(staging),
          messages_(messages),
          answer_fd_(answer_fd),
          repository_(configuration, request["repository"].as_string(),
                      registry_client::parse_credentials(request["auth"])) {}

    void run();

private:
    void pull_one(const std::string& reference);
    void pull_layers(const RemoteImage& image, const std::string& reference);
    void take_answers(std::map<oci::Digest, Job>& jobs);
    void work(const std::string& reference);
    void fetch(Job& job);
    void try_fetch(Job& job);
    void convert_late(const RemoteImage& image);
    std::string convert_stored(const oci::Digest& blob);
    void report_fetched(const Job& job, const ConvertedLayer* layer);
    oci::Digest store_text(const std::string& text, const oci::Digest& named);
    void state(const oci::Digest& blob, std::string_view status, std::uint64_t current = 0,
               std::uint64_t total = 0);
    /// This process ends with the first failure: its other threads are in the middle of transfers
    /// that nobody wants any more.
    [[noreturn]] void fail(const Error& error) {
        messages_.error(error);
        std::_Exit(1);
    }

    const json::Value& request_;
    const registry_client::Configuration& configuration_;
    Staging& staging_;
    Messages& messages_;
    const int answer_fd_;
    RemoteRepository repository_;
    std::set<oci::Digest> stored_documents_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job*> ready_;
    bool all_answered_ = false;
    std::set<oci::Digest> late_;  ///< layers that link to lower ones
    std::map<oci::Digest, Job> jobs_;
};

void Puller::run() {
    std::vector<std::string> references;
    if (request_["allTags"].is_bool() && request_["allTags"].as_bool()) {
        references = repository_.list_tags();
        std::sort(references.begin(), references.end());
    } else {
        references = request_["tags"].as_strings();
    }
    for (const std::string& reference : references) pull_one(reference);
}

void Puller::state(const oci::Digest& blob, std::string_view status, std::uint64_t current,
                   std::uint64_t total) {
    json::Object body{{"id", short_id(blob)}, {"status", status}};
    if (total > 0) {
        body["current"] = current;
        body["total"] = total;
    }
    messages_.report(json::Object{{"state", std::move(body)}});
}

oci::Digest Puller::store_text(const std::string& text, const oci::Digest& named) {
    BlobWriter writer(staging_, named);
    writer.write(std::as_bytes(std::span(text)));
    const oci::Digest digest = writer.finish();
    if (stored_documents_.insert(digest).second)
        messages_.blob(digest, writer.size(), writer.name());
    else
        staging_.remove(writer.name());
    return digest;
}

void Puller::pull_one(const std::string& reference) {
    const std::string platform_text = request_["platform"].as_string();
    const oci::Platform platform =
        platform_text.empty() ? oci::host_platform() : oci::parse_platform(platform_text);
    const bool is_digest = oci::Digest::find(reference).has_value();
    if (const json::Value& known = request_["known"][reference]; known.is_string()) {
        const auto digest = repository_.find_digest(reference);
        if (digest && digest->str() == known.as_string()) {
            messages_.report(json::Object{
                {"unchanged", json::Object{{"reference", reference}, {"digest", digest->str()}}}});
            return;
        }
    }
    const RemoteImage image = repository_.get_image(reference, platform, !platform_text.empty());
    messages_.report(
        json::Object{{"state", json::Object{{"id", reference},
                                            {"status", "Pulling from " + repository_.path()}}}});
    pull_layers(image, reference);
    store_text(image.config_text, image.manifest.config.digest);
    store_text(image.top.text, image.top.digest);
    if (image.selected) store_text(image.selected->text, image.selected->digest);
    json::Array tags;
    if (!is_digest)
        tags.push_back(repository_.domain() + "/" + repository_.path() + ":" + reference);
    messages_.report(
        json::Object{{"image", json::Object{{"config", image.manifest.config.digest.str()},
                                            {"manifest", image.manifest_document().digest.str()},
                                            {"digest", image.top.digest.str()},
                                            {"tags", std::move(tags)}}}});
}

void Puller::pull_layers(const RemoteImage& image, const std::string& reference) {
    jobs_.clear();
    late_.clear();
    all_answered_ = false;
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        const oci::Descriptor& blob = image.manifest.layers[i];
        const oci::Digest& diff_id = image.config.diff_ids[i];
        const auto [job, added] = jobs_.try_emplace(blob.digest, Job{blob, diff_id, {}, {}});
        if (!added) {
            if (job->second.diff_id != diff_id)
                throw Error(ErrorKind::data_loss, "{}: layer {} comes with two diffIDs",
                            repository_.shown(reference), blob.digest.str());
            continue;
        }
        messages_.report(json::Object{{"want", json::Object{{"blob", blob.digest.str()},
                                                            {"size", blob.size},
                                                            {"diffID", diff_id.str()}}}});
    }
    std::vector<std::thread> workers;
    const std::size_t count =
        std::min<std::size_t>(std::max(configuration_.concurrency, 1U), jobs_.size());
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back([&] { work(reference); });
    try {
        take_answers(jobs_);
    } catch (const Error& error) {
        fail(error);
    }
    for (std::thread& worker : workers) worker.join();
    with_context([&] { convert_late(image); }, "{}", repository_.shown(reference));
}

void Puller::take_answers(std::map<oci::Digest, Job>& jobs) {
    for (std::size_t left = jobs.size(); left > 0;) {
        sys::Received answer = sys::receive_with_fds(answer_fd_, max_answer_bytes);
        if (answer.bytes.empty())
            throw Error(ErrorKind::cancelled, "the daemon does not want it any more");
        const json::Value body = json::parse(answer.bytes);
        Job& job = jobs.at(oci::Digest::parse(body["blob"].as_string()));
        const std::string& verdict = body["answer"].as_string();
        if (verdict == "wait") {
            job.waited = true;
            state(job.blob.digest, "Pulling fs layer");
            state(job.blob.digest, "Waiting");
            continue;
        }
        --left;
        if (verdict == "present") {
            state(job.blob.digest, job.waited ? "Pull complete" : "Already exists");
            continue;
        }
        if (answer.fds.empty()) throw Error(ErrorKind::internal, "the daemon sent no file");
        if (!job.waited) state(job.blob.digest, "Pulling fs layer");
        job.file = std::move(answer.fds.front());
        if (answer.fds.size() > 1) job.direct = std::move(answer.fds[1]);
        job.convert = body["convert"].as_bool();
        const std::lock_guard lock(mutex_);
        ready_.push_back(&job);
        changed_.notify_one();
    }
    const std::lock_guard lock(mutex_);
    all_answered_ = true;
    changed_.notify_all();
}

void Puller::work(const std::string& reference) {
    for (;;) {
        Job* job = nullptr;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return !ready_.empty() || all_answered_; });
            if (ready_.empty()) return;
            job = ready_.front();
            ready_.pop_front();
        }
        try {
            try {
                fetch(*job);
            } catch (const Error& error) {
                throw staging_.explain(error, "storing it and unpacking it",
                                       3 * static_cast<std::uint64_t>(job->blob.size));
            }
        } catch (Error& error) {
            error.add_context(
                fmt::format("{}: layer {}", repository_.shown(reference), job->blob.digest.str()));
            fail(error);
        } catch (const std::exception& error) {
            fail(Error(ErrorKind::internal, "{}: layer {}: {}", repository_.shown(reference),
                       job->blob.digest.str(), error.what()));
        }
    }
}

/// Bytes left by an earlier pull may be wrong; then once more from the beginning.
void Puller::fetch(Job& job) {
    const bool has_partial = sys::fstat(job.file.get()).st_size > 0;
    try {
        try_fetch(job);
    } catch (const Error& error) {
        if (!has_partial || error.kind() != ErrorKind::data_loss) throw;
        sys::ftruncate(job.file.get(), 0);
        try_fetch(job);
    }
}

void Puller::try_fetch(Job& job) {
    const auto size = static_cast<std::uint64_t>(job.blob.size);
    std::int64_t told_ns = 0;
    LayerDownload download(repository_.registries(), repository_.path(), job.blob,
                           {job.file.get(), std::move(job.direct)}, configuration_.attempts,
                           [&](std::uint64_t done) {
        const std::int64_t now = monotonic_ns();
        if (done < size && now - told_ns < progress_interval_ns) return;
        told_ns = now;
        state(job.blob.digest, "Downloading", done, size);
        if (done == size) state(job.blob.digest, "Verifying Checksum");
    });
    std::optional<ConvertedLayer> layer;
    std::exception_ptr failure;
    bool is_late = false;
    if (!job.convert) {
        download.start();
    } else {
        try {
            FollowingSource source(download);
            download.start();
            layer = convert_layer(staging_, source, {}, Hashing::compressed_only,
                                  configuration_.max_layer_bytes);
            archive::drain(source);
        } catch (const NeedsLowerLayers&) {
            is_late = true;
        } catch (...) {
            failure = std::current_exception();
        }
    }
    try {
        download.finish();  // its verdict comes first: wrong bytes explain everything else
        state(job.blob.digest, "Download complete");
        if (failure) std::rethrow_exception(failure);
        if (layer && layer->diff_id.empty()) layer->diff_id = job.blob.digest;
        if (layer && layer->diff_id != job.diff_id)
            throw Error(ErrorKind::invalid_argument,
                        "it unpacks to diffID {}, the image's config says {}", layer->diff_id.str(),
                        job.diff_id.str());
    } catch (...) {
        if (layer) staging_.remove(layer->file);
        throw;
    }
    if (is_late) {
        const std::lock_guard lock(mutex_);
        late_.insert(job.blob.digest);
        return;
    }
    report_fetched(job, layer ? &*layer : nullptr);
}

void Puller::report_fetched(const Job& job, const ConvertedLayer* layer) {
    json::Object body{{"blob", job.blob.digest.str()},
                      {"size", job.blob.size},
                      {"mediaType", job.blob.media_type},
                      {"diffID", job.diff_id.str()}};
    sys::fdatasync(job.file.get());  // here several layers are synced at a time
    if (layer) {
        sys::fdatasync(staging_.open(layer->file).get());
        body["file"] = layer->file;
        body["contentSize"] = layer->statistics.content_bytes;
        for (const std::string& warning : layer->warnings) messages_.warning(warning);
    }
    messages_.report(json::Object{{"fetched", std::move(body)}});
    state(job.blob.digest, "Pull complete");
}

/// A lower layer once more, as an image file in staging.
std::string Puller::convert_stored(const oci::Digest& blob) {
    messages_.report(json::Object{{"need", json::Object{{"blob", blob.str()}}}});
    sys::Received answer = sys::receive_with_fds(answer_fd_, max_answer_bytes);
    if (answer.fds.empty()) throw Error(ErrorKind::internal, "the daemon sent no file");
    archive::FdSource source(answer.fds.front().get());
    return convert_layer(staging_, source).file;
}

/// Layers with hard links into lower ones, which are all there by now.
void Puller::convert_late(const RemoteImage& image) {
    std::vector<std::string> lower_files;
    const auto& layers = image.manifest.layers;
    for (std::size_t i = 0; i < layers.size() && !late_.empty(); ++i) {
        Job& job = jobs_.at(layers[i].digest);
        with_context(
            [&] {
            if (late_.erase(job.blob.digest) == 0) {
                lower_files.insert(lower_files.begin(), convert_stored(job.blob.digest));
                return;
            }
            ::lseek(job.file.get(), 0, SEEK_SET);
            archive::FdSource source(job.file.get());
            const ConvertedLayer layer = convert_layer(staging_, source, lower_files);
            if (layer.diff_id != job.diff_id)
                throw Error(ErrorKind::invalid_argument,
                            "it unpacks to diffID {}, the image's config says {}",
                            layer.diff_id.str(), job.diff_id.str());
            report_fetched(job, &layer);
            if (!late_.empty())
                lower_files.insert(lower_files.begin(), convert_stored(job.blob.digest));
            },
            "layer {}", job.blob.digest.str());
    }
    for (const std::string& file : lower_files) staging_.remove(file);
}

}  // namespace

void pull(const json::Value& request, const registry_client::Configuration& configuration,
          Staging& staging, Messages& messages, int answer_fd) {
    Puller(request, configuration, staging, messages, answer_fd).run();
}

}  // namespace hull::transfer
