#include "registry/engine_contents.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "base/sys.hh"
#include "db/read_rows.hh"
#include "oci/reference.hh"
#include "registry/manifest_facts.hh"
#include "registry/route.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hull::registry {

namespace {

constexpr std::size_t max_question_bytes = 256, max_manifest_bytes = 16UL << 20;
constexpr std::size_t max_cached = 4096;
constexpr std::string_view names_question = "names", hub = "docker.io";

/// The bytes of a file whose offset is shared with who sent it.
std::string read_whole(int file, std::size_t most) {
    const auto size = static_cast<std::size_t>(sys::fstat(file).st_size);
    if (size > most) throw Error(ErrorKind::data_loss, "{} bytes are too many", size);
    std::string text(size, '\0');
    for (std::size_t done = 0; done < size;) {
        const ssize_t count =
            ::pread(file, text.data() + done, size - done, static_cast<off_t>(done));
        if (count <= 0) throw Error(ErrorKind::data_loss, "a file of the store is cut short");
        done += static_cast<std::size_t>(count);
    }
    return text;
}

/// The repositories that an image's name stands for.
std::vector<std::string> repositories_of(const oci::Reference& reference) {
    std::vector<std::string> names{reference.path()};
    if (const std::string whole = reference.domain() + "/" + reference.path();
        is_valid_repository(whole))
        names.push_back(whole);
    return names;
}

}  // namespace

void EngineStore::check() const {
    if (!sys::find_stat(join(data_root_, "hull.db")) ||
        !sys::find_stat(join(data_root_, "blobs/sha256")))
        throw Error(ErrorKind::not_found,
                    "--store: {} is no engine's store: use hulld's --data-root (/var/lib/hull)",
                    data_root_);
}

std::string EngineStore::list_names() const {
    json::Array names;
    for (const auto& row : db::read_rows(join(data_root_, "hull.db"),
                                         "SELECT reference, manifest FROM image_tags UNION ALL "
                                         "SELECT reference, manifest FROM image_digests"))
        names.push_back(json::Array{json::Value(row.at(0)), json::Value(row.at(1))});
    return json::dump(std::move(names));
}

void EngineStore::serve(int socket) {
    for (;;) {
        const sys::Received question = sys::receive_with_fds(socket, max_question_bytes);
        if (question.bytes.empty()) return;
        try {
            if (question.bytes == names_question) {
                const Fd names = make_memory_file("names", list_names());
                sys::send_with_fds(socket, "ok", std::array{names.get()});
                continue;
            }
            // Only digits get into the path.
            const auto digest = ContentDigest::find(question.bytes);
            Fd file;
            if (digest)
                file = Fd(::open(
                    join(data_root_, fmt::format("blobs/{}/{}", digest->algorithm(), digest->hex()))
                        .c_str(),
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
            if (file)
                sys::send_with_fds(socket, "ok", std::array{file.get()});
            else
                sys::send_with_fds(socket, "none", {});
        } catch (const Error& error) {
            sys::send_with_fds(socket, "error " + error.message(), {});
        }
    }
}

std::optional<Content> EngineContents::open_blob(const ContentDigest& digest) {
    const std::lock_guard asking(mutex_);
    sys::send_with_fds(socket_.get(), digest.str(), {});
    sys::Received answer = sys::receive_with_fds(socket_.get(), 4096);
    if (answer.fds.empty()) {
        if (answer.bytes == "none") return std::nullopt;
        throw Error(ErrorKind::internal, "opening blob {}: {}", digest.str(), answer.bytes);
    }
    const auto size = static_cast<std::uint64_t>(sys::fstat(answer.fds.front().get()).st_size);
    return Content{std::move(answer.fds.front()), size};
}

EngineContents::Repositories EngineContents::read_names() {
    std::string text;
    {
        const std::lock_guard asking(mutex_);
        sys::send_with_fds(socket_.get(), names_question, {});
        const sys::Received answer = sys::receive_with_fds(socket_.get(), 4096);
        if (answer.fds.empty())
            throw Error(ErrorKind::internal, "reading the engine's names: {}", answer.bytes);
        text = read_whole(answer.fds.front().get(), SIZE_MAX);
    }
    Repositories repositories;
    const json::Value names = json::parse(text);
    for (const bool is_hub : {true, false})  // its names win where two have the same path
        for (const json::Value& entry : names.as_array()) {
            const oci::Reference reference = oci::Reference::parse(entry.as_array()[0].as_string());
            if ((reference.domain() == hub) != is_hub) continue;
            const auto manifest = ContentDigest::find(entry.as_array()[1].as_string());
            if (!manifest) continue;
            for (const std::string& name : repositories_of(reference)) {
                Repository& repository = repositories[name];
                repository.manifests.insert(*manifest);
                if (!reference.tag().empty())
                    repository.tags.try_emplace(reference.tag(), *manifest);
            }
        }
    return repositories;
}

std::optional<StoredManifest> EngineContents::open_manifest(const ContentDigest& digest) {
    const auto blob = open_blob(digest);
    if (!blob) return std::nullopt;
    StoredManifest manifest{read_whole(blob->file.get(), max_manifest_bytes), "", digest};
    const ManifestFacts facts = parse_manifest_facts(manifest.text, "");
    manifest.media_type = facts.media_type;
    References references;
    for (const ManifestFacts::Reference& reference : facts.references)
        (reference.is_manifest ? references.manifests : references.blobs).insert(reference.digest);
    auto known = references_.lock();
    if (known->size() >= max_cached) known->clear();
    (*known)[digest] = std::move(references);
    return manifest;
}

bool EngineContents::has(const Repository& repository, const ContentDigest& digest,
                         bool as_manifest) {
    if (repository.manifests.contains(digest)) return true;  // a manifest is a blob as well
    std::vector<ContentDigest> open(repository.manifests.begin(), repository.manifests.end());
    for (std::size_t i = 0; i < open.size(); ++i) {
        bool is_known = false;
        {
            auto known = references_.lock();
            is_known = known->contains(open[i]);
        }
        if (!is_known && !open_manifest(open[i])) continue;
        auto known = references_.lock();
        const auto found = known->find(open[i]);
        if (found == known->end()) continue;
        const References& references = found->second;
        if (references.manifests.contains(digest) ||
            (!as_manifest && references.blobs.contains(digest)))
            return true;
        for (const ContentDigest& child : references.manifests)
            if (std::find(open.begin(), open.end(), child) == open.end()) open.push_back(child);
    }
    return false;
}

std::optional<Content> EngineContents::find_blob(const std::string& repository,
                                                 const ContentDigest& digest) {
    const Repositories all = read_names();
    const auto found = all.find(repository);
    if (found == all.end() || !has(found->second, digest, false)) return std::nullopt;
    return open_blob(digest);
}

std::optional<StoredManifest> EngineContents::find_manifest(const std::string& repository,
                                                            const ContentDigest& digest) {
    const Repositories all = read_names();
    const auto found = all.find(repository);
    if (found == all.end() || !has(found->second, digest, true)) return std::nullopt;
    return open_manifest(digest);
}

std::optional<ContentDigest> EngineContents::find_tag(const std::string& repository,
                                                      std::string_view tag) {
    const Repositories all = read_names();
    const auto found = all.find(repository);
    if (found == all.end()) return std::nullopt;
    const auto named = found->second.tags.find(tag);
    if (named == found->second.tags.end()) return std::nullopt;
    return named->second;
}

std::vector<std::string> EngineContents::list_tags(const std::string& repository) {
    std::vector<std::string> tags;
    const Repositories all = read_names();
    if (const auto found = all.find(repository); found != all.end())
        for (const auto& [tag, digest] : found->second.tags) tags.push_back(tag);
    return tags;
}

bool EngineContents::has_repository(const std::string& repository) {
    return read_names().contains(repository);
}

std::vector<std::string> EngineContents::list_repositories() {
    std::vector<std::string> names;
    for (const auto& [name, repository] : read_names()) names.push_back(name);
    return names;
}

/// The engine keeps no artifacts.
std::vector<std::string> EngineContents::list_referrers(const std::string&, const ContentDigest&) {
    return {};
}

}  // namespace hull::registry
