#pragma once
#include "archive/erofs_writer.hh"
#include "archive/tar_writer.hh"
#include "base/file.hh"
#include "base/hash.hh"
#include "base/sys.hh"

#include <string>
#include <string_view>
#include <vector>

/// Layers for tests, made with the real writers.
namespace hull::store::testing {

struct File {
    std::string name, content;
};

/// A tar of plain files.
inline std::string make_tar(const std::vector<File>& files) {
    std::string tar;
    archive::TarWriter writer([&tar](std::span<const std::byte> bytes) {
        tar.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    for (const File& file : files) {
        archive::Entry entry;
        entry.name = file.name;
        entry.mode = 0644;
        entry.size = entry.stored_size = file.content.size();
        entry.mtime.seconds = 1'700'000'000;
        writer.add_file(entry, file.content);
    }
    writer.finish();
    return tar;
}

/// Writes the EROFS image of `tar` to `path`.
inline void write_erofs(const Path& path, std::string_view tar) {
    const Fd file = sys::open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    archive::MemorySource source(tar);
    archive::TarReader reader(source);
    archive::ErofsWriter writer(file.get());
    writer.add_all(reader);
    writer.finish();
}

inline std::string digest_of(std::string_view bytes) { return "sha256:" + sha256_hex(bytes); }

/// A directory under /tmp that goes with its owner.
class Scratch {
public:
    Scratch() : path_("/tmp/hull-store-" + random_hex(8)) { sys::mkdir(path_, 0711); }
    ~Scratch() { sys::remove_tree(path_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const Path& path() const { return path_; }

private:
    const Path path_;
};

}  // namespace hull::store::testing
