#include "transfer/save.hh"

#include "archive/tar_writer.hh"
#include "base/error.hh"
#include "base/json.hh"
#include "base/sys.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace hull::transfer {

namespace {

constexpr std::size_t max_document_bytes = 16UL << 20;

struct SavedBlob {
    int fd = -1;  ///< the daemon's; not owned
    std::uint64_t size = 0;
};

struct SavedImage {
    oci::Digest config, manifest;
    std::optional<oci::Digest> index;  ///< that the manifest is a member of
    std::vector<oci::Reference> tags;
};

std::string path_of(const oci::Digest& digest) {
    return fmt::format("blobs/{}/{}", digest.algorithm(), digest.hex());
}

std::size_t read_at(int fd, std::span<std::byte> into, std::uint64_t offset) {
    for (;;) {
        const ssize_t count = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) throw_errno(errno, "reading a blob");
    }
}

class Saver {
public:
    Saver(const json::Value& request, int output_fd);
    void save_all();

private:
    std::string read_document(const oci::Digest& digest) const;
    const SavedBlob& get_blob(const oci::Digest& digest) const;
    void add_directory(const std::string& name);
    void add_document(const std::string& name, const json::Value& document);
    void add_blob(const oci::Digest& digest);
    void want_index(const std::string& text, std::set<oci::Digest>& wanted) const;

    int output_fd_;
    std::map<oci::Digest, SavedBlob> blobs_;
    std::vector<SavedImage> images_;
    archive::TarWriter tar_;
};

Saver::Saver(const json::Value& request, int output_fd)
    : output_fd_(output_fd), tar_([this](std::span<const std::byte> bytes) {
          sys::write_all(output_fd_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      }) {
    for (const json::Value& blob : request["blobs"].as_array())
        blobs_[oci::Digest::parse(blob["digest"].as_string())] = {
            static_cast<int>(blob["fd"].as_int()), blob["size"].as_uint()};
    for (const json::Value& value : request["images"].as_array()) {
        SavedImage image;
        image.config = oci::Digest::parse(value["config"].as_string());
        image.manifest = oci::Digest::parse(value["manifest"].as_string());
        if (value["index"].is_string() && !value["index"].as_string().empty())
            image.index = oci::Digest::parse(value["index"].as_string());
        for (const std::string& tag : value["tags"].as_strings())
            image.tags.push_back(oci::Reference::parse(tag));
        images_.push_back(std::move(image));
    }
}

const SavedBlob& Saver::get_blob(const oci::Digest& digest) const {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end())
        throw Error(ErrorKind::data_loss, "blob {} is missing", digest.str());
    return found->second;
}

std::string Saver::read_document(const oci::Digest& digest) const {
    const SavedBlob& blob = get_blob(digest);
    if (blob.size > max_document_bytes)
        throw Error(ErrorKind::data_loss, "manifest {} has {} bytes", digest.str(), blob.size);
    std::string text(blob.size, '\0');
    for (std::size_t done = 0; done < text.size();) {
        const std::size_t count =
            read_at(blob.fd, std::as_writable_bytes(std::span(text)).subspan(done), done);
        if (count == 0) throw Error(ErrorKind::data_loss, "blob {} is cut short", digest.str());
        done += count;
    }
    return text;
}

void Saver::add_directory(const std::string& name) {
    archive::Entry entry;
    entry.type = archive::EntryType::directory;
    entry.name = name;
    entry.mode = 0755;
    tar_.add(entry);
}

void Saver::add_document(const std::string& name, const json::Value& document) {
    archive::Entry entry;
    entry.name = name;
    entry.mode = 0644;
    tar_.add_file(entry, json::dump(document));
}

void Saver::add_blob(const oci::Digest& digest) {
    const SavedBlob& blob = get_blob(digest);
    archive::Entry entry;
    entry.name = path_of(digest);
    entry.mode = 0644;
    entry.size = blob.size;
    tar_.add(entry);
    std::vector<std::byte> buffer(256UL << 10);
    for (std::uint64_t done = 0; done < blob.size;) {
        const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), blob.size - done);
        const std::size_t count = read_at(blob.fd, std::span(buffer).first(wanted), done);
        if (count == 0)
            throw Error(ErrorKind::data_loss, "blob {} has {} bytes instead of {}", digest.str(),
                        done, blob.size);
        tar_.write(std::span(buffer).first(count));
        done += count;
    }
}

/// All that an index names.
void Saver::want_index(const std::string& text, std::set<oci::Digest>& wanted) const {
    for (const oci::Descriptor& entry : oci::parse_index(text).manifests) {
        const oci::Manifest manifest = oci::parse_manifest(read_document(entry.digest));
        wanted.insert({entry.digest, manifest.config.digest});
        for (const oci::Descriptor& layer : manifest.layers) wanted.insert(layer.digest);
    }
}

void Saver::save_all() {
    json::Array docker_items, index_entries;
    json::Object repositories;
    std::set<oci::Digest> wanted;
    for (const SavedImage& image : images_) {
        const std::string text = read_document(image.manifest);
        const oci::Manifest manifest = oci::parse_manifest(text);
        wanted.insert({image.manifest, manifest.config.digest});
        json::Array layers;
        for (const oci::Descriptor& layer : manifest.layers) {
            wanted.insert(layer.digest);
            layers.push_back(path_of(layer.digest));
        }
        std::vector<std::string> familiar_tags;
        oci::Descriptor descriptor;
        descriptor.media_type = manifest.media_type;
        descriptor.digest = image.manifest;
        descriptor.size = static_cast<std::int64_t>(text.size());
        if (image.index) {
            const std::string index = read_document(*image.index);
            want_index(index, wanted);
            descriptor.media_type = oci::media_type::oci_index;
            descriptor.digest = *image.index;
            descriptor.size = static_cast<std::int64_t>(index.size());
            wanted.insert(*image.index);
        }
        for (const oci::Reference& tag : image.tags) {
            familiar_tags.push_back(tag.familiar());
            descriptor.annotations = {{"io.containerd.image.name", tag.canonical()},
                                      {"org.opencontainers.image.ref.name", tag.tag()}};
            index_entries.push_back(oci::to_json(descriptor));
            if (!manifest.layers.empty())
                repositories[tag.familiar_name()][tag.tag()] =
                    std::string(manifest.layers.back().digest.hex());
        }
        if (image.tags.empty()) index_entries.push_back(oci::to_json(descriptor));
        docker_items.push_back(json::Object{
            {"Config", path_of(image.config)},
            {"RepoTags", image.tags.empty() ? json::Value() : json::Value(familiar_tags)},
            {"Layers", std::move(layers)},
        });
    }
    add_directory("blobs/");
    std::set<std::string_view> algorithms{"sha256"};
    for (const oci::Digest& digest : wanted) algorithms.insert(digest.algorithm());
    for (const std::string_view algorithm : algorithms)
        add_directory(fmt::format("blobs/{}/", algorithm));
    for (const oci::Digest& digest : wanted) add_blob(digest);
    add_document("index.json", json::Object{{"schemaVersion", 2},
                                            {"mediaType", oci::media_type::oci_index},
                                            {"manifests", std::move(index_entries)}});
    add_document("manifest.json", std::move(docker_items));
    add_document("oci-layout", json::Object{{"imageLayoutVersion", "1.0.0"}});
    if (!repositories.empty()) add_document("repositories", std::move(repositories));
    tar_.finish();
}

}  // namespace

void save(std::string_view request, int output_fd) {
    const json::Value document =
        with_context([&] { return json::parse(request); }, "request of the daemon");
    Saver(document, output_fd).save_all();
}

}  // namespace hull::transfer
