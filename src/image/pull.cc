#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "image/download.hh"
#include "image/fetches.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "image/transfer_run.hh"
#include "oci/manifest.hh"
#include "oci/platform.hh"
#include "oci/reference.hh"

#include <fcntl.h>
#include <sys/socket.h>

#include <set>
#include <vector>

namespace hull::image {

namespace {

constexpr int answer_buffer_bytes = 1 << 20;
constexpr std::size_t max_wanted = 4096, most_unfinished = 100;

/// Whether a later attempt may succeed with what this one has brought.
bool may_go_on(const Error& error) {
    return error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::unavailable;
}

}  // namespace

/// One run of `hull-transfer pull` as the daemon sees it: answers its questions and takes each
/// finished layer into the store.
class PullSession final : public Fetches::Party {
public:
    PullSession(store::Store& store, Fetches& fetches, const store::StagingDirectory& staging,
                store::Lease& lease, const ProgressSink& progress)
        : store_(store),
          fetches_(fetches),
          staging_(staging),
          lease_(lease),
          progress_(progress),
          channel_(sys::socketpair(SOCK_SEQPACKET)) {
        // Answers never wait for a process that does not read them.
        const int ours = channel_.first.get();
        ::setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &answer_buffer_bytes,
                     sizeof answer_buffer_bytes);
        ::fcntl(ours, F_SETFL, ::fcntl(ours, F_GETFL) | O_NONBLOCK);
    }
    ~PullSession() override { fetches_.leave(*this, keeps_files_); }

    /// What was fetched is of no use to a later attempt.
    void discard_files() { keeps_files_ = false; }

    int theirs() const { return channel_.second.get(); }
    const std::string& unchanged_digest() const { return unchanged_; }

    bool take(const json::Value& message) {
        if (message["want"].is_object()) return want(message["want"]), true;
        if (message["fetched"].is_object()) return take_layer(message["fetched"]), true;
        if (message["need"].is_object()) return lend(message["need"]), true;
        if (message["unchanged"].is_object()) {
            unchanged_ = oci::Digest::parse(message["unchanged"]["digest"].as_string()).str();
            return true;
        }
        if (!message["state"].is_object()) return false;
        if (progress_) progress_(parse_progress(message["state"]));
        return true;
    }

    void fetch(const std::string& blob, Fd file) noexcept override {
        const bool has_layer = store_.find_layer(find_wanted(blob)).has_value();
        answer(blob, "fetch", !has_layer, file.get());
    }
    void wait(const std::string& blob) noexcept override { answer(blob, "wait"); }
    bool take_present(const std::string& blob) noexcept override {
        if (!store_.keep_present(blob, find_wanted(blob), lease_)) return false;
        answer(blob, "present");
        return true;
    }

private:
    /// The diffID of a blob that was asked for, "" for others.
    std::string find_wanted(const std::string& blob) {
        const auto wanted = wanted_.lock();
        const auto found = wanted->find(blob);
        return found == wanted->end() ? std::string() : found->second;
    }

    void answer(const std::string& blob, std::string_view verdict, bool convert = false,
                int file = -1) noexcept {
        try {
            const std::string text =
                json::dump(json::Object{{"blob", blob}, {"answer", verdict}, {"convert", convert}});
            std::vector<int> files;
            if (file >= 0) files.push_back(file);
            // In its empty room hull-transfer cannot open it again; not every file system can this.
            const Fd direct(file < 0 ? -1
                                     : ::open(fmt::format("/proc/self/fd/{}", file).c_str(),
                                              O_WRONLY | O_DIRECT | O_CLOEXEC));
            if (direct) files.push_back(direct.get());
            sys::send_with_fds(channel_.first.get(), text, files);
        } catch (const std::exception& error) {  // it is gone, or does not listen: its run fails
            log::debug("answering hull-transfer: {}", error.what());
        }
    }

    void want(const json::Value& message) {
        const std::string blob = oci::Digest::parse(message["blob"].as_string()).str();
        const std::string diff_id = oci::Digest::parse(message["diffID"].as_string()).str();
        {
            const auto wanted = wanted_.lock();
            if (wanted->size() >= max_wanted)
                throw Error(ErrorKind::data_loss, "it wants more than {} layers", max_wanted);
            (*wanted)[blob] = diff_id;
        }
        fetches_.want(blob, *this);
    }

    void take_layer(const json::Value& message) {
        const std::string blob = oci::Digest::parse(message["blob"].as_string()).str();
        const std::string diff_id = find_wanted(blob);
        if (diff_id.empty() || !taken_.insert(blob).second)
            throw Error(ErrorKind::data_loss, "it brings {}, which it was not asked for", blob);
        const std::string name = "blob-" + std::string(oci::Digest::parse(blob).hex());
        sys::rename(fetches_.file_of(blob), join(staging_.path(), name));
        store::StagedContent content;
        content.blobs.push_back(
            {blob, message["mediaType"].as_string(), name, message["size"].as_uint(), false});
        lease_.add_layer(diff_id);
        if (message["file"].is_string())
            content.layers.push_back(
                {diff_id, message["file"].as_string(), message["contentSize"].as_uint()});
        else if (!store_.find_layer(diff_id))
            throw Error(ErrorKind::data_loss, "it did not bring layer {}", diff_id);
        store_.adopt(staging_, content, lease_);
        fetches_.finish(blob, *this);
    }

    /// A blob of the image that is being pulled, to read.
    void lend(const json::Value& message) {
        const std::string blob = oci::Digest::parse(message["blob"].as_string()).str();
        if (find_wanted(blob).empty())
            throw Error(ErrorKind::data_loss, "it asks for {}, which is not its own", blob);
        const Fd file = store_.open_blob(blob);
        answer(blob, "file", false, file.get());
    }

    store::Store& store_;
    Fetches& fetches_;
    const store::StagingDirectory& staging_;
    store::Lease& lease_;
    const ProgressSink& progress_;
    sys::SocketPair channel_;
    Locked<std::map<std::string, std::string>> wanted_;  ///< blob -> diffID; others answer, too
    std::set<std::string> taken_;
    bool keeps_files_ = true;
    std::string unchanged_;
};

TransferProgress parse_progress(const json::Value& state) {
    TransferProgress line;
    line.id = state["id"].as_string();
    line.status = state["status"].as_string();
    if (state["total"].is_number()) {
        line.current = state["current"].as_uint();
        line.total = state["total"].as_uint();
    }
    return line;
}

json::Object Images::registry_request(const RegistryAccess& access, unsigned concurrency) const {
    return json::Object{
        {"registries", describe_registries(registries(), access.user_agent, concurrency)},
        {"auth", access.credentials},
    };
}

/// What the tags of a repository were when they were pulled, for those that are of `platform`.
json::Value Images::known_digests(const std::string& repository,
                                  const std::string& platform) const {
    json::Object known;
    const auto current = state();
    for (const auto& [tag, target] : current->tags) {
        const oci::Reference reference = oci::Reference::parse(tag);
        if (reference.name() != repository) continue;
        const ImagePointer& image = current->by_id.at(target.id);
        if (!platform.empty() &&
            oci::match(oci::parse_platform(platform), image->config.platform) == 0)
            continue;
        if (platform.empty() && oci::match(oci::host_platform(), image->config.platform) == 0)
            continue;
        for (const auto& [digest, pulled] : current->digests)
            if (pulled.id == target.id && pulled.manifest == target.manifest &&
                digest.starts_with(repository + "@"))
                known[reference.tag()] = digest.substr(digest.find('@') + 1);
    }
    return known;
}

void Images::write_pulled(const std::vector<Arrived>& arrived, const std::string& repository) {
    if (arrived.empty()) return;  // nothing new: nothing to wait for the disk for
    const std::lock_guard changing(change_mutex_);
    db::Transaction transaction = database_.begin();
    for (const Arrived& image : arrived) {
        write_image(image);
        for (const std::string& reference : image.references)
            write_tag(reference, image.config, image.manifest);
        const std::string digest = repository + "@" + image.digest;
        const auto before = database_.query_one<std::string>(
            "SELECT image FROM image_digests WHERE reference=?", digest);
        database_.execute(
            "INSERT OR REPLACE INTO image_digests(reference, image, manifest) VALUES(?,?,?)",
            digest, image.config, image.manifest);
        if (before && std::get<0>(*before) != image.config) forget_displaced(std::get<0>(*before));
    }
    transaction.commit();
    database_.sync();
    reload();
}

void Images::pull(const PullOptions& options, const ProgressSink& progress, StopEvent* stop) {
    const oci::Reference reference = oci::Reference::parse(options.reference);
    const std::string repository = reference.name();
    const bool all_tags = reference.tag().empty() && reference.digest().empty();
    const std::string wanted =
        reference.digest().empty() ? reference.tag() : reference.digest().str();
    if (!options.platform.empty()) (void)oci::parse_platform(options.platform);

    json::Object request = registry_request(options.access, registries().downloads);
    request["repository"] = repository;
    request["allTags"] = all_tags;
    request["tags"] = std::vector<std::string>{wanted};
    request["platform"] = options.platform;
    request["known"] = known_digests(repository, options.platform);

    const std::string key = repository + " " + wanted + " " + options.platform;
    store::Lease lease = store_.make_lease();
    const std::string shown =
        all_tags ? reference.familiar_name()
        : reference.digest().empty()
            ? reference.familiar()
            : reference.without_tag_and_digest().with_digest(reference.digest()).familiar();
    std::vector<Arrived> arrived;
    std::string unchanged;
    try {
        const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
        // In memory, and behind a descriptor: nobody else sees what is in it.
        const Fd input = make_memory_file("pull", json::dump(std::move(request)));
        PullSession session(store_, *fetches_, staging, lease, progress);
        TransferCommand command;
        command.program = options_.transfer_program;
        command.verb = "pull";
        command.uid = options_.transfer_uid;
        command.staging = staging.path();
        command.input_fd = input.get();
        command.output_fd = session.theirs();
        command.on_message = [&](const json::Value& message) { return session.take(message); };
        const TransferReport report = [&] {
            try {
                return run_transfer(command, nullptr, stop);
            } catch (const Error& error) {
                if (!may_go_on(error)) session.discard_files();
                throw;
            }
        }();
        unchanged = session.unchanged_digest();
        if (report.images.empty() && unchanged.empty())
            throw Error(ErrorKind::not_found, "repository {} has no tags", shown);
        store_.adopt(staging, report.content, lease);
        arrived = check_arrived(report, lease);
        for (const Arrived& image : arrived)
            if (image.digest.empty())
                throw Error(ErrorKind::data_loss, "image {} has no digest", image.config);
        write_pulled(arrived, repository);
    } catch (const Error& error) {
        const bool keeps = may_go_on(error);
        {
            const auto unfinished = unfinished_.lock();
            if (unfinished->size() >= most_unfinished) unfinished->clear();
            if (keeps)
                unfinished->insert_or_assign(key, std::move(lease));
            else
                unfinished->erase(key);
        }
        if (!keeps) {
            lease = store::Lease();
            try {
                collect_garbage();
            } catch (const std::exception& other) {
                log::warning("collecting garbage: {}", other.what());
            }
        }
        throw;
    }
    unfinished_.lock()->erase(key);

    std::vector<Event> events;
    bool is_new = false;
    for (const Arrived& image : arrived) {
        is_new = true;
        if (progress) progress({.id = {}, .status = "Digest: " + image.digest});
        const ImagePointer pulled = find_image(image.config);
        const std::string name = image.references.empty()
                                     ? shown
                                     : oci::Reference::parse(image.references.front()).familiar();
        events.push_back(
            {"pull", name, reference.familiar_name(),
             pulled ? pulled->config.config.labels : std::map<std::string, std::string>()});
    }
    if (arrived.empty()) {
        if (progress) progress({.id = {}, .status = "Digest: " + unchanged});
        events.push_back({"pull", shown, reference.familiar_name(), {}});
    }
    if (progress)
        progress({.id = {},
                  .status = (is_new ? "Status: Downloaded newer image for "
                                    : "Status: Image is up to date for ") +
                            shown});
    emit(events);
}

}  // namespace hull::image
