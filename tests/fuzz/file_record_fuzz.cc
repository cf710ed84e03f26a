// What a parser without rights says an archive holds, read by the program with rights. What is
// accepted has clean names and stays within its bounds.
#include "archive/file_record.hh"
#include "base/error.hh"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hull;
    archive::MemorySource source({reinterpret_cast<const char*>(data), size}, 61);
    archive::RecordReader reader(source);
    try {
        while (const archive::Entry* entry = reader.next_entry()) {
            if (!archive::is_clean_record_name(entry->name)) std::abort();
            if (entry->name.starts_with('/') || entry->name.find("..") == 0) {
                if (entry->name.starts_with('/') || entry->name == ".." ||
                    entry->name.starts_with("../"))
                    std::abort();
            }
            std::uint64_t end = 0, stored = 0;
            for (const archive::Extent& extent : entry->extents) {
                if (extent.offset < end || extent.offset + extent.size > entry->size) std::abort();
                end = extent.offset + extent.size;
                stored += extent.size;
            }
            if (entry->sparse && stored != entry->stored_size) std::abort();
            while (!reader.next().empty()) {
            }
        }
    } catch (const Error&) {
    }
    return 0;
}
