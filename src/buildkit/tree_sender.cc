#include "buildkit/tree_sender.hh"

#include "archive/tar_reader.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "buildkit/packet.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace hull::buildkit {

namespace {

/// Names below the root, as fsutil has them: "bin/sh".
std::string relative(std::string name) {
    while (name.starts_with("./")) name.erase(0, 2);
    while (name.starts_with('/')) name.erase(0, 1);
    while (name.ends_with('/')) name.pop_back();
    return name == "." ? "" : name;
}

Fd make_spool() {
    const std::string name = "spool-" + random_hex(8);
    Fd file = sys::open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    sys::unlink(name);
    return file;
}

/// Writes the entry's bytes from `offset` on, those of a sparse file where they belong.
void spool_data(archive::TarReader& reader, const archive::Entry& entry, int file,
                std::uint64_t offset) {
    std::size_t extent = 0;
    std::uint64_t done = 0;  // of the extent, or of the file
    for (auto bytes = reader.next(); !bytes.empty(); bytes = reader.next()) {
        std::string_view left(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        while (!left.empty()) {
            std::string_view piece = left;
            std::uint64_t at = offset + done;
            if (entry.sparse) {
                while (extent < entry.extents.size() && done == entry.extents[extent].size) {
                    ++extent;
                    done = 0;
                }
                if (extent == entry.extents.size()) return;
                piece = piece.substr(0, entry.extents[extent].size - done);
                at = offset + entry.extents[extent].offset + done;
            }
            sys::pwrite_all(file, piece, at);
            done += piece.size();
            left.remove_prefix(piece.size());
        }
    }
}

}  // namespace

TreeSender::TreeSender(archive::ByteSource& tar) : spool_(make_spool()) {
    archive::TarReader reader(tar);
    std::map<std::string, File> files;  // the last of a name counts
    std::uint64_t end = 0;
    while (const archive::Entry* entry = reader.next_entry()) {
        File file;
        file.stat.path = relative(entry->name);
        if (file.stat.path.empty()) continue;
        mode_t mode = entry->mode;
        switch (entry->type) {
            case archive::EntryType::file: break;
            case archive::EntryType::hard_link:
                file.stat.link = relative(entry->link_target);
                break;
            case archive::EntryType::directory: mode |= S_IFDIR; break;
            case archive::EntryType::symlink:
                mode |= S_IFLNK;
                file.stat.link = entry->link_target;
                break;
            default: continue;
        }
        file.stat.mode = go_mode(mode);
        file.stat.uid = entry->uid;
        file.stat.gid = entry->gid;
        file.stat.modified_ns = entry->mtime.seconds * 1'000'000'000 + entry->mtime.nanoseconds;
        if (entry->type == archive::EntryType::file) {
            file.stat.size = static_cast<std::int64_t>(entry->size);
            file.offset = end;
            spool_data(reader, *entry, spool_.get(), end);
            end += entry->size;
        }
        files[file.stat.path] = std::move(file);
    }
    sys::ftruncate(spool_.get(), end);  // holes at the end
    for (auto& [path, file] : files) files_.push_back(std::move(file));
    sort();
}

/// As a walk meets them: name by name, so that "a/b" comes before "a-b".
void TreeSender::sort() {
    std::sort(files_.begin(), files_.end(), [](const File& one, const File& other) {
        const auto rank = [](char c) { return c == '/' ? '\0' : c; };
        return std::lexicographical_compare(one.stat.path.begin(), one.stat.path.end(),
                                            other.stat.path.begin(), other.stat.path.end(),
                                            [&](char a, char b) {
            return static_cast<unsigned char>(rank(a)) < static_cast<unsigned char>(rank(b));
        });
    });
    // Of the names of one file the first has the content, and the others name it.
    std::map<std::string, std::size_t> contents;  // by the name that has it in the archive
    std::map<std::string, std::string> first_names;
    for (std::size_t i = 0; i < files_.size(); ++i)
        if (files_[i].stat.is_regular() && files_[i].stat.link.empty())
            contents[files_[i].stat.path] = i;
    std::vector<File> named = files_;
    for (File& file : named) {
        if (!file.stat.is_regular()) continue;
        const std::string target = file.stat.link.empty() ? file.stat.path : file.stat.link;
        const auto content = contents.find(target);
        if (content == contents.end())
            throw Error(ErrorKind::invalid_argument, "{} names {}, which is not there",
                        file.stat.path, target);
        const auto [first, is_first] = first_names.emplace(target, file.stat.path);
        file.stat.link = is_first ? "" : first->second;
        file.stat.size = files_[content->second].stat.size;
        file.offset = files_[content->second].offset;
    }
    files_ = std::move(named);
}

void TreeSender::send_data(Call& call, std::uint32_t number) const {
    const File& file = files_.at(number);
    std::vector<char> buffer(32UL << 10);
    std::uint64_t done = 0;
    const auto size = static_cast<std::uint64_t>(file.stat.size);
    while (done < size) {
        const ssize_t count = ::pread(spool_.get(), buffer.data(),
                                      std::min<std::uint64_t>(buffer.size(), size - done),
                                      static_cast<off_t>(file.offset + done));
        if (count <= 0) throw_errno(count < 0 ? errno : EIO, "reading {}", file.stat.path);
        const std::string_view data(buffer.data(), static_cast<std::size_t>(count));
        call.write(format_packet({Packet::Type::data, {}, number, data}));
        done += data.size();
    }
    call.write(format_packet({Packet::Type::data, {}, number, {}}));
}

void TreeSender::send(Call& call, const std::function<void(std::uint64_t)>& on_bytes) const {
    for (const File& file : files_) {
        const std::string stat = format_file_stat(file.stat);
        call.write(format_packet({Packet::Type::stat, stat, 0, {}}));
    }
    call.write(format_packet({Packet::Type::stat, {}, 0, {}}));
    std::uint64_t sent = 0;
    std::string bytes;
    while (call.read(bytes)) {
        const Packet packet = parse_packet(bytes);
        if (packet.type == Packet::Type::request) {
            if (packet.id >= files_.size())
                throw Error(ErrorKind::invalid_argument, "the client wants a file that is none");
            send_data(call, packet.id);
            on_bytes(sent += static_cast<std::uint64_t>(files_[packet.id].stat.size));
        } else if (packet.type == Packet::Type::error) {
            throw Error(ErrorKind::internal, "the client says: {}", packet.data);
        } else if (packet.type == Packet::Type::fin) {
            call.write(format_packet({Packet::Type::fin, {}, 0, {}}));
            call.finish();
        }
    }
}

}  // namespace hull::buildkit
