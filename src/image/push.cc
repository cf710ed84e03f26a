#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
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
            images.emplace_back(candidate.tag(), PushedImage{target.id, target.manifest});
    }
    if (images.empty())
        throw Error(ErrorKind::not_found, "An image does not exist locally with the tag: {}",
                    reference.familiar_name());
    return images;
}

/// A manifest that names compressed layers takes the place of the one that did not.
void Images::replace_manifest(const std::string& id, const std::string& before,
                              const std::string& after) {
    database_.execute("UPDATE images SET manifest=? WHERE id=? AND manifest=?", after, id, before);
    database_.execute("UPDATE image_tags SET manifest=? WHERE image=? AND manifest=?", after, id,
                      before);
}

void Images::push(const PushOptions& options, const ProgressSink& progress, StopEvent* stop) {
    const oci::Reference reference = oci::Reference::parse(options.reference);
    if (!reference.digest().empty())
        throw Error(ErrorKind::invalid_argument, "cannot push a digest reference");
    const auto tell = [&](TransferProgress line) {
        if (progress) progress(line);
    };
    tell({.id = {}, .status = "The push refers to repository [" + reference.name() + "]"});
    const auto wanted = find_pushed(reference);

    store::Lease lease = store_.make_lease();
    std::set<std::string> digests;
    json::Array images;
    std::vector<store::Lease> leases;
    for (const auto& [tag, image] : wanted) {
        const ImagePointer named = get_image(image.id);
        if (!options.platform.empty() &&
            oci::match(oci::parse_platform(options.platform), named->config.platform) == 0)
            throw Error(ErrorKind::not_found,
                        "image with reference {} was found but does not provide the specified "
                        "platform ({})",
                        reference.familiar(), options.platform);
        leases.push_back(lease_image(*named));
        lease.add_blob(image.manifest);
        const auto manifest = oci::parse_manifest(store_.read_blob(image.manifest));
        digests.insert({image.manifest, manifest.config.digest.str()});
        for (const oci::Descriptor& layer : manifest.layers) digests.insert(layer.digest.str());
        images.push_back(json::Object{{"tag", tag}, {"manifest", image.manifest}});
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
    json::Object request = registry_request(options.access, options_.registries.uploads);
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
            if (done.digest != image->second.manifest) {
                if (!store_.find_blob(done.digest))
                    throw Error(ErrorKind::data_loss, "hull-transfer did not bring {}",
                                done.digest);
                replace_manifest(image->second.id, image->second.manifest, done.digest);
            }
            database_.execute(
                "INSERT OR REPLACE INTO image_digests(reference, image, manifest) VALUES(?,?,?)",
                reference.name() + "@" + done.digest, image->second.id, done.digest);
            const ImagePointer named = find_image(image->second.id);
            events.push_back(
                {"push", reference.with_tag(done.tag).familiar(), reference.familiar_name(),
                 named ? named->config.config.labels : std::map<std::string, std::string>()});
        }
        transaction.commit();
        database_.sync();
        reload();
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
