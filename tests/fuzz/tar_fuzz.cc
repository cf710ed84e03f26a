// Any bytes as a layer: tar reader and EROFS writer must end or throw Error, and what they wrote
// must be an image that our reader accepts.
#include "archive/erofs_reader.hh"
#include "archive/erofs_writer.hh"
#include "base/error.hh"
#include "base/fd.hh"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    const Fd image(::memfd_create("image", MFD_CLOEXEC));
    bool finished = false;
    try {
        archive::MemorySource source({reinterpret_cast<const char*>(data), size}, 777);
        archive::TarReader tar(source);
        archive::ErofsWriter writer(image.get());
        writer.add_all(tar);
        for (const archive::UnresolvedLink& link : writer.unresolved_links()) {
            archive::MemorySource nothing("");
            writer.resolve_link(link, archive::Entry{}, nothing);
        }
        writer.finish();
        finished = true;
        const archive::ErofsReader reader(image.get());
        reader.walk([&](const std::string&, const archive::ErofsInode& inode) {
            reader.xattrs(inode);
            if (S_ISLNK(inode.mode)) reader.read_link(inode);
        });
    } catch (const Error& error) {
        // Directories nested deeper than the reader's limit are refused by it alone.
        if (finished && error.message().find("nested too deep") == std::string::npos) std::abort();
    }
    return 0;
}
