#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "image/image_index.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "image/transfer_run.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"
#include "store/space.hh"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>

namespace hull::image {

/// Less than this is never enough for an image.
constexpr std::uint64_t least_archive_bytes = 64 << 10;

/// Runs a transfer and takes what it brought into the store, where `lease` keeps it until its rows
/// are written.
std::vector<Images::Arrived> Images::receive(std::vector<std::string> arguments, int input_fd,
                                             const std::function<void(std::string_view)>& progress,
                                             StopEvent* stop, store::Lease& lease,
                                             const std::string& request) {
    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    std::string known;
    for (const std::string& diff_id : store_.known_layers(lease)) known += diff_id + "\n";
    const Path known_file = join(staging.path(), "known");
    try {
        write_file(known_file, known, 0644);
        if (!request.empty()) write_file(join(staging.path(), "request.json"), request, 0644);
    } catch (const Error& error) {
        throw Error(error.kind(), "{}{}", error.message(),
                    store::describe_shortage(staging.path(),
                                             known.size() + request.size() + least_archive_bytes));
    }

    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = arguments.front();
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    command.arguments = {"--known", known_file};
    command.arguments.insert(command.arguments.end(), arguments.begin() + 1, arguments.end());
    command.input_fd = input_fd;
    const TransferReport report = run_transfer(command, progress, stop);
    if (report.images.empty())
        throw Error(ErrorKind::invalid_argument, "the archive holds no image");
    for (const std::string& diff_id : report.present_layers)
        if (!store_.find_layer(diff_id))
            throw Error(ErrorKind::data_loss, "hull-transfer did not bring layer {}", diff_id);
    store_.adopt(staging, report.content, lease);

    return check_arrived(report, lease);
}

// The digests were checked; whether the documents fit together is checked here.
std::vector<Images::Arrived> Images::check_arrived(const TransferReport& report,
                                                   store::Lease& lease) {
    std::vector<Arrived> arrived;
    for (const auto& image : report.images) {
        with_context(
            [&] {
            lease.add_blob(image.config);
            lease.add_blob(image.manifest);
            const auto manifest = oci::parse_manifest(store_.read_blob(image.manifest));
            if (manifest.config.digest.str() != image.config)
                throw Error(ErrorKind::data_loss, "manifest {} names another config",
                            image.manifest);
            for (const oci::Descriptor& layer : manifest.layers) {
                lease.add_blob(layer.digest.str());
                if (!store_.find_blob(layer.digest.str()))
                    throw Error(ErrorKind::data_loss, "blob {} of a layer is missing",
                                layer.digest.str());
            }
            const auto config = oci::parse_image_config(store_.read_blob(image.config));
            if (config.diff_ids.size() != manifest.layers.size())
                throw Error(ErrorKind::data_loss, "config has {} layers, manifest has {}",
                            config.diff_ids.size(), manifest.layers.size());
            for (const oci::Digest& diff_id : config.diff_ids)
                if (!store_.find_layer(diff_id.str()))
                    throw Error(ErrorKind::data_loss, "layer {} is missing", diff_id.str());
            },
            "image {}", image.config);
        arrived.push_back({image.config, image.manifest, image.references, image.digest});
    }
    return arrived;
}

/// A failure after content came into the store must not leave it there.
template <typename Body>
auto Images::undo_on_failure(Body&& body) {
    try {
        return body();
    } catch (...) {
        try {
            collect_garbage();
        } catch (const std::exception& error) {
            log::warning("collecting garbage: {}", error.what());
        }
        throw;
    }
}

void Images::write_image(const Arrived& arrived) {
    database_.execute(
        "INSERT OR IGNORE INTO images(id, manifest, parent, last_tagged_ns) VALUES(?,?,'',0)",
        arrived.config, arrived.manifest);
    // The manifest of an image whose first one was lost is the new one.
    const auto row =
        database_.query_one<std::string>("SELECT manifest FROM images WHERE id=?", arrived.config);
    if (!store_.find_blob(std::get<0>(*row)))
        database_.execute("UPDATE images SET manifest=? WHERE id=?", arrived.manifest,
                          arrived.config);
}

std::vector<std::string> Images::load(int input_fd,
                                      const std::function<void(std::string_view line)>& progress,
                                      StopEvent* stop) {
    std::vector<std::string> lines;
    std::vector<Event> events;
    undo_on_failure([&] {
        store::Lease lease = store_.make_lease();
        const auto arrived = receive({"load"}, input_fd, progress, stop, lease);
        const std::lock_guard changing(change_mutex_);
        const auto before = state();
        db::Transaction transaction = database_.begin();
        for (const Arrived& image : arrived) {
            write_image(image);
            for (const std::string& reference : image.references) {
                const std::string shown = oci::Reference::parse(reference).familiar();
                if (write_tag(reference, image.config, image.manifest)) {
                    const auto previous = before->tags.find(reference);
                    lines.push_back(fmt::format(
                        "The image {} already exists, renaming the old one with ID {} to empty "
                        "string",
                        shown, previous == before->tags.end() ? "" : previous->second.id));
                }
                lines.push_back("Loaded image: " + shown);
            }
            if (image.references.empty()) lines.push_back("Loaded image ID: " + image.config);
        }
        transaction.commit();
        database_.sync();
        reload();
        for (const Arrived& image : arrived)
            if (const ImagePointer loaded = find_image(image.config))
                events.push_back({"load", loaded->id, loaded->id, loaded->config.config.labels});
    });
    emit(events);
    return lines;
}

std::string Images::import_image(int input_fd, const ImportOptions& options, StopEvent* stop,
                                 const std::function<void()>& check) {
    std::string reference;
    if (!options.reference.empty()) {
        const auto parsed = oci::Reference::parse(options.reference);
        if (!parsed.digest().empty())
            throw Error(ErrorKind::invalid_argument, "cannot import digest reference");
        reference = parsed.with_default_tag().canonical();
    }
    json::Object request{
        {"changes", options.changes.is_null() ? json::Value(json::Object()) : options.changes},
        {"message", options.message},
        {"platform", options.platform},
        {"reference", reference},
    };
    std::vector<Event> events;
    const std::string id = undo_on_failure([&] {
        store::Lease lease = store_.make_lease();
        auto arrived = receive({"import", "--import-options", json::dump(std::move(request))},
                               input_fd, nullptr, stop, lease);
        if (arrived.size() != 1)
            throw Error(ErrorKind::data_loss, "hull-transfer made {} images", arrived.size());
        if (check) check();
        const Arrived& image = arrived.front();
        const std::lock_guard changing(change_mutex_);
        db::Transaction transaction = database_.begin();
        write_image(image);
        if (!reference.empty()) write_tag(reference, image.config, image.manifest);
        transaction.commit();
        database_.sync();
        reload();
        const auto labels = get_image(image.config)->config.config.labels;
        if (!reference.empty())
            events.push_back(
                {"tag", image.config, oci::Reference::parse(reference).familiar(), labels});
        events.push_back({"import", image.config, image.config, labels});
        return image.config;
    });
    emit(events);
    return id;
}

std::string Images::commit(int layer_fd, const CommitOptions& options, StopEvent* stop) {
    std::string reference;
    if (!options.reference.empty()) {
        const auto parsed = oci::Reference::parse(options.reference);
        if (!parsed.digest().empty())
            throw Error(ErrorKind::invalid_argument, "cannot commit to a digest: {}",
                        options.reference);
        reference = parsed.with_default_tag().canonical();
    }
    const ImagePointer base = get_image(options.base);
    json::Array layers;
    for (const oci::Descriptor& layer :
         oci::parse_manifest(store_.read_blob(base->manifest_digest)).layers)
        layers.push_back(oci::to_json(layer));
    const json::Value request{json::Object{
        {"config", json::parse(store_.read_blob(base->id))},
        {"layers", std::move(layers)},
        {"block", options.config},
        {"author", options.author},
        {"comment", options.comment},
        {"createdBy", options.created_by},
        {"reference", reference},
    }};
    std::vector<Event> events;
    const std::string id = undo_on_failure([&] {
        const store::Lease base_lease = lease_image(*base);
        store::Lease lease = store_.make_lease();
        const auto arrived =
            receive({"commit"}, layer_fd, nullptr, stop, lease, json::dump(request));
        if (arrived.size() != 1)
            throw Error(ErrorKind::data_loss, "hull-transfer made {} images", arrived.size());
        const Arrived& image = arrived.front();
        const std::lock_guard changing(change_mutex_);
        db::Transaction transaction = database_.begin();
        write_image(image);
        database_.execute("UPDATE images SET parent=? WHERE id=?", base->id, image.config);
        if (!reference.empty()) write_tag(reference, image.config, image.manifest);
        transaction.commit();
        database_.sync();
        reload();
        if (!reference.empty())
            events.push_back({"tag", image.config, oci::Reference::parse(reference).familiar(),
                              get_image(image.config)->config.config.labels});
        return image.config;
    });
    emit(events);
    return id;
}

void Images::unpack(int input_fd, int output_fd, StopEvent* stop) {
    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = "unpack";
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    command.input_fd = input_fd;
    command.output_fd = output_fd;
    run_transfer(command, nullptr, stop);
}

void Images::save(std::span<const std::string> names, int output_fd, StopEvent* stop) {
    struct Wanted {
        std::string config, manifest;
        std::vector<std::string> references;
        std::string index;  ///< that it was built with: goes whole
    };
    // Keyed by both: one config may have come with several manifests.
    std::map<std::pair<std::string, std::string>, Wanted> wanted;
    std::vector<std::pair<std::string, std::string>> order;
    std::vector<Event> events;
    std::vector<store::Lease> leases;
    const auto current = state();
    const auto want =
        [&](const std::string& id, const std::string& manifest, const std::string& reference) {
        const auto [entry, added] =
            wanted.try_emplace({id, manifest}, Wanted{id, manifest, {}, {}});
        if (added) {
            order.push_back(entry->first);
            leases.push_back(lease_image(*current->by_id.at(id)));
            events.push_back({"save", id, id, current->by_id.at(id)->config.config.labels});
        }
        auto& references = entry->second.references;
        if (!reference.empty() &&
            std::find(references.begin(), references.end(), reference) == references.end())
            references.push_back(reference);
    };
    for (const std::string& name : names) {
        const ImagePointer image = current->find(name);
        // A bare repository means all of its tags, also when there is no `latest`.
        bool bare = false;
        std::string repository, reference;
        try {
            const auto parsed = oci::Reference::parse(name);
            bare = parsed.tag().empty() && parsed.digest().empty();
            repository = parsed.name();
            reference = parsed.with_default_tag().canonical();
        } catch (const Error&) {
            if (!image) throw;  // else it is an id
        }
        bool found = false;
        for (const auto& [tag, target] : current->tags)
            if (tag == reference || (bare && oci::Reference::parse(tag).name() == repository)) {
                want(target.id, target.manifest, tag);
                wanted.at({target.id, target.manifest}).index = target.built_index;
                found = true;
            }
        if (found) continue;
        if (!image) throw Error(ErrorKind::not_found, "No such image: {}", name);
        want(image->id, image->manifest_digest, "");
    }

    json::Array images, blobs;
    std::vector<Fd> files;
    std::set<std::string> seen;
    store::Lease lease = store_.make_lease();
    const auto add_blob = [&](const std::string& digest) {
        if (!seen.insert(digest).second) return;
        lease.add_blob(digest);
        const auto blob = store_.find_blob(digest);
        if (!blob) throw Error(ErrorKind::data_loss, "blob {} is missing from the store", digest);
        blobs.push_back(json::Object{
            {"digest", digest},
            {"fd", static_cast<std::int64_t>(10 + files.size())},
            {"size", blob->size},
            {"mediaType", blob->media_type},
        });
        files.push_back(store_.open_blob(digest));  // an open file outlives its name
    };
    for (const auto& key : order) {
        const Wanted& image = wanted.at(key);
        add_blob(image.manifest);
        add_blob(image.config);
        for (const oci::Descriptor& layer :
             oci::parse_manifest(store_.read_blob(image.manifest)).layers)
            add_blob(layer.digest.str());
        const auto index = image.index.empty() ? std::nullopt : read_index(image.index);
        if (index) {
            add_blob(index->digest);
            for (const IndexEntry& entry : index->entries) {
                add_blob(entry.descriptor.digest.str());
                for (const std::string& digest : entry.blobs) add_blob(digest);
            }
        }
        images.push_back(json::Object{
            {"config", image.config},
            {"manifest", image.manifest},
            {"index", index ? index->digest : ""},
            {"tags", image.references},
        });
    }

    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    write_file(join(staging.path(), "request.json"),
               json::dump(json::Object{{"images", images}, {"blobs", blobs}}), 0644);
    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = "save";
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    command.output_fd = output_fd;
    for (const Fd& file : files) command.extra_fds.push_back(file.get());
    run_transfer(command, nullptr, stop);
    emit(events);
}

}  // namespace hull::image
