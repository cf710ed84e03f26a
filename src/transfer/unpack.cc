#include "transfer/unpack.hh"

#include "archive/codec.hh"
#include "archive/file_record.hh"
#include "archive/tar_reader.hh"
#include "base/error.hh"
#include "base/sys.hh"

#include <vector>

namespace hull::transfer {

namespace {

/// Collects small pieces, so that a record is one write.
class BufferedOutput {
public:
    explicit BufferedOutput(int fd) : fd_(fd) {}
    void write(std::span<const std::byte> bytes) {
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (pending_.size() + text.size() > most_bytes) flush();
        if (text.size() >= most_bytes)
            sys::write_all(fd_, text);
        else
            pending_ += text;
    }
    void flush() {
        sys::write_all(fd_, pending_);
        pending_.clear();
    }

private:
    static constexpr std::size_t most_bytes = 64UL << 10;
    const int fd_;
    std::string pending_;
};

/// `name` relative to where the archive is unpacked; "" is that place.
std::string clean_name(const std::string& name) {
    std::vector<std::string_view> parts;
    const std::string_view text = name;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('/', at), text.size());
        const std::string_view part = text.substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            parts.push_back(part);
        } else if (parts.empty()) {
            throw Error(ErrorKind::invalid_argument,
                        "entry {} leads outside the directory it is unpacked in",
                        archive::quoted(name));
        } else {
            parts.pop_back();
        }
    }
    std::string clean;
    for (const std::string_view part : parts) {
        if (!clean.empty()) clean += '/';
        clean += part;
    }
    if (!archive::is_clean_record_name(clean))
        throw Error(ErrorKind::invalid_argument, "entry {}: the name is too long",
                    archive::quoted(name));
    return clean;
}

/// Whether an attribute may come from an archive: overlayfs would take its own as orders.
bool is_foreign_attribute(const std::pair<const std::string, std::string>& xattr) {
    return xattr.first.starts_with("trusted.overlay.") || xattr.first.starts_with("user.overlay.");
}

}  // namespace

void unpack(archive::ByteSource& stream, int output_fd) {
    archive::Decompressor plain(stream);
    archive::TarReader tar(plain);
    BufferedOutput output(output_fd);
    archive::RecordWriter records([&](std::span<const std::byte> bytes) { output.write(bytes); });
    while (const archive::Entry* found = tar.next_entry()) {
        archive::Entry entry = *found;
        entry.name = clean_name(entry.name);
        if (entry.type == archive::EntryType::hard_link)
            entry.link_target = clean_name(entry.link_target);
        if (entry.link_target.size() > archive::RecordLimits::name_bytes)
            throw Error(ErrorKind::invalid_argument, "entry {}: the link target is too long",
                        archive::quoted(found->name));
        std::erase_if(entry.xattrs, is_foreign_attribute);
        records.add(entry, tar);
    }
    records.finish();
    output.flush();
}

}  // namespace hull::transfer
