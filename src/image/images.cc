#include "image/images.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/time.hh"
#include "image/fetches.hh"
#include "image/image_index.hh"
#include "image/state.hh"
#include "image/uploads.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"

#include <algorithm>
#include <set>

namespace hull::image {

namespace {

constexpr db::Migration migrations[] = {
    {1,
     "CREATE TABLE images(id TEXT PRIMARY KEY, manifest TEXT NOT NULL, parent TEXT NOT NULL,"
     " last_tagged_ns INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE image_tags(reference TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES "
     "images(id),"
     " manifest TEXT NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE image_digests(reference TEXT PRIMARY KEY,"
     " image TEXT NOT NULL REFERENCES images(id), manifest TEXT NOT NULL) WITHOUT ROWID;",
     "DROP TABLE image_digests; DROP TABLE image_tags; DROP TABLE images;"},
    {2, "ALTER TABLE image_tags ADD COLUMN built_index TEXT NOT NULL DEFAULT '';",
     "ALTER TABLE image_tags DROP COLUMN built_index;"},
};

std::string_view id_digits(std::string_view id) {
    return id.starts_with("sha256:") || id.starts_with("sha512:") ? id.substr(7) : id;
}

}  // namespace

void throw_no_such_image(std::string_view name) {
    std::string shown(name);
    if (!oci::Digest::find(name)) shown = oci::Reference::parse(name).with_default_tag().familiar();
    throw Error(ErrorKind::not_found, "No such image: {}", shown);
}

std::string short_id(std::string_view id) { return std::string(id_digits(id).substr(0, 12)); }

std::vector<std::string> Images::State::references(std::string_view id) const {
    std::vector<std::string> references;
    for (const auto& [reference, target] : tags)
        if (target.id == id) references.push_back(reference);
    for (const auto& [reference, target] : digests)
        if (target.id == id) references.push_back(reference);
    return references;
}

bool Images::State::has_children(std::string_view id) const {
    return std::any_of(by_id.begin(), by_id.end(),
                       [id](const auto& entry) { return entry.second->parent == id; });
}

ImagePointer Images::State::find(std::string_view name) const {
    const auto by_full_id = [this](std::string_view id) {
        const auto found = by_id.find(id);
        return found == by_id.end() ? nullptr : found->second;
    };
    if (oci::Digest::find(name)) return by_full_id(name);
    if (name.size() == 64 && oci::looks_like_id(name))
        return by_full_id("sha256:" + std::string(name));

    const bool may_be_id = oci::looks_like_id(name);
    try {
        const oci::Reference reference = oci::Reference::parse(name).with_default_tag();
        if (!reference.digest().empty()) {  // then a tag beside it means nothing, as in Docker
            const std::string plain =
                reference.without_tag_and_digest().with_digest(reference.digest()).canonical();
            if (const auto found = digests.find(plain); found != digests.end())
                return by_full_id(found->second.id);
            for (const auto& [tagged, target] : tags)
                if (target.manifest == reference.digest().str() &&
                    oci::Reference::parse(tagged).name() == reference.name())
                    return by_full_id(target.id);
            return nullptr;
        }
        if (const auto found = tags.find(reference.canonical()); found != tags.end())
            return by_full_id(found->second.id);
    } catch (const Error&) {
        if (!may_be_id) throw;
    }
    if (!may_be_id) return nullptr;

    ImagePointer image;
    for (const std::string_view algorithm : {"sha256:", "sha512:"}) {
        const std::string prefix = std::string(algorithm) + std::string(id_digits(name));
        for (auto found = by_id.lower_bound(prefix);
             found != by_id.end() && found->first.starts_with(prefix); ++found) {
            if (image)
                throw Error(ErrorKind::invalid_argument, "image id prefix {} is ambiguous", name);
            image = found->second;
        }
    }
    return image;
}

Images::Images(store::Store& store, db::Database& database, ImagesOptions options)
    : store_(store),
      database_(database),
      options_(std::move(options)),
      registries_(options_.registries),
      state_(std::make_shared<State>()),
      fetches_(
          std::make_unique<Fetches>(join(store.data_root(), "partial"), options_.transfer_uid)),
      uploads_(std::make_unique<Uploads>(join(store.data_root(), "uploads.json"))) {
    database_.migrate("image", migrations);
    reload();
}

Images::~Images() = default;

void Images::set_event_sink(EventSink sink) { event_sink_ = std::move(sink); }
void Images::set_container_uses(ContainerUses uses) { container_uses_ = std::move(uses); }
void Images::set_cache_roots(CacheRoots roots) { cache_roots_ = std::move(roots); }

std::shared_ptr<const Images::State> Images::state() const {
    const std::lock_guard lock(state_mutex_);
    return state_;
}

/// Makes the state anew from the rows; what was parsed before is not parsed again.
void Images::reload() {
    const auto before = state();
    auto next = std::make_shared<State>();
    std::map<std::string, std::vector<std::string>> tags, digests;
    for (auto& [reference, id, manifest, index] :
         database_.query<std::string, std::string, std::string, std::string>(
             "SELECT reference, image, manifest, built_index FROM image_tags")) {
        tags[id].push_back(oci::Reference::parse(reference).familiar());
        next->tags[reference] = {id, manifest, index};
    }
    for (auto& [reference, id, manifest] : database_.query<std::string, std::string, std::string>(
             "SELECT reference, image, manifest FROM image_digests")) {
        digests[id].push_back(oci::Reference::parse(reference).familiar());
        next->digests[reference] = {id, manifest, ""};
    }
    for (auto& [id, manifest, parent, last_tagged_ns] :
         database_.query<std::string, std::string, std::string, std::int64_t>(
             "SELECT id, manifest, parent, last_tagged_ns FROM images")) {
        auto image = std::make_shared<Image>();
        if (const auto known = before->by_id.find(id); known != before->by_id.end()) {
            *image = *known->second;
        } else {
            try {
                image->config = oci::parse_image_config(store_.read_blob(id));
                for (const oci::Digest& diff_id : image->config.diff_ids) {
                    const auto layer = store_.find_layer(diff_id.str());
                    if (!layer)
                        throw Error(ErrorKind::data_loss, "layer {} is missing", diff_id.str());
                    image->diff_ids.push_back(diff_id.str());
                    image->size_bytes += layer->content_bytes;
                }
            } catch (const Error& error) {  // the others must not suffer; loading it again mends it
                log::warning("image {} is damaged: {}", id, error.message());
                std::erase_if(next->tags,
                              [&id = id](const auto& tag) { return tag.second.id == id; });
                std::erase_if(next->digests,
                              [&id = id](const auto& tag) { return tag.second.id == id; });
                continue;
            }
            image->created_ns = parse_rfc3339(image->config.created).value_or(0);
        }
        image->id = id;
        image->manifest_digest = manifest;
        image->parent = parent;
        image->last_tagged_ns = last_tagged_ns;
        image->repo_tags = tags[id];
        image->repo_digests = digests[id];
        std::sort(image->repo_tags.begin(), image->repo_tags.end());
        std::sort(image->repo_digests.begin(), image->repo_digests.end());
        next->newest_first.push_back(image);
        next->by_id[id] = std::move(image);
    }
    std::stable_sort(next->newest_first.begin(), next->newest_first.end(),
                     [](const ImagePointer& left, const ImagePointer& right) {
        return left->created_ns > right->created_ns;
    });
    const std::lock_guard lock(state_mutex_);
    state_ = std::move(next);
}

void Images::emit(const std::vector<Event>& events) const {
    if (!event_sink_) return;
    for (const Event& event : events) {
        auto attributes = event.labels;
        attributes["name"] = event.name;
        event_sink_(event.action, event.id, attributes);
    }
}

std::vector<ContainerUse> Images::container_uses() const {
    return container_uses_ ? container_uses_() : std::vector<ContainerUse>();
}

ImagePointer Images::find_image(std::string_view name) const { return state()->find(name); }

ImagePointer Images::get_image(std::string_view name) const {
    if (ImagePointer image = find_image(name)) return image;
    throw_no_such_image(name);
}

std::vector<ImagePointer> Images::list() const { return state()->newest_first; }

std::vector<HistoryEntry> Images::history(std::string_view name) const {
    const ImagePointer image = get_image(name);
    std::vector<HistoryEntry> entries;
    std::size_t layer = 0;
    for (const oci::HistoryEntry& step : image->config.history) {
        HistoryEntry entry;
        entry.id = "<missing>";
        entry.created_ns = parse_rfc3339(step.created).value_or(0);
        entry.created_by = step.created_by;
        entry.comment = step.comment;
        if (!step.empty_layer && layer < image->diff_ids.size())
            if (const auto found = store_.find_layer(image->diff_ids[layer++]))
                entry.size_bytes = found->content_bytes;
        entries.push_back(std::move(entry));
    }
    std::reverse(entries.begin(), entries.end());
    if (!entries.empty()) {
        entries.front().id = image->id;
        entries.front().tags = image->repo_tags;
    }
    return entries;
}

std::vector<ImageUsage> Images::disk_usage() const {
    const auto current = state();
    std::map<std::string_view, int> users;
    const auto distinct = [](const Image& image) {
        return std::set<std::string_view>(image.diff_ids.begin(), image.diff_ids.end());
    };
    for (const ImagePointer& image : current->newest_first)
        for (const std::string_view diff_id : distinct(*image)) ++users[diff_id];
    std::vector<ImageUsage> usage;
    for (const ImagePointer& image : current->newest_first) {
        ImageUsage& entry = usage.emplace_back(ImageUsage{image->id, image->size_bytes, 0});
        for (const std::string_view diff_id : distinct(*image))
            if (users[diff_id] > 1)
                if (const auto layer = store_.find_layer(diff_id))
                    entry.shared_bytes += layer->content_bytes;
    }
    return usage;
}

store::Lease Images::lease_image(const Image& image) {
    store::Lease lease = store_.make_lease();
    lease.add_blob(image.manifest_digest);
    lease.add_blob(image.id);
    for (const std::string& diff_id : image.diff_ids) lease.add_layer(diff_id);
    // Garbage collection reads leases first and this state second, so an image that is still here
    // keeps its layers either way. One of another platform is here as long as its index.
    if (!state()->by_id.contains(image.id) && !find_index(image.manifest_digest))
        throw Error(ErrorKind::not_found, "No such image: {}", image.id);
    return lease;
}

/// True when the tag named another image before.
bool Images::write_tag(const std::string& reference, const std::string& id,
                       const std::string& manifest, const std::string& built_index) {
    const auto before = database_.query_one<std::string>(
        "SELECT image FROM image_tags WHERE reference=?", reference);
    database_.execute(
        "INSERT OR REPLACE INTO image_tags(reference, image, manifest, built_index) "
        "VALUES(?,?,?,?)",
        reference, id, manifest, built_index);
    database_.execute("UPDATE images SET last_tagged_ns=? WHERE id=?", now_ns(), id);
    return before && std::get<0>(*before) != id;
}

void Images::tag(std::string_view source, std::string_view repository, std::string_view tag) {
    oci::Reference target = oci::Reference::parse(repository);
    if (!target.digest().empty())
        throw Error(ErrorKind::invalid_argument,
                    "refusing to create a tag with a digest reference");
    target = tag.empty() ? target.with_default_tag() : target.with_tag(tag);
    if (target.familiar_name() == "sha256")
        throw Error(ErrorKind::invalid_argument,
                    "refusing to create an ambiguous tag using digest algorithm as name");
    std::vector<Event> events;
    {
        const std::lock_guard changing(change_mutex_);
        const ImagePointer image = get_image(source);
        std::string manifest = image->manifest_digest, index;
        const auto current = state();
        for (const auto* names : {&current->tags, &current->digests})  // the one `source` means
            for (const auto& [reference, named] : *names)
                if (named.id == image->id && !oci::looks_like_id(source) &&
                    reference == oci::Reference::parse(source).with_default_tag().canonical()) {
                    manifest = named.manifest;
                    index = named.built_index;
                }
        db::Transaction transaction = database_.begin();
        write_tag(target.canonical(), image->id, manifest, index);
        transaction.commit();
        database_.sync();
        reload();
        events.push_back({"tag", image->id, target.familiar(), image->config.config.labels});
    }
    emit(events);
}

/// What must stay, as if the images `without` were gone.
store::Roots Images::find_roots(const std::set<std::string>& without) const {
    store::Roots roots = cache_roots_ ? cache_roots_() : store::Roots();
    const auto current = state();
    for (const auto& [id, image] : current->by_id) {
        if (without.contains(id)) continue;
        roots.manifests.insert(image->manifest_digest);
        roots.blobs.insert(id);
        roots.layers.insert(image->diff_ids.begin(), image->diff_ids.end());
    }
    for (const auto& [reference, target] : current->tags) {
        if (without.contains(target.id)) continue;
        roots.manifests.insert(target.manifest);
        if (!target.built_index.empty()) roots.manifests.insert(target.built_index);
    }
    for (const auto& [reference, target] : current->digests) {
        if (without.contains(target.id)) continue;
        roots.manifests.insert(target.manifest);
        // What was pulled by this digest may be an index.
        roots.manifests.insert(reference.substr(reference.find('@') + 1));
    }
    for (const ContainerUse& use : container_uses())
        roots.layers.insert(use.diff_ids.begin(), use.diff_ids.end());
    return roots;
}

std::uint64_t Images::collect_garbage_locked() {
    return store_.garbage_collect([this] { return find_roots({}); }).freed_bytes;
}

/// The names are gone whatever happens here; what could not be removed waits for the next time.
std::uint64_t Images::collect_after_removal() noexcept {
    try {
        return collect_garbage_locked();
    } catch (const std::exception& error) {
        log::warning("collecting garbage: {}", error.what());
        return 0;
    }
}

std::uint64_t Images::collect_garbage() {
    const std::lock_guard changing(change_mutex_);
    return collect_garbage_locked();
}

}  // namespace hull::image
