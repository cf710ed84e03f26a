#include "registry/storage.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "registry/durable.hh"
#include "registry/manifest_facts.hh"
#include "registry/refusal.hh"
#include "registry/route.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::registry {

namespace {

constexpr std::size_t max_manifest_bytes = 64UL << 20;  // what other registries may have let in
constexpr std::size_t max_link_bytes = 1024;
constexpr std::size_t max_cached_types = 4096;
constexpr int longest_lock_wait_ms = 3000, lock_pause_ms = 10;

bool exists(const Path& path) { return sys::find_stat(path).has_value(); }

std::optional<ContentDigest> find_link(const Path& path) {
    const auto text = find_file(path, max_link_bytes);
    return text ? ContentDigest::find(trim(*text)) : std::nullopt;
}

/// ALGORITHM/HEX, as directories are named.
Path digest_path(const ContentDigest& digest) {
    return Path(digest.algorithm()) + "/" + Path(digest.hex());
}

}  // namespace

std::shared_lock<std::shared_mutex> StructureLock::share() {
    const std::lock_guard turn(gate_);
    return std::shared_lock(mutex_);
}

std::unique_lock<std::shared_mutex> StructureLock::own() {
    const std::lock_guard turn(gate_);
    return std::unique_lock(mutex_);
}

Storage::Storage(Path root) : root_(std::move(root)), base_(join(root_, "docker/registry/v2")) {
    durable::make_directories(join(base_, "blobs"));
    durable::make_directories(join(base_, "repositories"));
    lock_file_ = sys::open(join(root_, ".hull-registry.lock"), O_RDWR | O_CREAT, 0600);
    // The worker of a supervisor that was killed ends a moment later.
    for (int waited_ms = 0; ::flock(lock_file_.get(), LOCK_EX | LOCK_NB) != 0;
         waited_ms += lock_pause_ms) {
        if (waited_ms >= longest_lock_wait_ms)
            throw Error(ErrorKind::conflict, "another hull-registry serves {}", root_);
        ::poll(nullptr, 0, lock_pause_ms);
    }
}

Path Storage::content_path(const ContentDigest& digest) const {
    return fmt::format("{}/blobs/{}/{}/{}/data", base_, digest.algorithm(),
                       digest.hex().substr(0, 2), digest.hex());
}
Path Storage::repository_path(std::string_view repository) const {
    return fmt::format("{}/repositories/{}", base_, repository);
}
Path Storage::layer_link(std::string_view repository, const ContentDigest& digest) const {
    return fmt::format("{}/_layers/{}/link", repository_path(repository), digest_path(digest));
}
Path Storage::revision_link(std::string_view repository, const ContentDigest& digest) const {
    return fmt::format("{}/_manifests/revisions/{}/link", repository_path(repository),
                       digest_path(digest));
}
Path Storage::tag_path(std::string_view repository, std::string_view tag) const {
    return fmt::format("{}/_manifests/tags/{}", repository_path(repository), tag);
}
Path Storage::referrer_path(std::string_view repository, const ContentDigest& subject) const {
    return fmt::format("{}/_referrers/{}", repository_path(repository), digest_path(subject));
}
Path Storage::uploads_directory(const std::string& repository) const {
    return repository_path(repository) + "/_uploads";
}

bool Storage::has_blob(const std::string& repository, const ContentDigest& digest) {
    return exists(layer_link(repository, digest)) && find_content_size(digest);
}

std::optional<std::uint64_t> Storage::find_content_size(const ContentDigest& digest) const {
    const auto status = sys::find_stat(content_path(digest));
    if (!status) return std::nullopt;
    return static_cast<std::uint64_t>(status->st_size);
}

std::optional<Content> Storage::find_blob(const std::string& repository,
                                          const ContentDigest& digest) {
    if (!exists(layer_link(repository, digest))) return std::nullopt;
    Fd file(::open(content_path(digest).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        if (errno == ENOENT) return std::nullopt;
        throw_errno(errno, "opening blob {}", digest.str());
    }
    const auto size = static_cast<std::uint64_t>(sys::fstat(file.get()).st_size);
    return Content{std::move(file), size};
}

void Storage::note_link(const ContentDigest& digest) {
    auto fresh = fresh_links_.lock();
    if (*fresh) (*fresh)->insert(digest.str());
}

void Storage::add_blob(const std::string& repository, const ContentDigest& digest,
                       const Path& file) {
    const auto shared = structure_.share();
    note_link(digest);
    // Content that is there already is never replaced: it has the same digest.
    if (find_content_size(digest))
        sys::unlink(file);
    else
        durable::place(file, content_path(digest));
    durable::write(layer_link(repository, digest), digest.str());
}

bool Storage::link_blob(const std::string& repository, const ContentDigest& digest) {
    const auto shared = structure_.share();
    note_link(digest);
    if (!find_content_size(digest)) return false;
    const Path link = layer_link(repository, digest);
    if (exists(link))
        ::utimensat(AT_FDCWD, link.c_str(), nullptr, 0);
    else
        durable::write(link, digest.str());
    return true;
}

void Storage::touch_blob(const std::string& repository, const ContentDigest& digest) {
    // Fails when a collection is faster; then the blob is gone, as if it had been a moment earlier.
    ::utimensat(AT_FDCWD, layer_link(repository, digest).c_str(), nullptr, 0);
}

bool Storage::remove_blob(const std::string& repository, const ContentDigest& digest) {
    const auto shared = structure_.share();
    const Path link = layer_link(repository, digest);
    if (!durable::remove(link)) return false;
    ::rmdir(link.substr(0, link.rfind('/')).c_str());
    return true;
}

std::string Storage::media_type_of(const Path& revision, const Manifest& manifest) {
    {
        auto types = media_types_.lock();
        const auto found = types->find(revision);
        if (found != types->end()) return found->second;
    }
    std::string type = find_file(revision + "/type", max_link_bytes).value_or("");
    if (type.empty()) type = find_media_type(manifest.text);
    auto types = media_types_.lock();
    if (types->size() >= max_cached_types) types->clear();
    (*types)[revision] = type;
    return type;
}

std::optional<Storage::Manifest> Storage::find_manifest(const std::string& repository,
                                                        const ContentDigest& digest) {
    const Path link = revision_link(repository, digest);
    if (!exists(link)) return std::nullopt;
    auto text = find_file(content_path(digest), max_manifest_bytes);
    if (!text) return std::nullopt;
    Manifest manifest{*std::move(text), "", digest};
    manifest.media_type = media_type_of(link.substr(0, link.rfind('/')), manifest);
    return manifest;
}

bool Storage::has_manifest(const std::string& repository, const ContentDigest& digest) const {
    return exists(revision_link(repository, digest));
}

void Storage::touch_manifest(const std::string& repository, const ContentDigest& digest) {
    ::utimensat(AT_FDCWD, revision_link(repository, digest).c_str(), nullptr, 0);
}

std::optional<std::int64_t> Storage::manifest_touched_ns(const std::string& repository,
                                                         const ContentDigest& digest) const {
    const auto status = sys::find_stat(revision_link(repository, digest));
    if (!status) return std::nullopt;
    return status->st_mtim.tv_sec * 1'000'000'000LL + status->st_mtim.tv_nsec;
}

void Storage::put_manifest(const std::string& repository, const Manifest& manifest,
                           const std::optional<Referrer>& referrer) {
    note_link(manifest.digest);
    if (!find_content_size(manifest.digest))
        durable::write(content_path(manifest.digest), manifest.text);
    if (referrer)
        durable::write(fmt::format("{}/{}-{}", referrer_path(repository, referrer->subject),
                                   manifest.digest.algorithm(), manifest.digest.hex()),
                       referrer->descriptor);
    const Path link = revision_link(repository, manifest.digest);
    const Path revision = link.substr(0, link.rfind('/'));
    if (find_media_type(manifest.text) != manifest.media_type)
        durable::write(revision + "/type", manifest.media_type);
    else
        sys::unlink(revision + "/type");
    media_types_.lock()->erase(revision);
    durable::write(link, manifest.digest.str());
    note_repository(repository);
}

bool Storage::remove_manifest(const std::string& repository, const ContentDigest& digest) {
    const auto shared = structure_.share();
    return remove_manifest_alone(repository, digest);
}

bool Storage::remove_manifest_alone(const std::string& repository, const ContentDigest& digest) {
    const Path link = revision_link(repository, digest);
    const auto text = find_file(content_path(digest), max_manifest_bytes);
    if (!durable::remove(link)) return false;
    // Whatever is left when we are killed here is seen by nobody: readers ask for the link first.
    const Path revision = link.substr(0, link.rfind('/'));
    ::unlink((revision + "/type").c_str());
    ::rmdir(revision.c_str());
    for (const std::string& tag : list_tags(repository))
        if (find_link(tag_path(repository, tag) + "/current/link") == digest)
            sys::remove_tree(tag_path(repository, tag));
    if (!text) return true;
    try {
        const ManifestFacts facts = parse_manifest_facts(*text, "");
        if (facts.subject)
            sys::unlink(fmt::format("{}/{}-{}", referrer_path(repository, *facts.subject),
                                    digest.algorithm(), digest.hex()));
    } catch (const Error&) {
        // It came in through another registry, which does not keep referrers.
    }
    return true;
}

namespace {

/// Digests of the links below DIRECTORY/ALGORITHM/HEX/link.
std::vector<ContentDigest> list_links(const Path& directory) {
    std::vector<ContentDigest> digests;
    for (const std::string& algorithm : sys::list_directories(directory)) {
        const Path links = join(directory, algorithm);
        for (const std::string& hex : sys::list_directories(links))
            if (auto digest = ContentDigest::find(algorithm + ":" + hex);
                digest && exists(join(links, hex) + "/link"))
                digests.push_back(*std::move(digest));
    }
    return digests;
}

}  // namespace

std::vector<ContentDigest> Storage::list_manifests(const std::string& repository) const {
    return list_links(repository_path(repository) + "/_manifests/revisions");
}

std::vector<ContentDigest> Storage::list_blobs(const std::string& repository) const {
    return list_links(repository_path(repository) + "/_layers");
}

std::vector<std::string> Storage::list_referrers(const std::string& repository,
                                                 const ContentDigest& subject) {
    std::vector<std::string> descriptors;
    const Path directory = referrer_path(repository, subject);
    if (!exists(directory)) return descriptors;
    for (const std::string& name : sys::list_directory(directory)) {
        std::string text = name;
        std::ranges::replace(text, '-', ':');
        const auto digest = ContentDigest::find(text);
        if (!digest || !has_manifest(repository, *digest)) continue;
        if (auto descriptor = find_file(join(directory, name), max_manifest_bytes))
            descriptors.push_back(*std::move(descriptor));
    }
    return descriptors;
}

std::optional<ContentDigest> Storage::find_tag(const std::string& repository,
                                               std::string_view tag) {
    return find_link(tag_path(repository, tag) + "/current/link");
}

void Storage::put_tag(const std::string& repository, std::string_view tag,
                      const ContentDigest& digest) {
    const Path path = tag_path(repository, tag);
    durable::write(fmt::format("{}/index/{}/link", path, digest_path(digest)), digest.str());
    durable::write(path + "/current/link", digest.str());
    note_repository(repository);
}

bool Storage::remove_tag(const std::string& repository, std::string_view tag) {
    const auto shared = structure_.share();
    const Path path = tag_path(repository, tag);
    if (!durable::remove(path + "/current/link")) return false;
    sys::remove_tree(path);
    return true;
}

std::vector<std::string> Storage::list_tags(const std::string& repository) {
    const Path tags = repository_path(repository) + "/_manifests/tags";
    std::vector<std::string> names = sys::list_directories(tags);
    std::erase_if(names, [&](const std::string& tag) {
        return !exists(tag_path(repository, tag) + "/current/link");
    });
    return names;
}

bool Storage::has_repository(const std::string& repository) {
    return exists(repository_path(repository) + "/_manifests");
}

namespace {

/// Adds every repository below `path`, whose own name is `name`, that has the directory `marker`.
void find_repositories(const Path& path, const std::string& name, std::string_view marker,
                       std::set<std::string>& found) {
    for (const std::string& entry : sys::list_directories(path)) {
        if (entry == marker && is_valid_repository(name)) found.insert(name);
        if (entry.starts_with('_') || entry.starts_with('.')) continue;
        const std::string deeper = name.empty() ? entry : name + "/" + entry;
        if (deeper.size() <= 255) find_repositories(join(path, entry), deeper, marker, found);
    }
}

}  // namespace

std::vector<std::string> Storage::list_repositories() {
    auto known = repositories_.lock();
    if (!*known) {
        known->emplace();
        find_repositories(repository_path(""), "", "_manifests", **known);
    }
    return {(*known)->begin(), (*known)->end()};
}

std::vector<std::string> Storage::list_upload_repositories() const {
    std::set<std::string> found;
    find_repositories(repository_path(""), "", "_uploads", found);
    return {found.begin(), found.end()};
}

std::vector<std::string> Storage::list_all_repositories() const {
    std::set<std::string> found;
    for (const char* marker : {"_layers", "_manifests"})
        find_repositories(repository_path(""), "", marker, found);
    return {found.begin(), found.end()};
}

void Storage::begin_collection() {
    // Alone: whoever is about to make a link has made it, or will note it.
    const auto alone = structure_.own();
    auto fresh = fresh_links_.lock();
    fresh->emplace();
}

void Storage::end_collection() {
    auto fresh = fresh_links_.lock();
    fresh->reset();
}

void Storage::note_repository(const std::string& repository) {
    auto known = repositories_.lock();
    if (*known) (*known)->insert(repository);
}

}  // namespace hull::registry
