#include "transfer/archive_contents.hh"

#include "archive/tar_reader.hh"
#include "base/log.hh"

#include <algorithm>

namespace hull::transfer {

namespace {

constexpr std::size_t max_files = 100'000;
constexpr std::size_t max_document_bytes = 16UL << 20;
constexpr int max_link_depth = 16;
constexpr std::string_view blob_directory = "blobs/";

/// What an OCI layout says by a name (blobs/ALGORITHM/HEX) that the content hashes to; empty for
/// every other name.
oci::Digest digest_in(std::string_view name) {
    if (!name.starts_with(blob_directory)) return {};
    std::string text(name.substr(blob_directory.size()));
    if (const std::size_t slash = text.find('/'); slash != std::string::npos) text[slash] = ':';
    return oci::Digest::find(text).value_or(oci::Digest());
}

/// `directory`/`name` without `.`, `..` and doubled slashes; nullopt when it leads outside.
std::optional<std::string> clean_path(std::string_view directory, std::string_view name) {
    std::vector<std::string_view> parts;
    for (std::string_view text : {directory, name})
        while (!text.empty()) {
            const std::size_t slash = std::min(text.find('/'), text.size());
            const std::string_view part = text.substr(0, slash);
            text.remove_prefix(std::min(slash + 1, text.size()));
            if (part.empty() || part == ".") continue;
            if (part != "..") {
                parts.push_back(part);
            } else if (parts.empty()) {
                return std::nullopt;
            } else {
                parts.pop_back();
            }
        }
    std::string path;
    for (const std::string_view part : parts) {
        if (!path.empty()) path += '/';
        path += part;
    }
    return path;
}

std::string_view directory_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool has_parent_component(std::string_view path) {
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        if (path.substr(0, slash) == "..") return true;
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return false;
}

}  // namespace

void ArchiveContents::read(archive::ByteSource& stream) {
    archive::TarReader tar(stream);
    std::size_t count = 0;
    while (const archive::Entry* entry = tar.next_entry()) {
        if (++count > max_files)
            throw Error(ErrorKind::invalid_argument, "the archive has more than {} entries",
                        max_files);
        const auto refuse = [&](std::string_view why) {
            throw Error(ErrorKind::invalid_argument, "entry {} of the archive: {}",
                        archive::quoted(entry->name), why);
        };
        if (has_parent_component(entry->name)) refuse("the name leads out of its directory (..)");
        const std::string name = *clean_path("", entry->name);
        switch (entry->type) {
            case archive::EntryType::directory: break;
            case archive::EntryType::file:
                if (entry->sparse) refuse("sparse files are not supported in an image archive");
                links_.erase(name);
                read_file(name, entry->size, tar);
                break;
            case archive::EntryType::symlink:
            case archive::EntryType::hard_link: {
                if (entry->link_target.starts_with('/')) refuse("an absolute link");
                const bool is_symlink = entry->type == archive::EntryType::symlink;
                const auto target =
                    clean_path(is_symlink ? directory_of(name) : "", entry->link_target);
                if (!target) refuse("a link that leads out of the archive");
                names_.erase(name);
                links_.insert_or_assign(name, *target);
                break;
            }
            default: refuse("a device or fifo has no place in an image archive");
        }
    }
    if (count == 0) throw Error(ErrorKind::invalid_argument, "the archive is empty");
}

void ArchiveContents::read_file(const std::string& name, std::uint64_t size,
                                archive::ByteSource& data) {
    ArchivedBlob blob;
    const oci::Digest said = digest_in(name);
    try {
        BlobWriter writer(staging_, said);
        archive::TeeSource spooled(data,
                                   [&](std::span<const std::byte> chunk) { writer.write(chunk); });
        const std::vector<std::byte> head = peek(spooled);
        const std::string_view base = std::string_view(name).substr(directory_of(name).size());
        const bool known = !said.empty() && known_layers_.contains(said.str());
        if (!known && (looks_like_layer(head) || base == "/layer.tar")) {
            archive::PrefixedSource whole(head, spooled);
            try {
                blob.layer = convert_layer(
                    staging_, whole, {},
                    said.algorithm() == "sha512" ? Hashing::always : Hashing::compressed_only);
            } catch (const Error& error) {
                if (error.error_number() != 0) throw;  // ours, not the layer's: a full disk
                // It may not be a layer at all, or link to one below: convert() decides, if an
                // image names it.
            }
        }
        archive::drain(spooled);
        blob.digest = writer.finish();
        blob.size = writer.size();
        blob.file = writer.name();
        blob.known_layer = known;
        if (blob.layer && blob.layer->diff_id.empty()) blob.layer->diff_id = blob.digest;
    } catch (const Error& error) {
        throw staging_.explain(error, fmt::format("storing {} and unpacking it", name), 2 * size);
    }
    if (!said.empty() && said != blob.digest)
        throw Error(ErrorKind::data_loss, "{} hashes to {}", name, blob.digest.str());
    if (blob.layer) messages_.progress(fmt::format("unpacked layer {}", blob.layer->diff_id.str()));

    names_.insert_or_assign(name, blob.digest);
    const auto [kept, is_new] = blobs_.try_emplace(blob.digest, std::move(blob));
    if (!is_new) {  // the same bytes under another name; try_emplace left `blob` alone
        staging_.remove(blob.file);
        if (blob.layer) staging_.remove(blob.layer->file);
    }
}

ArchivedBlob* ArchiveContents::find(std::string_view name) {
    std::optional<std::string> path = clean_path("", name);
    for (int depth = 0; path && depth < max_link_depth; ++depth) {
        if (const auto found = names_.find(*path); found != names_.end())
            return find(found->second);
        const auto link = links_.find(*path);
        if (link == links_.end()) break;
        path = link->second;
    }
    return nullptr;
}

ArchivedBlob* ArchiveContents::find(const oci::Digest& digest) {
    const auto found = blobs_.find(digest);
    return found == blobs_.end() ? nullptr : &found->second;
}

ArchivedBlob& ArchiveContents::get(std::string_view name, std::string_view named_by) {
    if (ArchivedBlob* blob = find(name)) return *blob;
    throw Error(ErrorKind::invalid_argument, "{} names {}, which the archive does not hold",
                named_by, archive::quoted(name));
}

ArchivedBlob& ArchiveContents::get(const oci::Digest& digest, std::string_view named_by) {
    if (ArchivedBlob* blob = find(digest)) return *blob;
    throw Error(ErrorKind::invalid_argument, "{} names {}, which the archive does not hold",
                named_by, digest.str());
}

std::string ArchiveContents::text(const ArchivedBlob& blob) const {
    return staging_.read(blob.file, max_document_bytes);
}

ArchivedBlob& ArchiveContents::add(std::string_view content) {
    ArchivedBlob blob;
    BlobWriter writer(staging_);
    writer.write(std::as_bytes(std::span(content)));
    blob.digest = writer.finish();
    blob.size = writer.size();
    blob.file = writer.name();
    return blobs_.try_emplace(blob.digest, std::move(blob)).first->second;
}

void ArchiveContents::convert(ArchivedBlob& blob, std::span<const std::string> lower_files) {
    if (blob.layer) return;
    const Fd file = staging_.open(blob.file);
    archive::FdSource source(file.get());
    try {
        blob.layer = convert_layer(staging_, source, lower_files);
    } catch (const Error& error) {
        throw staging_.explain(error, "unpacking it", blob.size);
    }
}

}  // namespace hull::transfer
