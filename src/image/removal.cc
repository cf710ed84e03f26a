#include "base/error.hh"
#include "image/fetches.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "oci/reference.hh"

#include <algorithm>
#include <set>

// The rules, their order and their texts are Docker's (ImageDelete and ImagesPrune of the engine):
// scripts depend on which removal untags, which deletes and which is refused.
namespace hull::image {

namespace {

bool is_digest_reference(const std::string& reference) {
    return !oci::Reference::parse(reference).digest().empty();
}

/// Whether all references are in one repository and at most one of them is a tag.
bool is_single(const std::vector<std::string>& references) {
    if (references.size() <= 1) return references.size() == 1;
    std::set<std::string> digest_names;
    std::string tag_name;
    for (const std::string& text : references) {
        const oci::Reference reference = oci::Reference::parse(text);
        if (!reference.digest().empty())
            digest_names.insert(reference.name());
        else if (tag_name.empty())
            tag_name = reference.name();
        else
            return false;
    }
    if (digest_names.size() != 1) return false;
    return tag_name.empty() || digest_names.contains(tag_name);
}

bool is_id_prefix_of(std::string_view id, std::string_view name) {
    return id.starts_with(name) || id.substr(7).starts_with(name);
}

const ContainerUse* find_user(const std::vector<ContainerUse>& uses, std::string_view image_id,
                              std::optional<bool> running) {
    for (const ContainerUse& use : uses)
        if (use.image_id == image_id && (!running || use.running == *running)) return &use;
    return nullptr;
}

struct Conflict {
    bool hard = false, used = false;
    std::string text;

    [[noreturn]] void raise(std::string_view id) const {
        throw Error(ErrorKind::conflict, "conflict: unable to delete {} ({}) - {}", short_id(id),
                    hard ? "cannot be forced" : "must be forced", text);
    }
};

/// Which conflicts count: hard ones always do.
struct Softness {
    bool active_reference = false, stopped_container = false;
};

std::vector<std::string> chain_of(const std::vector<std::string>& diff_ids) {
    std::vector<oci::Digest> digests;
    for (const std::string& diff_id : diff_ids) digests.push_back(oci::Digest::parse(diff_id));
    std::vector<std::string> chain;
    for (const oci::Digest& digest : oci::chain_ids(digests)) chain.push_back(digest.str());
    return chain;
}

std::optional<Conflict> find_conflict(bool has_children, bool has_references, std::string_view id,
                                      const std::vector<ContainerUse>& uses, Softness soft) {
    if (has_children) return Conflict{true, false, "image has dependent child images"};
    if (const ContainerUse* user = find_user(uses, id, true))
        return Conflict{true, true,
                        "image is being used by running container " + short_id(user->id)};
    if (soft.active_reference && has_references)
        return Conflict{false, false, "image is referenced in multiple repositories"};
    if (soft.stopped_container)
        if (const ContainerUse* user = find_user(uses, id, false))
            return Conflict{false, true,
                            "image is being used by stopped container " + short_id(user->id)};
    return std::nullopt;
}

bool matches(const std::map<std::string, std::string>& labels, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    const auto label = labels.find(wanted.substr(0, equals));
    return label != labels.end() &&
           (equals == std::string::npos || label->second == wanted.substr(equals + 1));
}

bool is_selected(const Image& image, const PruneOptions& options) {
    if (options.until_ns && image.created_ns > *options.until_ns) return false;
    bool excludes = false, excluded = true;
    for (const PruneOptions::LabelFilter& filter : options.labels) {
        const bool fits = matches(image.config.config.labels, filter.text);
        if (filter.negated) {
            excludes = true;
            excluded = excluded && fits;
        } else if (!fits) {
            return false;
        }
    }
    return !(excludes && excluded);
}

}  // namespace

/// Returns what Docker shows for it.
std::string Images::untag(const std::string& reference) {
    database_.execute("DELETE FROM image_tags WHERE reference=?", reference);
    database_.execute("DELETE FROM image_digests WHERE reference=?", reference);
    return oci::Reference::parse(reference).familiar();
}

void Images::remove_locked(std::string_view name, RemoveOptions options,
                           std::vector<Removed>& removed, std::vector<Event>& events) {
    const ImagePointer image = get_image(name);
    const std::string& id = image->id;
    const auto uses = container_uses();
    const auto references = state()->references(id);
    const auto remove_reference = [&](const std::string& reference) {
        removed.push_back({.untagged = untag(reference), .deleted = {}});
    };
    const auto untagged = [&] { events.push_back({"untag", id, id, image->config.config.labels}); };

    if (is_id_prefix_of(id, name)) {
        if (is_single(references)) {
            const auto conflict =
                find_conflict(state()->has_children(id), true, id, uses, {false, !options.force});
            if (conflict) conflict->raise(id);
            for (const std::string& reference : references) {
                remove_reference(reference);
                untagged();
            }
            reload();
        }
        delete_image(id, options, false, removed, events);
        return;
    }

    if (!options.force && is_single(references))
        if (const ContainerUse* user = find_user(uses, id, std::nullopt))
            throw Error(ErrorKind::conflict,
                        "conflict: unable to remove repository reference \"{}\" (must force) - "
                        "container {} is using its referenced image {}",
                        name, short_id(user->id), short_id(id));
    const oci::Reference typed = oci::Reference::parse(name).with_default_tag();
    const bool by_digest = !typed.digest().empty();
    std::set<std::string> named;  // one, or the tags that name@digest means
    const std::string exact =
        by_digest ? typed.without_tag_and_digest().with_digest(typed.digest()).canonical()
                  : typed.canonical();
    for (const std::string& reference : references)
        if (reference == exact) named.insert(reference);
    if (const auto current = state(); named.empty())
        for (const auto& [reference, target] : current->tags)
            if (target.id == id && target.manifest == typed.digest().str() &&
                oci::Reference::parse(reference).name() == typed.name())
                named.insert(reference);
    std::vector<std::string> left;
    bool repository_keeps_a_tag = false;
    for (const std::string& reference : references) {
        if (named.contains(reference)) {
            remove_reference(reference);
            untagged();
            continue;
        }
        left.push_back(reference);
        if (!is_digest_reference(reference) &&
            oci::Reference::parse(reference).name() == typed.name())
            repository_keeps_a_tag = true;
    }
    if (!by_digest && !repository_keeps_a_tag)
        std::erase_if(left, [&](const std::string& reference) {
            if (oci::Reference::parse(reference).name() != typed.name()) return false;
            remove_reference(reference);
            return true;
        });
    reload();
    if (left.empty()) delete_image(id, options, true, removed, events);
}

/// `quiet`: a reference went already, so a conflict that keeps the image is no failure.
void Images::delete_image(const std::string& id, RemoveOptions options, bool quiet,
                          std::vector<Removed>& removed, std::vector<Event>& events) {
    const auto current = state();
    const auto found = current->by_id.find(id);
    if (found == current->by_id.end()) return;
    const ImagePointer image = found->second;
    const auto references = current->references(id);
    const auto uses = container_uses();
    if (const auto conflict = find_conflict(current->has_children(id), !references.empty(), id,
                                            uses, {!options.force, !options.force})) {
        const bool dangling = references.empty() && !current->has_children(id);
        if (quiet && (!dangling || conflict->used)) return;
        conflict->raise(id);
    }
    for (const std::string& reference : references) {
        removed.push_back({.untagged = untag(reference), .deleted = {}});
        events.push_back({"untag", id, id, image->config.config.labels});
    }
    database_.execute("DELETE FROM images WHERE id=?", id);
    reload();
    removed.push_back({.untagged = {}, .deleted = id});
    events.push_back({"delete", id, id, image->config.config.labels});

    std::set<std::string> kept;
    const auto rest = state();
    for (const auto& [other, entry] : rest->by_id)
        for (std::string& chain : chain_of(entry->diff_ids)) kept.insert(std::move(chain));
    for (const ContainerUse& use : uses)
        for (std::string& chain : chain_of(use.diff_ids)) kept.insert(std::move(chain));
    auto chains = chain_of(image->diff_ids);
    for (auto chain = chains.rbegin(); chain != chains.rend() && !kept.contains(*chain); ++chain)
        removed.push_back({.untagged = {}, .deleted = *chain});
    if (options.prune_parents && !image->parent.empty())
        delete_image(image->parent, {false, true}, true, removed, events);
}

/// Rows of a removal are written together; the state in memory follows, or goes back with them.
std::vector<Removed> Images::remove(std::string_view name, RemoveOptions options) {
    std::vector<Removed> removed;
    std::vector<Event> events;
    {
        const std::lock_guard changing(change_mutex_);
        const auto before = state();
        try {
            db::Transaction transaction = database_.begin();
            remove_locked(name, options, removed, events);
            transaction.commit();
        } catch (...) {
            const std::lock_guard lock(state_mutex_);
            state_ = before;
            throw;
        }
        database_.sync();
        collect_after_removal();
    }
    emit(events);
    return removed;
}

/// What `prune` would remove, by its rules, without touching anything.
PruneReport Images::plan_prune(const PruneOptions& options) {
    const std::lock_guard changing(change_mutex_);
    const auto current = state();
    const auto uses = container_uses();
    std::set<std::string> gone;
    const auto has_children = [&](const std::string& id) {
        return std::any_of(current->by_id.begin(), current->by_id.end(), [&](const auto& entry) {
            return entry.second->parent == id && !gone.contains(entry.first);
        });
    };
    PruneReport report;
    const auto take = [&](const ImagePointer& image) {
        for (const std::string& reference : current->references(image->id))
            report.removed.push_back(
                {.untagged = oci::Reference::parse(reference).familiar(), .deleted = {}});
        gone.insert(image->id);
        report.removed.push_back({.untagged = {}, .deleted = image->id});
        std::set<std::string> kept;
        for (const auto& [id, other] : current->by_id)
            if (!gone.contains(id))
                for (std::string& chain : chain_of(other->diff_ids)) kept.insert(std::move(chain));
        for (const ContainerUse& use : uses)
            for (std::string& chain : chain_of(use.diff_ids)) kept.insert(std::move(chain));
        const auto chains = chain_of(image->diff_ids);
        for (auto chain = chains.rbegin(); chain != chains.rend() && !kept.contains(*chain);
             ++chain)
            report.removed.push_back({.untagged = {}, .deleted = *chain});
    };
    for (ImagePointer image : current->newest_first) {
        const bool is_kept_by_name = options.dangling_only && !image->repo_tags.empty();
        if (gone.contains(image->id) || is_kept_by_name || !is_selected(*image, options) ||
            has_children(image->id) || find_user(uses, image->id, std::nullopt))
            continue;
        take(image);
        // Parents that are left without a child and a name go with it.
        while (!image->parent.empty()) {
            const auto parent = current->by_id.find(image->parent);
            if (parent == current->by_id.end() || has_children(parent->first) ||
                !current->references(parent->first).empty() ||
                find_user(uses, parent->first, std::nullopt))
                break;
            image = parent->second;
            take(image);
        }
    }
    report.freed_bytes = store_.garbage_collect([&] { return find_roots(gone); }, true).freed_bytes;
    return report;
}

PruneReport Images::prune(const PruneOptions& options) {
    if (options.dry_run) return plan_prune(options);
    // What broken pulls left waits for their next attempt no more.
    unfinished_.lock()->clear();
    fetches_->remove_partial_files();
    PruneReport report;
    std::vector<Event> events;
    {
        const std::lock_guard changing(change_mutex_);
        const auto uses = container_uses();
        const auto before_all = state();  // each removal puts another in its place
        for (const ImagePointer& image : before_all->newest_first) {
            const auto current = state();
            const auto references = current->references(image->id);
            const bool has_tag = !image->repo_tags.empty();
            if ((options.dangling_only && has_tag) || !is_selected(*image, options) ||
                current->has_children(image->id) || find_user(uses, image->id, std::nullopt))
                continue;
            const auto before = current;
            std::vector<Removed> removed;
            std::vector<Event> happened;
            try {
                db::Transaction transaction = database_.begin();
                for (const std::string& reference : references) {
                    removed.push_back({.untagged = untag(reference), .deleted = {}});
                    happened.push_back(
                        {"untag", image->id, image->id, image->config.config.labels});
                }
                reload();
                delete_image(image->id, {false, true}, true, removed, happened);
                transaction.commit();
            } catch (const Error& error) {
                const std::lock_guard lock(state_mutex_);
                state_ = before;
                if (error.kind() != ErrorKind::conflict) throw;
                continue;  // this one stays; the others are no worse for it
            }
            report.removed.insert(report.removed.end(), removed.begin(), removed.end());
            events.insert(events.end(), happened.begin(), happened.end());
        }
        database_.sync();
        report.freed_bytes = collect_after_removal();
    }
    emit(events);
    if (event_sink_) event_sink_("prune", "", {{"reclaimed", std::to_string(report.freed_bytes)}});
    return report;
}

}  // namespace hull::image
