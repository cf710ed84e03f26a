#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "image/image_index.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "image/transfer_run.hh"
#include "image/uploads.hh"
#include "oci/manifest.hh"
#include "oci/platform.hh"
#include "oci/reference.hh"

#include <algorithm>
#include <set>

namespace hull::image {

namespace {

constexpr std::size_t most_mounts = 3;
constexpr int first_blob_fd = 10;

}  // namespace

/// Other repositories of the registry that should have the blobs, because we pulled or pushed them.
std::map<std::string, std::vector<std::string>> Images::find_mounts(
    const oci::Reference& repository, const std::set<std::string>& blobs) const {
    std::map<std::string, std::vector<std::string>> mounts;
    const auto current = state();
    for (const auto& [digest, target] : current->digests) {
        const oci::Reference other = oci::Reference::parse(digest);
        if (other.domain() != repository.domain() || other.path() == repository.path()) continue;
        if (!store_.find_blob(target.manifest)) continue;
        for (const oci::Descriptor& layer :
             oci::parse_manifest(store_.read_blob(target.manifest)).layers) {
            auto& paths = mounts[layer.digest.str()];
            if (blobs.contains(layer.digest.str()) && paths.size() < most_mounts &&
                std::find(paths.begin(), paths.end(), other.path()) == paths.end())
                paths.push_back(other.path());
        }
    }
    return mounts;
}

/// The images a push names, by tag.
std::vector<std::pair<std::string, Images::PushedImage>> Images::find_pushed(
    const oci::Reference& reference) const {
    std::vector<std::pair<std::string, PushedImage>> images;
    const auto current = state();
    for (const auto& [tagged, target] : current->tags) {
        const oci::Reference candidate = oci::Reference::parse(tagged);
        if (candidate.name() == reference.name() &&
            (reference.tag().empty() || candidate.tag() == reference.tag()))
            images.emplace_back(candidate.tag(), PushedImage{.id = target.id,
                                                             .manifest = target.manifest,
                                                             .index = target.built_index,
                                                             .members = {},
                                                             .blobs = {},
                                                             .note = {}});
    }
    if (images.empty())
        throw Error(ErrorKind::not_found, "An image does not exist locally with the tag: {}",
                    reference.familiar_name());
    return images;
}

/// An index goes as a whole when all of it is here, else the one manifest that the tag means, or
/// that was asked for. Source: docker/cli, "Push a platform-specific manifest".
void Images::choose_platforms(PushedImage& image, const oci::Reference& reference,
                              const std::string& platform) const {
    const std::string built = std::exchange(image.index, "");
    const auto index = built.empty() ? find_index(image.manifest) : read_index(built);
    const auto add_manifest = [&] {
        const auto manifest = oci::parse_manifest(store_.read_blob(image.manifest));
        image.blobs = {image.manifest, manifest.config.digest.str()};
        for (const oci::Descriptor& layer : manifest.layers)
            image.blobs.push_back(layer.digest.str());
    };
    if (!platform.empty()) {
        const oci::Platform wanted = oci::parse_platform(platform);
        oci::Index here;
        if (index)
            for (const IndexEntry& entry : index->entries)
                if (entry.is_available && entry.descriptor.platform)
                    here.manifests.push_back(entry.descriptor);
        const ImagePointer named = find_image(image.id);
        if (const oci::Descriptor* chosen = oci::find_platform(here, wanted)) {
            image.manifest = chosen->digest.str();
            image.id = oci::parse_manifest(store_.read_blob(image.manifest)).config.digest.str();
        } else if (!named || oci::match(wanted, named->config.platform) == 0) {
            throw Error(ErrorKind::not_found,
                        "image with reference {} was found but does not provide the specified "
                        "platform ({})",
                        reference.familiar(), platform);
        }
        return add_manifest();
    }
    if (!index || (built.empty() && index->entries.size() < 2) || !index->is_complete()) {
        add_manifest();
        if (!index || index->entries.size() < 2) return;
        const auto describe =
            [](std::string_view type, const std::string& digest, std::uint64_t size) {
            return json::Object{{"mediaType", type}, {"digest", digest}, {"size", size}};
        };
        for (const IndexEntry& entry : index->entries)
            if (entry.descriptor.digest.str() == image.manifest)
                image.note = json::Object{
                    {"manifestPushedInsteadOfIndex", true},
                    {"originalIndex", describe(index->media_type, index->digest, index->size)},
                    {"selectedManifest", oci::to_json(entry.descriptor)}};
        return;
    }
    image.index = index->digest;
    image.blobs.push_back(index->digest);
    for (const IndexEntry& entry : index->entries) {
        image.members.push_back(entry.descriptor.digest.str());
        image.blobs.push_back(entry.descriptor.digest.str());
        image.blobs.insert(image.blobs.end(), entry.blobs.begin(), entry.blobs.end());
    }
}

/// A manifest that names compressed layers takes the place of the one that did not.
void Images::replace_manifest(const std::string& id, const std::string& before,
                              const std::string& after) {
    database_.execute("UPDATE images SET manifest=? WHERE id=? AND manifest=?", after, id, before);
    database_.execute(
        "UPDATE image_tags SET manifest=? WHERE image=? AND manifest=? AND built_index=''", after,
        id, before);
}

/// False when that is known.
bool Images::write_digest(const std::string& reference, const std::string& id,
                          const std::string& manifest) {
    const auto current = state();
    const auto known = current->digests.find(reference);
    if (known != current->digests.end() && known->second.id == id &&
        known->second.manifest == manifest)
        return false;
    database_.execute(
        "INSERT OR REPLACE INTO image_digests(reference, image, manifest) VALUES(?,?,?)", reference,
        id, manifest);
    return true;
}

void Images::push(const PushOptions& options, const ProgressSink& progress, StopEvent* stop) {
    const oci::Reference reference = oci::Reference::parse(options.reference);
    if (!reference.digest().empty())
        throw Error(ErrorKind::invalid_argument, "cannot push a digest reference");
    const auto tell = [&](TransferProgress line) {
        if (progress) progress(line);
    };
    tell({.id = {}, .status = "The push refers to repository [" + reference.name() + "]"});
    auto wanted = find_pushed(reference);

    store::Lease lease = store_.make_lease();
    std::set<std::string> digests;
    json::Array images;
    std::vector<store::Lease> leases;
    for (auto& [tag, image] : wanted) {
        leases.push_back(lease_image(*get_image(image.id)));
        choose_platforms(image, reference, options.platform);
        digests.insert(image.blobs.begin(), image.blobs.end());
        images.push_back(json::Object{{"tag", tag},
                                      {"manifest", image.manifest},
                                      {"index", image.index},
                                      {"members", image.members}});
    }
    const auto mounts = find_mounts(reference, digests);
    json::Array blobs;
    std::vector<Fd> files;
    for (const std::string& digest : digests) {
        lease.add_blob(digest);
        const auto blob = store_.find_blob(digest);
        if (!blob) continue;  // a foreign layer, or hull-transfer will say that it is missing
        const auto mount = mounts.find(digest);
        blobs.push_back(json::Object{
            {"digest", digest},
            {"fd", first_blob_fd + static_cast<std::int64_t>(files.size())},
            {"size", blob->size},
            {"mounts", mount == mounts.end() ? std::vector<std::string>() : mount->second},
            {"location", uploads_->find(reference.name(), digest)},
        });
        files.push_back(store_.open_blob(digest));
    }
    json::Object request = registry_request(options.access, registries().uploads);
    request["repository"] = reference.name();
    request["images"] = std::move(images);
    request["blobs"] = std::move(blobs);

    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    const Fd input = make_memory_file("push", json::dump(std::move(request)));
    struct Pushed {
        std::string tag, digest;
        std::uint64_t size = 0;
    };
    std::vector<Pushed> pushed;
    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = "push";
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    command.input_fd = input.get();
    for (const Fd& file : files) command.extra_fds.push_back(file.get());
    command.on_message = [&](const json::Value& message) {
        if (message["begun"].is_object()) {
            const json::Value& begun = message["begun"];
            uploads_->set(reference.name(), oci::Digest::parse(begun["blob"].as_string()).str(),
                          begun["location"].as_string());
            return true;
        }
        if (message["pushed"].is_object()) {
            const json::Value& image = message["pushed"];
            pushed.push_back({image["tag"].as_string(),
                              oci::Digest::parse(image["digest"].as_string()).str(),
                              image["size"].as_uint()});
            return true;
        }
        if (!message["state"].is_object()) return false;
        tell(parse_progress(message["state"]));
        return true;
    };
    const TransferReport report = run_transfer(command, nullptr, stop);
    std::vector<Event> events;
    bool is_new = false;
    {
        if (!report.images.empty()) {
            store_.adopt(staging, report.content, lease);
            check_arrived(report, lease);
        }
        const std::lock_guard changing(change_mutex_);
        db::Transaction transaction = database_.begin();
        for (const Pushed& done : pushed) {
            const auto image =
                std::find_if(wanted.begin(), wanted.end(),
                             [&](const auto& candidate) { return candidate.first == done.tag; });
            if (image == wanted.end())
                throw Error(ErrorKind::data_loss, "hull-transfer pushed tag {}", done.tag);
            const bool is_index = done.digest == image->second.index;
            if (!is_index && done.digest != image->second.manifest) {
                if (!store_.find_blob(done.digest))
                    throw Error(ErrorKind::data_loss, "hull-transfer did not bring {}",
                                done.digest);
                replace_manifest(image->second.id, image->second.manifest, done.digest);
                is_new = true;
            }
            const ImagePointer named = find_image(image->second.id);
            // A platform beside the one that has the name is no image of its own.
            if (named)
                is_new |= write_digest(reference.name() + "@" + done.digest, image->second.id,
                                       is_index ? image->second.manifest : done.digest);
            events.push_back(
                {"push", reference.with_tag(done.tag).familiar(), reference.familiar_name(),
                 named ? named->config.config.labels : std::map<std::string, std::string>()});
        }
        transaction.commit();
        if (is_new) {
            database_.sync();
            reload();
        }
    }
    for (const auto& [tag, image] : wanted)
        if (!image.note.is_null()) {
            TransferProgress note;
            note.aux = image.note;
            tell(note);
        }
    for (const Pushed& done : pushed) {
        tell({.id = {},
              .status = fmt::format("{}: digest: {} size: {}", done.tag, done.digest, done.size)});
        TransferProgress aux;
        aux.aux = json::Object{{"Tag", done.tag}, {"Digest", done.digest}, {"Size", done.size}};
        tell(aux);
    }
    emit(events);
}

}  // namespace hull::image
