#include "registry/collector.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "registry/manifest_facts.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace hull::registry {

namespace {

Path parent_of(const Path& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Collector::Mark Collector::mark(const ContentDigest& digest) {
    Mark mark;
    const char* hex = digest.hex().data();
    std::from_chars(hex, hex + 16, mark.high, 16);
    std::from_chars(hex + 16, hex + 32, mark.low, 16);
    return mark;
}

bool Collector::is_old(const Path& link) const {
    const auto status = sys::find_stat(link);
    if (!status) return false;
    const std::int64_t changed_ns =
        status->st_mtim.tv_sec * 1'000'000'000LL + status->st_mtim.tv_nsec;
    return changed_ns + options_.grace_ns <= now_ns();
}

/// What cannot be read keeps nothing; but then nothing of its repository may go.
void Collector::mark_references(const std::string& repository, const ContentDigest& manifest,
                                std::vector<Mark>& marks) {
    const auto found = storage_.find_manifest(repository, manifest);
    if (!found) return;
    const ManifestFacts facts = parse_manifest_facts(found->text, found->media_type);
    for (const ManifestFacts::Reference& reference : facts.references)
        marks.push_back(mark(reference.digest));
}

/// Names tags whose manifest a kill -9 removed without them.
void Collector::clean_tags(const std::string& repository) {
    for (const std::string& tag : storage_.list_tags(repository)) {
        const auto alone = storage_.structure().own();
        const auto digest = storage_.find_tag(repository, tag);
        if (digest && !storage_.has_manifest(repository, *digest))
            sys::remove_tree(storage_.tag_path(repository, tag));
    }
}

void Collector::collect_untagged(const std::string& repository, Report& report) {
    std::set<std::string> needed;
    const auto note = [&](const ContentDigest& digest) {
        const auto found = storage_.find_manifest(repository, digest);
        if (!found) return;
        const ManifestFacts facts = parse_manifest_facts(found->text, found->media_type);
        for (const auto& reference : facts.references)
            if (reference.is_manifest) needed.insert(reference.digest.str());
        if (facts.subject) needed.insert(digest.str());  // goes with its subject, not before
    };
    for (const ContentDigest& digest : storage_.list_manifests(repository)) note(digest);
    for (const ContentDigest& digest : storage_.list_manifests(repository)) {
        if (needed.contains(digest.str()) || !is_old(storage_.revision_link(repository, digest)))
            continue;
        const auto alone = storage_.structure().own();
        bool is_tagged = !is_old(storage_.revision_link(repository, digest));
        for (const std::string& tag : storage_.list_tags(repository))
            is_tagged = is_tagged || storage_.find_tag(repository, tag) == digest;
        if (!is_tagged && storage_.remove_manifest_alone(repository, digest)) report.manifests++;
    }
}

void Collector::collect_repository(const std::string& repository, Report& report) {
    clean_tags(repository);
    if (options_.untagged) collect_untagged(repository, report);
    std::vector<Mark> marks;
    std::set<std::string> seen;
    const auto mark_manifests = [&] {
        for (const ContentDigest& digest : storage_.list_manifests(repository))
            if (seen.insert(digest.str()).second) mark_references(repository, digest, marks);
        std::ranges::sort(marks);
    };
    mark_manifests();
    std::vector<ContentDigest> candidates;
    for (const ContentDigest& digest : storage_.list_blobs(repository))
        if (!std::ranges::binary_search(marks, mark(digest)) &&
            is_old(storage_.layer_link(repository, digest)))
            candidates.push_back(digest);
    if (!candidates.empty()) {
        const auto alone = storage_.structure().own();
        mark_manifests();  // those that came meanwhile
        for (const ContentDigest& digest : candidates) {
            const Path link = storage_.layer_link(repository, digest);
            if (std::ranges::binary_search(marks, mark(digest)) || !is_old(link)) continue;
            sys::unlink(link);
            ::rmdir(parent_of(link).c_str());
            report.links++;
        }
    }
    for (const ContentDigest& digest : storage_.list_blobs(repository))
        live_.push_back(mark(digest));
    for (const ContentDigest& digest : storage_.list_manifests(repository))
        live_.push_back(mark(digest));
}

bool Collector::remove_content(const ContentDigest& digest, const Path& directory, Report& report) {
    const Path trash = join(storage_.root(), ".hull-registry-trash");
    sys::mkdir(trash, 0700);
    std::uint64_t bytes = 0;
    {
        // Alone: whoever links this content from now on looks first whether it is here.
        const auto alone = storage_.structure().own();
        {
            auto fresh = storage_.fresh_links_.lock();
            if (*fresh && (*fresh)->contains(digest.str())) return false;
        }
        bytes = storage_.find_content_size(digest).value_or(0);
        sys::rename(directory, join(trash, digest.hex()));
    }
    sys::remove_tree(join(trash, digest.hex()));
    report.blobs++;
    report.bytes += bytes;
    return true;
}

void Collector::sweep(Report& report) {
    std::ranges::sort(live_);
    const Path blobs = join(storage_.base_, "blobs");
    for (const std::string& algorithm : sys::list_directories(blobs))
        for (const std::string& prefix : sys::list_directories(join(blobs, algorithm))) {
            const Path shelf = blobs + "/" + algorithm + "/" + prefix;
            for (const std::string& hex : sys::list_directories(shelf)) {
                const auto digest = ContentDigest::find(algorithm + ":" + hex);
                if (!digest || std::ranges::binary_search(live_, mark(*digest))) continue;
                remove_content(*digest, join(shelf, hex), report);
            }
        }
}

void Collector::empty_trash() { sys::remove_tree(join(storage_.root(), ".hull-registry-trash")); }

Collector::Report Collector::run() {
    Report report;
    empty_trash();
    storage_.begin_collection();
    struct End {
        Storage& storage;
        ~End() { storage.end_collection(); }
    } const end{storage_};
    live_.clear();
    for (const std::string& repository : storage_.list_all_repositories()) {
        try {
            collect_repository(repository, report);
        } catch (const Error& error) {
            // Something in it cannot be read: all that it has stays.
            log::warning("collecting garbage of {}: {}", repository, error.message());
            for (const ContentDigest& digest : storage_.list_blobs(repository))
                live_.push_back(mark(digest));
            for (const ContentDigest& digest : storage_.list_manifests(repository))
                live_.push_back(mark(digest));
        }
    }
    sweep(report);
    live_ = {};
    empty_trash();
    return report;
}

}  // namespace hull::registry
