// The daemon reads images that the unprivileged hull-transfer wrote. An even first byte: the rest
// is an image. An odd one: the rest is changes, three bytes each, to an image of ours; so the
// fuzzer gets past the superblock.
#include "archive/erofs_reader.hh"
#include "archive/erofs_writer.hh"
#include "archive/test_tar.hh"
#include "base/error.hh"
#include "base/fd.hh"
#include "base/sys.hh"

#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>

namespace {

using namespace hull;

std::string make_image() {
    namespace tar = archive::test;
    const std::string layer =
        tar::directory("etc/") + tar::file("etc/motd", "hello\n") +
        tar::file("big", std::string(9000, 'x')) + tar::link('2', "link", "etc/motd") +
        tar::link('1', "hard", "big") + tar::file("etc/.wh.gone", "") +
        tar::pax('x', {{"SCHILY.xattr.user.a", "b"}}) + tar::file("marked", "") + tar::end();
    const Fd file(::memfd_create("model", MFD_CLOEXEC));
    archive::MemorySource source(layer);
    archive::TarReader reader(source);
    archive::ErofsWriter writer(file.get());
    writer.add_all(reader);
    writer.finish();
    std::string bytes(static_cast<std::size_t>(sys::fstat(file.get()).st_size), '\0');
    std::size_t done = 0;
    while (done < bytes.size())
        done += static_cast<std::size_t>(::pread(file.get(), bytes.data() + done,
                                                 bytes.size() - done, static_cast<off_t>(done)));
    return bytes;
}

std::string patched(const std::uint8_t* data, std::size_t size) {
    static const std::string model = make_image();
    std::string image = model;
    for (std::size_t at = 0; at + 3 <= size; at += 3) {
        const std::size_t offset = data[at] | static_cast<std::size_t>(data[at + 1]) << 8;
        image[offset % image.size()] = static_cast<char>(data[at + 2]);
    }
    return image;
}

void read_all(const archive::ErofsReader& reader, const archive::ErofsInode& file) {
    std::array<std::byte, 4096> buffer;
    for (std::uint64_t offset = 0; offset < (64U << 10);) {
        offset = reader.next_data(file, offset);
        const std::size_t count = reader.read(file, offset, buffer);
        if (count == 0) break;
        offset += count;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string image = data[0] & 1
                                  ? patched(data + 1, size - 1)
                                  : std::string(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Fd file(::memfd_create("image", MFD_CLOEXEC));
    sys::write_all(file.get(), image);
    try {
        const archive::ErofsReader reader(file.get());
        reader.find("etc/motd");
        reader.walk([&](const std::string&, const archive::ErofsInode& inode) {
            reader.xattrs(inode);
            if (S_ISLNK(inode.mode)) reader.read_link(inode);
            if (S_ISREG(inode.mode)) read_all(reader, inode);
        });
    } catch (const Error&) {
    }
    return 0;
}
